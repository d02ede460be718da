"""The fit loop on real bulk moduli: it learns, chooses its best epoch, repeats, and resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zoo.crystals import Crystal
from zoo.elements import atom_table
from zoo.errors import DependencyError
from zoo.graphs import build_graph
from zoo.inference import choose_device, predict_scaled
from zoo.models.cgcnn import CGCNN, Architecture
from zoo.packing import PackedGraphs
from zoo.scaling import TargetScaler
from zoo.training import FitResult, FitSettings, Samples, fit
from zoo.transfer import scratch, transfer

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

SMALL = Architecture(width=16, convolutions=2, head=16)
SETTINGS = FitSettings(epochs=6, batch_size=8, learning_rate=5e-3, average=0.8)


@pytest.fixture(scope="module")
def samples(real_structures: list[Structure]) -> tuple[Samples, Samples, TargetScaler]:
    """Volume per atom: a number that a graph of distances can tell, for every crystal."""
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(s)) for s in real_structures])
    targets = np.array([s.volume / len(s) for s in real_structures])
    rows = np.random.default_rng(0).permutation(len(targets))
    train, validation = (Samples(graphs, targets, part) for part in (rows[:30], rows[30:]))
    return train, validation, TargetScaler.fit(targets[train.rows], "log10")


def _run(
    samples: tuple[Samples, Samples, TargetScaler],
    workdir: Path,
    network: CGCNN,
    settings: FitSettings = SETTINGS,
    **options: object,
) -> FitResult:
    train, validation, scaler = samples
    return fit(network, train, validation, [scaler], settings, seed=3, workdir=workdir, device="cpu", **options)  # type: ignore[arg-type]


def blank() -> CGCNN:
    return scratch(SMALL, torch.from_numpy(atom_table().copy()), 0)


def test_it_learns_and_keeps_the_best_epoch(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    _train, validation, scaler = samples
    network = blank()
    result = _run(samples, tmp_path, network, FitSettings(epochs=40, batch_size=8, learning_rate=5e-3))
    assert len(result.history) == 40
    assert result.best_error == min(
        row["validation_mae"] for row in result.history if row["epoch"] == result.best_epoch
    )
    outputs = scaler.unscale(predict_scaled(network, validation.graphs, validation.rows))
    measured = np.abs(outputs - validation.targets[validation.rows]).mean()
    assert measured == pytest.approx(result.best_error, rel=1e-4)
    blind = np.abs(validation.targets[validation.rows] - np.median(validation.targets[samples[0].rows])).mean()
    assert measured < 0.6 * blind


def test_the_same_seed_gives_the_same_network(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    networks = [blank(), blank()]
    for index, network in enumerate(networks):
        _run(samples, tmp_path / str(index), network)
    for name, tensor in networks[0].state_dict().items():
        torch.testing.assert_close(tensor, networks[1].state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path
) -> None:
    whole = _run(samples, tmp_path / "whole", blank())

    class Cut(Exception):  # noqa: N818
        pass

    def cut(row: dict[str, float], _epochs: int) -> None:
        if row["epoch"] == 4:
            raise Cut

    with pytest.raises(Cut):
        _run(samples, tmp_path / "cut", blank(), on_epoch=cut)
    resumed = _run(samples, tmp_path / "cut", blank(), resume=True)
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4, 5, 6]
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        assert ours["validation_loss"] == pytest.approx(theirs["validation_loss"], rel=1e-4)


def test_early_stopping(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    # A learning rate of almost nothing: no epoch is better than the first, beyond noise of the last digit.
    result = _run(
        samples,
        tmp_path,
        transfer(blank(), "head", 1)[0],
        FitSettings(epochs=50, batch_size=8, learning_rate=1e-30, patience=2),
    )
    assert len(result.history) <= 5


def test_half_precision_trains_too(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    half = FitSettings(epochs=10, batch_size=8, learning_rate=5e-3, precision="bf16-mixed")
    losses = [row["train_loss"] for row in _run(samples, tmp_path, blank(), half).history]
    assert losses[-1] < 0.7 * losses[0]


def test_head_mode_changes_the_head_alone(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    source = blank()
    network, rates = transfer(source, "head", seed=1)
    _run(samples, tmp_path, network, rates=rates)
    for name, tensor in network.state_dict().items():
        if not name.startswith(("conv_to_fc", "fc_out")):
            assert torch.equal(tensor, source.state_dict()[name]), name


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there() -> None:
    assert choose_device("auto") == "cpu"
    with pytest.raises(DependencyError, match="--device cpu"):
        choose_device("cuda")
