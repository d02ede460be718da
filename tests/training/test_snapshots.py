"""Snapshots of an unfinished fit are whole, or the ones before them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from zoo.errors import InputError
from zoo.training import snapshots
from zoo.training.snapshots import SNAPSHOT, Clock, read_snapshot, write_snapshot

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    tensors = {"a": torch.rand(3, 4), "b": torch.tensor(7), "empty": torch.empty(0)}
    values = {"epoch": 3, "loss": 0.1 + 0.2, "history": [{"mae": math.inf}], "scaler": {}}
    write_snapshot(tmp_path / SNAPSHOT, tensors, values)
    found, same = read_snapshot(tmp_path / SNAPSHOT)
    assert same == values
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_snapshot_that_cannot_be_written_leaves_the_one_before_it(tmp_path: Path) -> None:
    """The system refuses the file in the middle, as a full disk does."""
    resource = pytest.importorskip("resource")
    write_snapshot(tmp_path / SNAPSHOT, {"weights": torch.ones(10)}, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(
            InputError, match=rf"{SNAPSHOT} cannot be written: File too large; {SNAPSHOT} still holds"
        ) as caught:
            write_snapshot(tmp_path / SNAPSHOT, {"weights": torch.ones(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [SNAPSHOT]
    assert len(read_snapshot(tmp_path / SNAPSHOT)[0]["weights"]) == 10


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_damaged_snapshot_is_named(size: int, tmp_path: Path) -> None:
    path = tmp_path / "net.partial" / "work" / SNAPSHOT
    write_snapshot(path, {"weights": torch.ones(100)}, {"epoch": 1})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=rf"{path} is damaged; remove {tmp_path / 'net.partial'} to start again"):
        read_snapshot(path)


def test_after_a_validation_a_snapshot_is_due_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SECONDS", 0.0)
    clock = Clock(60)
    assert (clock.due(validated=False), clock.due(validated=True)) == (False, True)
    assert Clock(0).due(validated=False)
    monkeypatch.setattr(snapshots, "SECONDS", 1000.0)
    assert not clock.due(validated=True)
