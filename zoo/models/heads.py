"""Fully connected layers, which map the vector of a crystal to one scaled number, or to the logits of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from zoo.models.architecture import EPSILON

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.architecture import Architecture


class Head(nn.Module):
    """The fully connected layers after pooling, for one property.

    Parameters
    ----------
    size : Architecture
    inputs : int
        Length of the input vectors.
    normalize : bool
        Normalise each component to mean 0 and variance 1 first, instead of the authors' softplus.
    dropout : float
        Fraction of the components dropped at random in training.
    """

    def __init__(self, size: Architecture, inputs: int, *, normalize: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(inputs, eps=EPSILON, affine=False) if normalize else None
        self.dropout = dropout
        self.conv_to_fc = nn.Linear(inputs, size.head)
        self.fcs = nn.ModuleList(nn.Linear(size.head, size.head) for _ in range(size.head_layers - 1))
        self.fc_out = nn.Linear(size.head, size.outputs)

    def forward(self, crystals: Tensor) -> Tensor:
        """Map crystal vectors of shape (B, inputs) to scaled predictions, shape (B,), or to logits, (B, outputs)."""
        crystals = functional.softplus(crystals) if self.norm is None else self.norm(crystals)
        if self.training and self.dropout:
            crystals = leave_out(crystals, self.dropout)
        hidden = functional.softplus(self.conv_to_fc(crystals))
        for layer in self.fcs:
            hidden = functional.softplus(layer(hidden))
        output: Tensor = self.fc_out(hidden)
        return output.squeeze(1) if output.shape[1] == 1 else output


def leave_out(values: Tensor, part: float) -> Tensor:
    """Set a random fraction of the values to zero, and scale the others so that the expected sum is unchanged.

    It replaces torch's ``dropout``, which draws different random numbers on Intel and AMD processors for the same seed.
    Each 64-bit random number is used for four values.
    """
    left_out = round(part * 2**16)
    drawn = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[: values.numel()].view(values.shape)
    kept = bits.float().ge_(left_out - 2**15).mul_(1 / (1 - left_out / 2**16))
    return values * kept.to(values.dtype)
