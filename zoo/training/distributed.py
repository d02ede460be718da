"""Which of several training processes this is, and whether they were started as they are meant to be."""

from __future__ import annotations

import os

from zoo.errors import InputError

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Where torchrun, Lightning's own launcher, SLURM and LSF say which process this is, as Lightning reads them."""


def first() -> bool:
    """Say whether this process is the one that reads, tells and writes."""
    rank = next((os.environ[name] for name in _RANKS if name in os.environ), "0")
    return rank == "0" and ("RANK" in os.environ or os.environ.get("NODE_RANK", "0") == "0")


def check(devices: int, nodes: int) -> None:
    """Refuse numbers of devices and machines that cannot be, or that nobody started.

    Raises
    ------
    InputError
        If one is less than one, `nodes` machines were not started by a launcher, or torchrun was given others.
    """
    if devices < 1 or nodes < 1:
        raise InputError(f"--devices {devices} --num-nodes {nodes}: at least one of each is needed")
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        if nodes > 1 and not any(name in os.environ for name in ("NODE_RANK", *_RANKS)):
            raise InputError(f"--num-nodes {nodes}: start this command on each machine by torchrun, or by srun")
        return
    here, everywhere = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if (devices, devices * nodes) != (here, everywhere):
        raise InputError(
            f"torchrun started {here} processes here and {everywhere} in all; "
            f"give --devices {here} --num-nodes {max(1, everywhere // here)}"
        )
