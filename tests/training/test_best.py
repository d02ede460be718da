"""Which epoch is kept, and when a fit stops."""

from __future__ import annotations

import math

import pytest
import torch

from zoo.training.best import BestEpoch


def kept_after(losses: list[float], patience: int | None) -> tuple[float, list[bool]]:
    best, stops = BestEpoch(patience), []
    weight = torch.zeros(())
    for epoch, loss in enumerate(losses, start=1):
        weight.fill_(epoch)
        best.update(loss, {"weight": weight})
        stops.append(best.stop)
    return best.weights["weight"].item(), stops


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [([3, 2, 4], 2), ([3, 2, 2], 2), ([math.nan, 2, 1], 3), ([math.nan, math.nan], 1), ([1, math.nan, 2], 1)],
)
def test_the_smallest_loss_is_kept(losses: list[float], epoch: int) -> None:
    kept, stops = kept_after(losses, None)
    assert kept == epoch
    assert not any(stops)


def test_patience_is_counted_from_the_best() -> None:
    assert kept_after([3, 4, 2, 2, 5], 2) == (3, [False, False, False, False, True])
    assert kept_after([3, math.nan], 5) == (1, [False, True])
