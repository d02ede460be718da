"""Batch normalisation as a scale and a shift, by statistics that are always computed in single precision."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor, nn

Statistics = tuple["Tensor", "Tensor", "Tensor"]
"""Mean, biased variance, and the number of values that they are of."""


def full(values: Tensor) -> Tensor:
    """Return half-precision values in single precision: statistics need it."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def single_precision(device: torch.device) -> AbstractContextManager[object]:
    """Compute in single precision inside the block: products of whole batches do not fit half precision."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def noted(norm: nn.BatchNorm1d, statistics: Statistics | None) -> tuple[Tensor, Tensor]:
    """Return the mean and variance that a batch normalisation takes: the batch's, which it notes, or its own."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if statistics is None:
        return norm.running_mean, norm.running_var
    mean, variance, n = statistics
    assert norm.momentum is not None
    assert norm.num_batches_tracked is not None
    with torch.no_grad():
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
        norm.num_batches_tracked.add_(1)
    return mean, variance


def normalization(norm: nn.BatchNorm1d, statistics: Statistics | None) -> tuple[Tensor, Tensor]:
    """Return the scale and shift of a batch normalisation by the batch's statistics, or by its own."""
    mean, variance = noted(norm, statistics)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return scale, norm.bias - mean * scale
