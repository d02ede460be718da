"""What the torch modules of several networks need: sums in single precision, and distances expanded in Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zoo.models.kernels.arrays import SMALLEST_EXPONENT

if TYPE_CHECKING:
    from torch import Tensor


def at_least_single(values: Tensor) -> Tensor:
    """Convert half-precision values to single precision, as needed by sums and DGL's kernels."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def gaussians_of(distances: Tensor, centers: Tensor, spacing: float) -> Tensor:
    """Expand distances of shape (R,) in Gaussians around `centers`, in the same unit; shape (R, gaussians)."""
    exponents: Tensor = -((distances.unsqueeze(1) - centers) / spacing).square()
    return torch.exp(exponents.clamp(min=SMALLEST_EXPONENT)) * (exponents > SMALLEST_EXPONENT)
