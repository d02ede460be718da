"""Training of one network by several processes (torch's DDP): launching and communication."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from zoo.errors import InputError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


@dataclass(frozen=True)
class Launch:
    """Launcher settings of this process: its rank, its rank on this machine, and the number of processes."""

    rank: int
    local_rank: int
    world_size: int
    local_world_size: int | None = None


def launched() -> Launch | None:
    """Return the settings from torchrun, or srun with several tasks; None if no launcher was used."""
    told = os.environ
    if "RANK" in told and "WORLD_SIZE" in told:
        local = int(told.get("LOCAL_WORLD_SIZE", "0")) or None
        return Launch(int(told["RANK"]), int(told.get("LOCAL_RANK", "0")), int(told["WORLD_SIZE"]), local)
    if int(told.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return Launch(int(told["SLURM_PROCID"]), int(told["SLURM_LOCALID"]), int(told["SLURM_STEP_NUM_TASKS"]))
    return None


def is_main_process() -> bool:
    """Return whether this process is the main one, which reads, reports and writes."""
    launch = launched()
    return launch is None or launch.rank == 0


def check_launch(devices: int, nodes: int) -> None:
    """Refuse numbers of devices and machines that are impossible or do not match the launcher's.

    Raises
    ------
    InputError
    """
    if devices < 1 or nodes < 1:
        raise InputError(f"--devices {devices} --num-nodes {nodes}: at least one of each is needed")
    launch = launched()
    if launch is None:
        if nodes > 1:
            raise InputError(f"--num-nodes {nodes}: start this command on each machine by torchrun, or by srun")
        return
    everywhere, here = launch.world_size, launch.local_world_size or devices
    if (devices, devices * nodes) != (here, everywhere):
        raise InputError(
            f"the launcher started {here} processes here and {everywhere} in all; "
            f"give --devices {here} --num-nodes {max(1, everywhere // here)}"
        )


def run_on_devices(devices: int) -> None:
    """Run the command of this process once per device of this machine, as torchrun does, and wait for it to finish.

    Raises
    ------
    SystemExit
        With the exit code of the first process that failed, which has reported the error.
    TrainingError
        If a process was terminated by a signal.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The failing process reports the error in one line; torch would add a page of details.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)(*sys.orig_argv[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            raise SystemExit(failure.exitcode) from None
        name = signal.Signals(-failure.exitcode).name
        raise TrainingError(f"process {rank} of {devices} was ended by {name}; continue with --resume") from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        signal.signal(error.sigval, signal.SIG_DFL)
        os.kill(os.getpid(), error.sigval)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a fit, from the perspective of one of them.

    Parameters
    ----------
    device : str
        The device of this process.
    rank, world_size : int
    """

    device: str
    rank: int = 0
    world_size: int = 1

    def parallel(self, module: nn.Module) -> nn.Module:
        """Return the module with gradients averaged over all processes."""
        return module if self.world_size == 1 else torch.nn.parallel.DistributedDataParallel(module)

    def from_main(self, *values: float) -> tuple[float, ...]:
        """Return the main process's values of these numbers."""
        if self.world_size == 1:
            return values
        shared: Tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return tuple(shared.tolist())


@contextmanager
def process_group(processes: int, device: str) -> Iterator[ProcessGroup]:
    """Join the other processes of a fit inside the block.

    Parameters
    ----------
    processes : int
        Number of processes; a single one communicates with nobody.
    device : {"cpu", "cuda"}

    Raises
    ------
    InputError
        If this process was not started by a launcher.
    """
    if processes == 1:
        yield ProcessGroup(device)
        return
    launch = launched()
    if launch is None:
        raise InputError(f"{processes} processes: start them by torchrun")
    if device == "cuda":
        device = f"cuda:{launch.local_rank}"
        torch.cuda.set_device(launch.local_rank)
    dist.init_process_group(
        "nccl" if device.startswith("cuda") else "gloo",
        init_method=_address(),
        rank=launch.rank,
        world_size=launch.world_size,
    )
    try:
        yield ProcessGroup(device, launch.rank, launch.world_size)
        dist.barrier()
    finally:
        dist.destroy_process_group()


def _address() -> str:
    """Return the rendezvous address: torchrun's, or else the first machine of a SLURM job."""
    if "MASTER_ADDR" in os.environ and "MASTER_PORT" in os.environ:
        return "env://"
    nodes = os.environ.get("SLURM_STEP_NODELIST", "localhost")
    # "gpu[03-07,12],login1" begins with gpu03
    first = re.sub(r"\[(\w+)[^]]*\]", r"\1", nodes).split(",")[0]
    return f"tcp://{first}:{15000 + int(os.environ.get('SLURM_JOB_ID', '0')) % 10000}"
