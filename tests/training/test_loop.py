"""The loop's steps, and a fit that is cut off anywhere and resumed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from support.smallfit import SETTINGS, SMALL, blank, run, validation_mae

from zoo.models.network import CrystalNetwork
from zoo.training import snapshots
from zoo.training.distributed import ProcessGroup
from zoo.training.fit import FitSettings
from zoo.training.loop import Loop
from zoo.training.snapshots import SNAPSHOT, read_snapshot
from zoo.training.transfer import scratch, transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.smallfit import Data

    from zoo.data.graphs.batch import GraphBatch
    from zoo.training.fit import FitResult


class Cut(Exception):  # noqa: N818
    """Stands for whatever ends a run before it is done."""


def mixture() -> CrystalNetwork:
    """A network that leaves something out at random in training."""
    experts = [scratch(SMALL, blank().atom_table, seed) for seed in (7, 8)]
    return transfer(blank(), "mixture", 1, experts=experts)[0]


@pytest.fixture(scope="module")
def uncut(data: Data, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[FitResult, CrystalNetwork]]:
    made = {}
    for build in (blank, mixture):
        network = build()
        made[build.__name__] = run(data, tmp_path_factory.mktemp("uncut"), network), network
    return made


def counted(patch: pytest.MonkeyPatch, last: float = math.inf) -> list[int]:
    """Count the training steps of all networks from now on; after the last one comes the cut."""
    opinions, steps = CrystalNetwork.opinions, [0]

    def watched(network: CrystalNetwork, batch: GraphBatch) -> torch.Tensor:
        if network.training:
            if steps[0] == last:
                raise Cut
            steps[0] += 1
        return opinions(network, batch)

    patch.setattr(CrystalNetwork, "opinions", watched)
    return steps


@pytest.mark.parametrize("build", [blank, mixture])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 11, 12, 17])
@pytest.mark.parametrize("saving", ["each step", "after validations"])
def test_a_run_cut_off_anywhere_ends_where_an_uncut_one_does(
    step: int,
    saving: str,
    build: Callable[[], CrystalNetwork],
    data: Data,
    uncut: dict[str, tuple[FitResult, CrystalNetwork]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights and their average, optimiser, schedule, random numbers, order of rows and losses are an uncut run's."""
    minutes = 0.0 if saving == "each step" else 1e9
    monkeypatch.setattr(snapshots, "SECONDS", 0.0)
    with monkeypatch.context() as patch:
        counted(patch, step)
        with pytest.raises(Cut):
            run(data, tmp_path, build(), save_minutes=minutes)
    done = step if saving == "each step" else 3 * (step // 3)
    assert (tmp_path / SNAPSHOT).exists() == (done > 0)
    if done:
        _, values = read_snapshot(tmp_path / SNAPSHOT)
        assert (values["epoch"], values["batch"]) == divmod(done, 3)
    network = build()
    with monkeypatch.context() as patch:
        steps = counted(patch)
        resumed = run(data, tmp_path, network, resume=True, save_minutes=minutes)
    assert steps == [18 - done]
    whole, expected = uncut[build.__name__]
    assert resumed.best_epoch == whole.best_epoch
    timeless = [[{**row, "seconds": 0.0} for row in result.history] for result in (resumed, whole)]
    assert timeless[0] == timeless[1]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name]), name


def test_an_unfinished_run_may_be_moved(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best epoch so far is known in the new folder too, so what is kept is the best of all."""
    monkeypatch.setattr(snapshots, "SECONDS", 0.0)
    settings = replace(SETTINGS, learning_rate=0.3)  # so that errors rise again
    whole = run(data, tmp_path / "uncut", blank(), settings, save_minutes=1e9)
    best = min(range(6), key=lambda i: whole.history[i]["validation_loss"])
    assert best < 5
    with monkeypatch.context() as patch:
        counted(patch, 3 * (best + 1))
        with pytest.raises(Cut):
            run(data, tmp_path / "here", blank(), settings, save_minutes=1e9)
    (tmp_path / "here").rename(tmp_path / "there")
    network = blank()
    resumed = run(data, tmp_path / "there", network, settings, resume=True, save_minutes=1e9)
    assert resumed.best_epoch == whole.best_epoch == best + 1
    assert validation_mae(data, network) == pytest.approx(whole.best_error, rel=1e-4)


def test_a_finished_run_is_resumed_without_a_step(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by patience, and with epochs after the last validation."""
    for folder, settings in (
        ("patience", FitSettings(epochs=50, batch_size=8, learning_rate=0.3, patience=1)),
        ("epochs", FitSettings(epochs=201, batch_size=30, learning_rate=5e-3)),
    ):
        first = run(data, tmp_path / folder, blank(), settings, save_minutes=1e9)
        assert first.history[-1]["epoch"] <= 200
        network = blank()
        with monkeypatch.context() as patch:
            steps = counted(patch)
            again = run(data, tmp_path / folder, network, settings, resume=True, save_minutes=1e9)
        assert steps == [0] if folder == "patience" else [1]  # the one epoch that is not validated
        assert again.history == first.history
        assert validation_mae(data, network) == pytest.approx(first.best_error, rel=1e-4)


def test_the_learning_rate_follows_the_schedule(data: Data, tmp_path: Path) -> None:
    history = run(data, tmp_path, blank(), FitSettings(epochs=4, batch_size=8, learning_rate=2e-3, warmup=0.25)).history
    # Twelve steps, three of them to warm up; the rate after each epoch is that of the next step.
    expected = [1e-3 * (1 + math.cos(math.pi * passed / 9)) for passed in (0, 3, 6, 9)]
    assert [row["learning_rate"] for row in history] == pytest.approx(expected, abs=1e-12)


def test_gradients_are_clipped(data: Data, tmp_path: Path) -> None:
    """Gradients much shorter than AdamW's epsilon move nothing."""
    settings = FitSettings(epochs=1, batch_size=8, learning_rate=1e-2, weight_decay=0.0, clip=1e-14)
    clipped, free = blank(), blank()
    run(data, tmp_path, clipped, settings)
    run(data, tmp_path, free, replace(settings, clip=1.0))
    before = blank().heads[0].fc_out.weight
    assert (clipped.heads[0].fc_out.weight - before).abs().max() < 1e-7
    assert (free.heads[0].fc_out.weight - before).abs().max() > 1e-3


def test_rates_by_depth_scale_the_first_step(data: Data, tmp_path: Path) -> None:
    """AdamW's first step is as long as the learning rate, whatever the gradient."""
    network, before = blank(), blank()
    settings = FitSettings(epochs=1, batch_size=30, learning_rate=1e-3, weight_decay=0.0, clip=1e9)
    run(data, tmp_path, network, settings, rates={"body.convs": 0.5, "body.convs.1": 0.1, "body.embedding": 0.0})
    for name, rate in (("body.convs.0", 0.5), ("body.convs.1", 0.1), ("body.embedding", 0.0), ("heads.0.fc_out", 1.0)):
        moved = [
            (new - old).abs().max().item()
            for new, old in zip(
                network.get_submodule(name).parameters(), before.get_submodule(name).parameters(), strict=True
            )
        ]
        assert max(moved) == pytest.approx(1e-3 * rate, rel=1e-2), name


def test_an_average_is_validated_and_kept(data: Data, tmp_path: Path) -> None:
    """The loop by itself: the weights go on, their average is what is measured."""
    train, validation, scaler = data
    network = blank()
    loop = Loop(
        network, train, validation, [scaler], replace(SETTINGS, patience=None), 3, {}, "equal", ProcessGroup("cpu")
    )
    assert not loop.done
    loop.run()
    assert loop.done
    assert not torch.equal(loop.best.weights["heads.0.fc_out.weight"], network.heads[0].fc_out.weight)
    for name, tensor in loop.best.weights.items():
        network.state_dict()[name].copy_(tensor)
    best = min(row["validation_loss"] for row in loop.history)
    assert validation_mae(data, network) == pytest.approx(
        next(row["validation_mae"] for row in loop.history if row["validation_loss"] == best), rel=1e-4
    )


def test_a_balance_may_begin_later(data: Data, tmp_path: Path) -> None:
    """Before that, all targets weigh the same."""

    def fitted(balance: str, balance_from: int) -> torch.Tensor:
        network = blank()
        settings = replace(SETTINGS, epochs=2, balance_from=balance_from)
        run(data, tmp_path / f"{balance}-{balance_from}", network, settings, balance=balance)
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    equal, relative = fitted("equal", 0), fitted("relative", 0)
    assert torch.equal(fitted("relative", 2), equal)
    later = fitted("relative", 1)
    assert not torch.equal(later, equal)
    assert not torch.equal(later, relative)
