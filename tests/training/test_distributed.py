"""Which process is the first, as torchrun, SLURM and Lightning's own launcher tell them."""

from __future__ import annotations

import pytest

from zoo.errors import InputError
from zoo.training import distributed


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "1"}, True),  # torchrun's global rank alone counts
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # Lightning's child in an interactive allocation
        ({"NODE_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_one_process_is_the_first(told: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*distributed._RANKS, "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert distributed.first() == first


def test_machines_that_nobody_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"--num-nodes 2: start this command on each machine by torchrun, or by srun"):
        distributed.check(1, 2)
    monkeypatch.setenv("SLURM_PROCID", "1")
    distributed.check(1, 2)
    with pytest.raises(InputError, match=r"--devices 0 --num-nodes 1: at least one of each"):
        distributed.check(0, 1)
