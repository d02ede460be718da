"""The fit loop on real bulk moduli: it learns, chooses its best epoch, repeats, and resumes."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import WeightAveraging

from zoo.data.crystal import Crystal
from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.errors import TrainingError
from zoo.models.architecture import Architecture
from zoo.models.inference import predict_scaled
from zoo.training import fit as training
from zoo.training import interruptions
from zoo.training.fit import FitResult, FitSettings, fit
from zoo.training.interruptions import LAST, SaveOften
from zoo.training.loader import Samples
from zoo.training.transfer import scratch, transfer

if TYPE_CHECKING:
    from pathlib import Path

    import lightning.pytorch as pl
    from pymatgen.core import Structure

    from zoo.models.cgcnn import CGCNN

SMALL = Architecture(width=16, convolutions=2, head=16)
SETTINGS = FitSettings(epochs=6, batch_size=8, learning_rate=5e-3, average=0.8, patience=6)


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


def test_the_average_is_that_of_lightnings_own_callback(
    samples: tuple[Samples, Samples, TargetScaler],
    uncut: tuple[FitResult, dict[str, torch.Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def average(old: torch.Tensor, new: torch.Tensor, updates: torch.Tensor | int) -> torch.Tensor:
        decay = min(0.8, (1 + float(updates)) / (10 + float(updates)))
        return new if not new.is_floating_point() else old + (1 - decay) * (new - old)

    monkeypatch.setattr(training, "Averaging", lambda _decay: WeightAveraging(avg_fn=average))
    network = blank()
    _run(samples, tmp_path, network, save_minutes=1e9)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, uncut[1][name], rtol=1e-4, atol=1e-5)


def test_epochs_between_validations_count(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    """Of 200 epochs every second is validated."""
    result = _run(samples, tmp_path, blank(), FitSettings(epochs=200, batch_size=30, learning_rate=5e-3))
    best = min(result.history, key=lambda row: row["validation_loss"])
    assert len(result.history) == 100
    assert (result.best_epoch, result.best_error) == (best["epoch"], best["validation_mae"])


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


def test_a_mixture_learns_beside_experts_that_stay_as_they_are(
    samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path
) -> None:
    """They are in no checkpoint, for they never change; and what is kept is the best epoch of the whole mixture."""
    _train, validation, scaler = samples
    experts = [scratch(SMALL, blank().atom_table, seed) for seed in (7, 8)]
    network, _rates = transfer(blank(), "mixture", 1, experts=experts)
    before = {name: tensor.clone() for name, tensor in network.experts.state_dict().items()}
    result = _run(samples, tmp_path, network)
    assert before.keys() == network.experts.state_dict().keys()
    for name, tensor in network.experts.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    saved = torch.load(tmp_path / "best.ckpt", weights_only=True)["state_dict"]
    assert any(name.startswith("network.reader.") for name in saved)
    assert not any("experts" in name for name in saved)
    outputs = scaler.unscale(predict_scaled(network, validation.graphs, validation.rows))
    measured = np.abs(outputs - validation.targets[validation.rows]).mean()
    assert measured == pytest.approx(result.best_error, rel=1e-4)


def test_a_training_that_diverges_is_an_error(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no numbers at a learning rate of 1e\+15; give a smaller one"):
        _run(samples, tmp_path, blank(), FitSettings(epochs=2, batch_size=8, learning_rate=1e15))


def test_an_interrupt_reaches_the_caller(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    """And no exit, which a study would take for the failure of one cell; nor are later interrupts ignored."""

    def interrupt(_row: dict[str, float], _epochs: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            _run(samples, tmp_path, blank(), on_epoch=interrupt)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


class Cut(Exception):  # noqa: N818
    """Stands for whatever ends a run before it is done."""


@pytest.fixture(scope="module")
def uncut(
    samples: tuple[Samples, Samples, TargetScaler], tmp_path_factory: pytest.TempPathFactory
) -> tuple[FitResult, dict[str, torch.Tensor]]:
    network = blank()
    return _run(samples, tmp_path_factory.mktemp("uncut"), network), network.state_dict()


# Three batches of eight make an epoch of thirty rows.
@pytest.mark.parametrize("step", [1, 2, 3, 4, 11, 12, 17])
@pytest.mark.parametrize("saving", ["each step", "after validations"])
def test_a_run_cut_off_anywhere_ends_where_an_uncut_one_does(
    step: int,
    saving: str,
    samples: tuple[Samples, Samples, TargetScaler],
    uncut: tuple[FitResult, dict[str, torch.Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights and their average, optimiser, schedule, order of rows and losses are those of an uncut run."""
    minutes = 0.0 if saving == "each step" else 1e9
    monkeypatch.setattr(interruptions, "SECONDS", 0.0)
    save = SaveOften.on_train_batch_end

    def cut(self: SaveOften, trainer: pl.Trainer, *rest: object) -> None:
        save(self, trainer, *rest)
        if trainer.global_step == step:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(SaveOften, "on_train_batch_end", cut)
        with pytest.raises(Cut):
            _run(samples, tmp_path, blank(), save_minutes=minutes)
    last, within = tmp_path / LAST, step % 3
    if saving == "each step" and within:
        progress = torch.load(last, weights_only=True)["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
        assert progress["processed"] == within
    assert last.exists() == (saving == "each step" or step > 3)
    network = blank()
    steps = 0

    def count(self: SaveOften, trainer: pl.Trainer, *rest: object) -> None:
        nonlocal steps
        steps += 1

    monkeypatch.setattr(SaveOften, "on_train_batch_end", count)
    resumed = _run(samples, tmp_path, network, resume=True, save_minutes=minutes)
    # The last step of an epoch is followed by its validation, which saves.
    done = (step if within else step - 1) if saving == "each step" else 3 * ((step - 1) // 3)
    assert steps == 18 - done
    whole, weights = uncut
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4, 5, 6]
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        for key in ("learning_rate", "train_loss", "validation_loss", "validation_mae"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-6), key
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=1e-5, atol=1e-6)


def test_an_unfinished_run_may_be_moved(
    samples: tuple[Samples, Samples, TargetScaler],
    uncut: tuple[FitResult, dict[str, torch.Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The best epoch so far is known in the new folder too, so what is kept is the best of all."""
    monkeypatch.setattr(interruptions, "SECONDS", 0.0)
    settings = replace(SETTINGS, learning_rate=0.3)  # so that errors rise again
    whole = _run(samples, tmp_path / "uncut", blank(), settings, save_minutes=1e9)
    best = min(range(6), key=lambda i: whole.history[i]["validation_loss"])
    assert best < 5
    stop = SaveOften.on_validation_end

    def cut(self: SaveOften, trainer: pl.Trainer, *rest: object) -> None:
        stop(self, trainer, *rest)
        if trainer.current_epoch == best + 1:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(SaveOften, "on_validation_end", cut)
        with pytest.raises(Cut):
            _run(samples, tmp_path / "here", blank(), settings, save_minutes=1e9)
    (tmp_path / "here").rename(tmp_path / "there")
    network = blank()
    resumed = _run(samples, tmp_path / "there", network, settings, resume=True, save_minutes=1e9)
    assert resumed.best_epoch == whole.best_epoch == best + 1
    _, validation, scaler = samples
    outputs = scaler.unscale(predict_scaled(network, validation.graphs, validation.rows))
    measured = np.abs(outputs - validation.targets[validation.rows]).mean()
    assert measured == pytest.approx(whole.best_error, rel=1e-4)


def test_early_stopping(samples: tuple[Samples, Samples, TargetScaler], tmp_path: Path) -> None:
    # A learning rate of almost nothing: no epoch is better than the first, beyond noise of the last digit.
    result = _run(
        samples,
        tmp_path,
        transfer(blank(), "head", 1, pooling="last")[0],  # without statistics that would still move
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
        if not name.startswith("heads."):
            assert torch.equal(tensor, source.state_dict()[name]), name
