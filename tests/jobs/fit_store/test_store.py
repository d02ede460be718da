"""Finished fits come back as they were; damaged or foreign ones do not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zoo.data.elements import atom_table
from zoo.data.scaling import TargetScaler
from zoo.errors import InputError
from zoo.jobs.fit_store import FitStore, finite_json
from zoo.jobs.methods import Outcome
from zoo.models.architecture import default_architecture
from zoo.models.checkpoint.networks import Member
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def outcome() -> Outcome:
    network = scratch(default_architecture(width=8, convolutions=2, head=8), torch.from_numpy(atom_table().copy()), 1)
    member = Member(network, TargetScaler("log10", 2.0, 0.5), 7)
    history = [{"epoch": 1, "train_loss": 0.5, "validation_mae": float("nan")}]
    return Outcome(np.array([1.0, np.nan, 3.0]), history, 1, 2.5, member)


def test_a_network_comes_back_as_it_was(outcome: Outcome, tmp_path: Path) -> None:
    store = FitStore(tmp_path / "fits", {"seed": 1}, resume=False)
    assert store.get("a") is None
    store.put("a", outcome)
    found = FitStore(tmp_path / "fits", {"seed": 1}, resume=True).get("a")
    assert found is not None
    assert found.member is not None
    assert outcome.member is not None
    np.testing.assert_array_equal(found.predictions, outcome.predictions)
    assert found.history == [{"epoch": 1, "train_loss": 0.5, "validation_mae": None}]
    assert (found.best_epoch, found.seconds, found.member.seed) == (1, 2.5, 7)
    assert found.member.scaler == outcome.member.scaler
    expected = outcome.member.network.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.member.network.state_dict().items())


def test_a_baseline_has_parameters_and_no_network(tmp_path: Path) -> None:
    store = FitStore(tmp_path / "fits", {}, resume=False)
    store.put("rf", Outcome(np.array([1.0]), seconds=1.0, parameters={"alpha": "0.1"}))
    found = store.get("rf")
    assert found is not None
    assert (found.member, found.parameters, found.history) == (None, {"alpha": "0.1"}, [])
    assert FitStore.count(tmp_path / "fits") == 1
    assert FitStore.count(tmp_path / "none") == 0


def test_an_unfinished_run_is_resumed_only_on_request_and_with_the_same_settings(tmp_path: Path) -> None:
    folder = tmp_path / "fits"
    FitStore(folder, {"epochs": 1}, resume=False)
    store = FitStore(folder, {"epochs": 2}, resume=False)  # nothing was computed with the first settings
    store.put_json("a", {"mae": 1.0})
    with pytest.raises(InputError, match="holds an unfinished run; give --resume"):
        FitStore(folder, {"epochs": 2}, resume=False)
    with pytest.raises(InputError, match=r"with other settings \(epochs\)"):
        FitStore(folder, {"epochs": 3}, resume=True)
    assert FitStore(folder, {"epochs": 2}, resume=True).get_json("a") == {"mae": 1.0}
    store.discard()
    assert not folder.exists()


@pytest.mark.parametrize("damage", [b"", b"[1]", b"{", b"{}"])
def test_a_damaged_fit_is_computed_again(
    damage: bytes, outcome: Outcome, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FitStore(tmp_path, resume=True)
    store.put("a", outcome)
    (tmp_path / "a.json").write_bytes(damage)
    with caplog.at_level(logging.WARNING, "zoo"):
        assert store.get("a") is None
    assert "is damaged and is computed again" in caplog.text
    store.put("a", outcome)
    assert store.get("a") is not None
    (tmp_path / "a.safetensors").write_bytes(b"no tensors")
    assert store.get("a") is None


def test_scratch_space_goes_with_the_fit(tmp_path: Path) -> None:
    store = FitStore(tmp_path, resume=True)
    with store.working("a") as folder:
        (folder / "best.ckpt").write_text("")
        assert FitStore.count(tmp_path) == 0
    assert not folder.exists()


def test_what_json_lacks_becomes_null_at_any_depth() -> None:
    nan, infinite = float("nan"), float("inf")
    assert finite_json({"a": [1, nan, {"b": (infinite, "x")}], "c": np.float64(nan)}) == {
        "a": [1, None, {"b": [None, "x"]}],
        "c": None,
    }
