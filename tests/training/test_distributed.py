"""Several processes train one network: who launched them, and that they train as one process would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from support.smallfit import SETTINGS, blank, twins
from support.tinyrecipe import EXAMPLE

from zoo.errors import InputError
from zoo.training import distributed
from zoo.training.distributed import ProcessGroup, process_group
from zoo.training.fit import fit
from zoo.training.loop import Loop

if TYPE_CHECKING:
    from support.smallfit import Data

VARIABLES = (
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_JOB_ID"),
)

# A process that fits a network without batch statistics on batches of four crystals; the main one writes what it got.
SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from safetensors.torch import load_file, save_file
from support.smallfit import twins
from zoo.training import distributed
from zoo.training.fit import fit

table, out = map(Path, sys.argv[1:])
network, train, validation, scaler, settings = twins(table, batch_size=4)
distributed.check_launch(2, 1)
result = fit(
    network, train, validation, [scaler], settings, seed=3, workdir=out.parent, device="cpu", devices=2,
    save_minutes=0 if distributed.is_main_process() else None,
)
if distributed.is_main_process():
    save_file(network.state_dict(), out)
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No launcher told anything yet."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "main"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0", "WORLD_SIZE": "8"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}, True),
        ({"SLURM_PROCID": "0"}, True),  # the script of a batch job, not a task of srun
        ({"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "1"}, True),
        ({"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "4"}, False),
    ],
)
def test_one_process_is_the_main_one(variables: dict[str, str], main: bool, told: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        told.setenv(name, value)
    assert distributed.is_main_process() == main


def test_machines_that_nobody_started(told: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"--num-nodes 2: start this command on each machine by torchrun, or by srun"):
        distributed.check_launch(1, 2)
    with pytest.raises(InputError, match=r"--devices 0 --num-nodes 1: at least one of each"):
        distributed.check_launch(0, 1)
    for name, value in (("SLURM_PROCID", "1"), ("SLURM_LOCALID", "0"), ("SLURM_STEP_NUM_TASKS", "2")):
        told.setenv(name, value)
    distributed.check_launch(1, 2)
    with pytest.raises(InputError, match=r"started 1 processes here and 2 in all; give --devices 1 --num-nodes 2"):
        distributed.check_launch(1, 1)


def test_a_single_process_joins_nobody(told: pytest.MonkeyPatch) -> None:
    module = torch.nn.Linear(2, 2)
    with process_group(1, "cpu") as group:
        assert group == ProcessGroup("cpu")
        assert group.parallel(module) is module
        assert group.from_main(1.5, 2.5) == (1.5, 2.5)
    with pytest.raises(InputError, match="2 processes: start them by torchrun"), process_group(2, "cpu"):
        pass


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """What one process makes of batches of eight."""
    network, train, validation, scaler, settings = twins(EXAMPLE, batch_size=8)
    fit(network, train, validation, [scaler], settings, seed=3, workdir=tmp_path_factory.mktemp("a"), device="cpu")
    return network.state_dict()


@pytest.mark.parametrize("launcher", ["torchrun", "srun"])
def test_two_processes_train_as_one_with_a_batch_twice_as_large(
    launcher: str, alone: dict[str, torch.Tensor], tmp_path: Path, told: pytest.MonkeyPatch
) -> None:
    told.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    script, out = tmp_path / "fit.py", tmp_path / "weights.safetensors"
    script.write_text(SCRIPT)
    command = [str(script), str(EXAMPLE), str(out)]
    if launcher == "torchrun":
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        subprocess.run([*torchrun, *command], check=True, timeout=300)
    else:  # the variables that srun sets for two tasks on one machine
        job = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": str(os.getpid())}
        tasks = [
            subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, **job, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            )
            for rank in range(2)
        ]
        assert [task.wait(timeout=300) for task in tasks] == [0, 0]
    found = load_file(out)
    assert found.keys() == alone.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)


def test_too_few_rows_for_the_processes(data: Data) -> None:
    train, validation, scaler = data
    few = replace(train, rows=train.rows[:2])
    with pytest.raises(InputError, match="2 training rows cannot be shared by 3 processes"):
        Loop(blank(), few, validation, [scaler], SETTINGS, 3, {}, "equal", ProcessGroup("cpu", 0, 3))
    rare = replace(SETTINGS, edges_per_visit=1)  # so that there are epochs in which neither row takes part
    with pytest.raises(InputError, match="2 training rows are too few for edges_per_visit"):
        Loop(blank(), few, validation, [scaler], rare, 3, {}, "equal", ProcessGroup("cpu"))
