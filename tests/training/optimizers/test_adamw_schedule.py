"""The learning rate over a fit, in closed form."""

from __future__ import annotations

import math

import pytest

from zoo.training.optimizers.adamw import warmup_cosine


def test_a_linear_warm_up_reaches_the_peak() -> None:
    assert [warmup_cosine(step, 100, 4) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


@pytest.mark.parametrize(
    ("step", "factor"),
    [(10, 1.0), (40, (1 + math.cos(math.pi / 3)) / 2), (55, 0.5), (70, 0.25), (100, 0.0), (250, 0.0)],
)
def test_then_a_cosine_falls_to_zero(step: int, factor: float) -> None:
    assert warmup_cosine(step, 100, 10) == pytest.approx(factor, abs=1e-12)


def test_a_single_step_is_made_at_the_peak() -> None:
    assert warmup_cosine(0, 1, 1) == 1.0
