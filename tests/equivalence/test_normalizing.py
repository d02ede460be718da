"""Compiled batch normalisation against its formula in double precision, and what autograd makes of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from zoo._utils import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(compiled.normalizing is None, reason="zoo was installed without a C compiler")


@dataclass(frozen=True, eq=False)
class Normalized:
    """Values of 150 atoms and a normalisation of them, in single precision, and in double as autograd takes them."""

    statistics: list[NDArray[np.float32]]
    inputs: list[NDArray[np.float32]]
    double: list[torch.Tensor]

    @classmethod
    def draw(cls, width: int, *shapes: tuple[int, ...]) -> Normalized:
        rng = np.random.default_rng(width)
        statistics = [rng.normal(size=width).astype(np.float32) for _ in range(4)]
        statistics[1] = np.float32(0.1) + statistics[1] ** 2
        inputs = [rng.normal(size=shape).astype(np.float32) * np.float32(10) for shape in shapes]
        return cls(statistics, inputs, [torch.from_numpy(each).double().requires_grad_() for each in inputs])

    @property
    def compiled(self) -> Any:
        assert compiled.normalizing is not None
        mean, variance, gain, bias = self.statistics
        return compiled.normalizing.Normalization(mean, variance, 1e-3, gain, bias)

    def tensors(self) -> list[torch.Tensor]:
        """Mean, variance, gain and bias in double precision."""
        return [torch.from_numpy(each).double().requires_grad_() for each in self.statistics]


def normalized(values: torch.Tensor, statistics: list[torch.Tensor]) -> torch.Tensor:
    mean, variance, gain, bias = statistics
    return (values - mean) / (variance + 1e-3).sqrt() * gain + bias


def close(found: NDArray[np.float32], expected: torch.Tensor | None) -> bool:
    """Whether an array agrees with a tensor in double precision to five digits of its largest value."""
    assert expected is not None
    exact = expected.detach().numpy()
    return bool(np.abs(found - exact).max() <= 1e-5 * np.abs(exact).max())


@pytest.mark.parametrize("width", [1, 64, 70])
def test_a_softplus_of_normalised_values_and_its_gradients_are_those_of_the_formula(width: int) -> None:
    """log(1 + exp(atoms + (values - mean) / √(variance + ε) gain + bias)), and what autograd makes of it."""
    drawn = Normalized.draw(width, *[(150, width)] * 3)
    (atoms, values, up), statistics, norm = drawn.inputs, drawn.tensors(), drawn.compiled
    expected = functional.softplus(drawn.double[0] + normalized(drawn.double[1], statistics), threshold=1000)
    expected.backward(drawn.double[2])
    found, to_atoms, to_values = (np.full_like(atoms, np.nan) for _ in range(3))
    norm.softplus(atoms, values, found)
    assert close(found, expected)
    to_gain, to_bias = norm.softplus_gradients(up, found, values, to_atoms, to_values)
    to_mean, to_variance = norm.to_statistics(to_gain, to_bias)
    assert norm.mean.tolist() == drawn.statistics[0].tolist()
    assert close(to_atoms, drawn.double[0].grad)
    assert close(to_values, drawn.double[1].grad)
    for mine, theirs in zip((to_mean, to_variance, to_gain, to_bias), statistics, strict=True):
        assert close(mine, theirs.grad)
    for wrong in (atoms[:5], np.ones((150, width + 1), dtype=np.float32)):
        for call, right in (
            (norm.softplus, [atoms, values, found]),
            (norm.softplus_gradients, [up, found, values, to_atoms, to_values]),
        ):
            for place in range(len(right)):
                mistaken = [*right]
                mistaken[place] = wrong
                with pytest.raises(ValueError, match="do not fit"):
                    call(*mistaken)


@pytest.mark.parametrize("gaussians", [5, 41])
def test_normalised_ends_of_edges_and_their_gradients_are_those_of_the_formula(gaussians: int) -> None:
    """An edge is center + neighbor + Gaussian × bond; its normalisation, taken apart and put together again."""
    width, least = 70, 9
    drawn = Normalized.draw(width, (150, width), (150, width), (width, gaussians))
    statistics, norm, rows = drawn.tensors(), drawn.compiled, max(gaussians, least)
    rng = np.random.default_rng(0)
    one, other, expansion = rng.integers(150, size=500), rng.integers(150, size=500), rng.random((500, gaussians))
    center, neighbor, bond = drawn.double
    edges = normalized(center[one] + neighbor[other] + torch.from_numpy(expansion) @ bond.T, statistics)
    up = torch.from_numpy(rng.normal(size=(500, width)))
    edges.backward(up)
    of_gaussian, *ends = norm.ends(*drawn.inputs, least)
    assert of_gaussian.shape == (rows, width)
    assert not of_gaussian[gaussians:].any()
    assert close(ends[0][one] + ends[1][other] + expansion.astype(np.float32) @ of_gaussian[:gaussians], edges)

    sums = [torch.zeros(150, width).double().index_add(0, torch.from_numpy(end), up) for end in (one, other)]
    to_center, to_neighbor = (each.float().numpy() for each in sums)
    to_gaussian = np.zeros((2, rows, width), dtype=np.float32)
    to_gaussian[0, :gaussians] = expansion[:200].T @ up[:200].numpy()
    to_gaussian[1, :gaussians] = expansion[200:].T @ up[200:].numpy()
    wider = np.full((width, gaussians + 3), np.nan, dtype=np.float32)  # a part of a larger array will do
    given = to_center, to_neighbor, to_gaussian, *drawn.inputs, wider[:, 3:]
    for place in range(len(given)):
        mistaken = [*given]
        mistaken[place] = given[place][..., :1].copy()
        with pytest.raises(ValueError, match="do not fit"):
            norm.end_gradients(*mistaken)
    to_gain, to_bias = norm.end_gradients(*given)
    assert np.isnan(wider[:, :3]).all()
    for mine, theirs in zip((to_center, to_neighbor, wider[:, 3:]), drawn.double, strict=True):
        assert close(mine, theirs.grad)
    to_mean, to_variance = norm.to_statistics(to_gain, to_bias)
    for mine, theirs in zip((to_mean, to_variance, to_gain, to_bias), statistics, strict=True):
        assert close(mine, theirs.grad)
    for place in range(3):
        mistaken = [*drawn.inputs]
        mistaken[place] = mistaken[place][:5]
        with pytest.raises(ValueError, match="do not fit"):
            norm.ends(*mistaken, least)


def test_statistics_that_do_not_fit_are_refused() -> None:
    assert compiled.normalizing is not None
    right = [np.ones(3, dtype=np.float32)] * 4
    for place in range(4):
        mistaken = [*right]
        mistaken[place] = right[0][:2]
        with pytest.raises(ValueError, match="do not fit"):
            compiled.normalizing.Normalization(*mistaken[:2], 1e-5, *mistaken[2:])
    nothing = [each[:0] for each in right]
    with pytest.raises(ValueError, match="do not fit"):
        compiled.normalizing.Normalization(*nothing[:2], 1e-5, *nothing[2:])
    norm = compiled.normalizing.Normalization(*right[:2], 1e-5, *right[2:])
    with pytest.raises(ValueError, match="do not fit"):
        norm.to_statistics(right[0], right[0][:2])


def test_sums_over_many_atoms_keep_their_digits() -> None:
    """Of 200,000 values far from zero, whose mean is taken from them: to single precision, as of a few."""
    assert compiled.normalizing is not None
    rng = np.random.default_rng(1)
    values, up = (rng.normal(size=(200_000, 3)) + shift for shift in (30, 1))
    values, up = values.astype(np.float32), up.astype(np.float32)
    mean, variance = values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64)
    one, zero = np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float32)
    norm = compiled.normalizing.Normalization(*(each.astype(np.float32) for each in (mean, variance)), 0, one, zero)
    steep = np.full_like(values, 1000)  # where the softplus has the slope one
    to_gain, to_bias = norm.softplus_gradients(up, steep, values, np.empty_like(up), np.empty_like(up))
    centered = values - norm.mean.astype(np.float64)
    assert to_bias == pytest.approx(up.sum(axis=0, dtype=np.float64), rel=1e-6)
    assert to_gain == pytest.approx((up * centered).sum(axis=0) / np.sqrt(variance), rel=1e-5, abs=1)
    ends = up.copy(), np.zeros_like(up)
    nothing = np.zeros((3, 1), dtype=np.float32)
    to_gain, to_bias = norm.end_gradients(
        *ends, np.zeros((1, 1, 3), dtype=np.float32), values, np.zeros_like(up), nothing, nothing.copy()
    )
    assert to_bias == pytest.approx(up.sum(axis=0, dtype=np.float64), rel=1e-6)
    assert to_gain == pytest.approx((up * centered).sum(axis=0) / np.sqrt(variance), rel=1e-5, abs=1)
