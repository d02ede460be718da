"""Weighted batch normalisation, Gaussians, and the layer on a graph written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from support.reference import unlike_the_initial
from zoo.plugins.networks.cgcnn.body import WeightedBatchNorm

from zoo.models.architecture import default_architecture


def test_a_row_counts_as_often_as_it_stands_for() -> None:
    """As torch's own layer on rows that are repeated, in outputs, gradients and running statistics."""
    values = 3 + torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    counts = torch.tensor([1, 2, 3, 1, 4, 1, 2])
    weighted, plain = WeightedBatchNorm(4).double().train(), torch.nn.BatchNorm1d(4).double().train()
    one, other = (values.clone().requires_grad_() for _ in range(2))
    found = weighted(one, counts.unsqueeze(1).double()).repeat_interleave(counts, dim=0)
    expected = plain(other.repeat_interleave(counts, dim=0))
    torch.testing.assert_close(found, expected)
    up = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found.backward(up)
    expected.backward(up)
    torch.testing.assert_close(one.grad, other.grad)
    for (name, mine), theirs in zip(weighted.state_dict().items(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, msg=name)
    torch.testing.assert_close(weighted.eval()(values, counts), plain.eval()(values))


def test_gaussians_peak_at_their_centres() -> None:
    body = unlike_the_initial(default_architecture()).body
    expanded = body.expand(torch.tensor([0.0, 2.4, 8.0]))
    assert expanded.argmax(dim=1).tolist() == [0, 12, 40]
    assert expanded[1, 13] == pytest.approx(math.exp(-1), rel=1e-4)  # a spacing is a width
    assert int((expanded[0] > 0).sum()) == 8  # 7² = 49 < 50 < 8²
