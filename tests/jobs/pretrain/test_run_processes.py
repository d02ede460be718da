"""One backbone, trained by several processes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from support.tinyrecipe import EXAMPLE, FILES, KILLED, RECIPE, write

from zoo.errors import InputError
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.rows import PARTS
from zoo.jobs.pretrain.run import pretrain
from zoo.models.checkpoint import weights
from zoo.training.snapshots import SNAPSHOT, read_snapshot

if TYPE_CHECKING:
    from pathlib import Path


def test_two_processes_train_one_backbone(tmp_path: Path) -> None:
    write(tmp_path)
    command = [sys.executable, "-m", "zoo.cli", "pretrain", str(tmp_path / "tiny.toml"), "--data", str(EXAMPLE)]
    command += ["--out", str(tmp_path / "tiny"), "--device", "cpu", "--devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == FILES
    assert [line.split()[:2] for line in done.stdout.splitlines()[-4:-1]] == [
        ["train", "28"],
        ["validation", "6"],
        ["test", "6"],
    ]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "tiny exists" in line


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *command]
    return subprocess.run(launch, capture_output=True, text=True, check=False, timeout=600)


def test_two_processes_of_torchrun_killed_in_mid_epoch_end_where_uncut_ones_do(tmp_path: Path) -> None:
    """The uncut ones are started by ``--devices``, so that both ways are compared as well."""
    text = RECIPE.replace("epochs = 2", "epochs = 3").replace("batch_size = 8", "batch_size = 2\naverage = 0.9")
    options = ["pretrain", str(write(tmp_path, text)), "--data", str(EXAMPLE), "--device", "cpu", "--devices", "2"]
    pretrained = [tmp_path / "uncut", tmp_path / "cut"]
    script = tmp_path / "killed.py"
    script.write_text(KILLED.replace("HERE", "os.kill(os.getpid(), signal.SIGKILL)"))
    uncut = [sys.executable, "-m", "zoo.cli", *options, "--out", str(pretrained[0])]
    assert subprocess.run(uncut, capture_output=True, check=False, timeout=600).returncode == 0
    killed = torchrun(str(script), "11", *options, "--out", str(pretrained[1]))
    assert killed.returncode != 0
    _, values = read_snapshot(tmp_path / "cut.partial" / "work" / SNAPSHOT)
    assert (values["epoch"], values["batch"]) == (1, 4)
    resumed = torchrun("-m", "zoo.cli", *options, "--out", str(pretrained[1]), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    errors = [weights.read_config(path).provenance["errors"] for path in pretrained]
    for part in PARTS:
        assert errors[1][part]["mae"] == pytest.approx(errors[0][part]["mae"], rel=1e-6)


def test_numbers_that_torchrun_was_not_given_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2"), ("WORLD_SIZE", "6")):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="2 processes here and 6 in all; give --devices 2 --num-nodes 3"):
        pretrain(read_recipe(write(tmp_path)), [EXAMPLE], tmp_path / "out", devices=2, quiet=True)


def test_more_gpus_than_there_are_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"--devices 4: this machine has 1 GPU\(s\)"):
        pretrain(read_recipe(write(tmp_path)), [EXAMPLE], tmp_path / "out", device="cuda", devices=4, quiet=True)
