"""Fits of real volumes: they learn, keep their best epoch, repeat, and pass interrupts on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from support.smallfit import SMALL, blank, run, validation_mae

from zoo.errors import TrainingError
from zoo.training.fit import FitSettings
from zoo.training.transfer import scratch, transfer

if TYPE_CHECKING:
    from pathlib import Path

    from support.smallfit import Data


def test_epochs_between_validations_count(data: Data, tmp_path: Path) -> None:
    """Of 200 epochs every second is validated."""
    told: list[tuple[float, int]] = []
    settings = FitSettings(epochs=200, batch_size=30, learning_rate=5e-3)
    result = run(data, tmp_path, blank(), settings, on_epoch=lambda row, n: told.append((row["epoch"], n)))
    best = min(result.history, key=lambda row: row["validation_loss"])
    assert [row["epoch"] for row in result.history] == list(range(2, 201, 2))
    assert told == [(epoch, 2) for epoch in range(2, 201, 2)]
    assert (result.best_epoch, result.best_error) == (best["epoch"], best["validation_mae"])


def test_it_learns_and_keeps_the_best_epoch(data: Data, tmp_path: Path) -> None:
    train, validation, _ = data
    network = blank()
    result = run(data, tmp_path, network, FitSettings(epochs=40, batch_size=8, learning_rate=5e-3))
    assert len(result.history) == 40
    assert result.best_error == min(
        row["validation_mae"] for row in result.history if row["epoch"] == result.best_epoch
    )
    measured = validation_mae(data, network)
    assert measured == pytest.approx(result.best_error, rel=1e-4)
    blind = np.abs(validation.targets[validation.rows] - np.median(validation.targets[train.rows])).mean()
    assert measured < 0.6 * blind
    assert not any(tmp_path.iterdir())  # a fit that nobody resumes writes nothing


def test_the_same_seed_gives_the_same_network(data: Data, tmp_path: Path) -> None:
    networks = [blank(), blank()]
    for index, network in enumerate(networks):
        torch.manual_seed(index)
        run(data, tmp_path, network)
    for name, tensor in networks[0].state_dict().items():
        torch.testing.assert_close(tensor, networks[1].state_dict()[name], rtol=1e-4, atol=1e-5)


def test_the_global_generator_is_left_as_it_was(data: Data, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    run(data, tmp_path, blank(), FitSettings(epochs=1, batch_size=8))
    assert torch.equal(before, torch.get_rng_state())


def test_a_mixture_learns_beside_experts_that_stay_as_they_are(data: Data, tmp_path: Path) -> None:
    """What is kept is the best epoch of the whole mixture."""
    experts = [scratch(SMALL, blank().atom_table, seed) for seed in (7, 8)]
    network, _rates = transfer(blank(), "mixture", 1, experts=experts)
    before = {name: tensor.clone() for name, tensor in network.experts.state_dict().items()}
    result = run(data, tmp_path, network)
    assert before.keys() == network.experts.state_dict().keys()
    for name, tensor in network.experts.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    assert validation_mae(data, network) == pytest.approx(result.best_error, rel=1e-4)


def test_a_training_that_diverges_is_an_error(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"diverged at a learning rate of 1e\+15; give a smaller one"):
        run(data, tmp_path, blank(), FitSettings(epochs=2, batch_size=8, learning_rate=1e15))


def test_an_interrupt_reaches_the_caller(data: Data, tmp_path: Path) -> None:
    """And no exit, which a study would take for the failure of one cell; nor are later interrupts ignored."""

    def interrupt(_row: dict[str, float], _epochs: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path, blank(), on_epoch=interrupt)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_early_stopping(data: Data, tmp_path: Path) -> None:
    # A learning rate of almost nothing: no epoch is better than the first, beyond noise of the last digit.
    result = run(
        data,
        tmp_path,
        transfer(blank(), "head", 1, settings=SMALL.settings)[0],  # without statistics that would still move
        FitSettings(epochs=50, batch_size=8, learning_rate=1e-30, patience=2),
    )
    assert len(result.history) <= 5


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_half_precision_trains_too(precision: str, data: Data, tmp_path: Path) -> None:
    half = FitSettings(epochs=10, batch_size=8, learning_rate=5e-3, precision=precision)  # type: ignore[arg-type]
    network = blank()
    losses = [row["train_loss"] for row in run(data, tmp_path, network, half).history]
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_head_mode_changes_the_head_alone(data: Data, tmp_path: Path) -> None:
    source = blank()
    network, rates = transfer(source, "head", seed=1)
    run(data, tmp_path, network, rates=rates)
    for name, tensor in network.state_dict().items():
        if not name.startswith("heads."):
            assert torch.equal(tensor, source.state_dict()[name]), name
