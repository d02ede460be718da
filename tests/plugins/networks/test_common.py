"""What the networks share: sums in single precision, and Gaussians of distances."""

from __future__ import annotations

import math

import pytest
import torch
from zoo.plugins.networks.common import at_least_single, gaussians_of


def test_half_precision_becomes_single_and_the_rest_stays() -> None:
    for kind in (torch.float16, torch.bfloat16, torch.float32):
        assert at_least_single(torch.ones(2, dtype=kind)).dtype == torch.float32
    double = torch.ones(2, dtype=torch.float64)
    assert at_least_single(double) is double


def test_gaussians_are_those_of_the_distance_to_each_center_and_zero_far_away() -> None:
    found = gaussians_of(torch.tensor([1.0]), torch.tensor([1.0, 2.0, 0.0, 9.0]), 0.5)
    expected = [1.0, math.exp(-4), math.exp(-4), 0.0]  # ((9 - 1) / 0.5)² = 256 > 50
    assert found[0].tolist() == pytest.approx(expected, rel=1e-6)
    assert found[0, 3] == 0
