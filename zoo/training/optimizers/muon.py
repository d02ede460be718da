"""Muon: steps along the orthogonalised momentum of each matrix.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon/, with the scale of J. Liu et al., arXiv:2502.16982, by which its steps are as
large as those of AdamW; so one learning rate serves both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.training.optimizers.adamw import AdamW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor
    from torch.nn import Parameter

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the iteration's polynomial: chosen by its authors so that small singular values grow fast."""

ITERATIONS = 5


class MuonAdamW(AdamW):
    """Muon for some matrices and AdamW for all other parameters.

    Its steps are those of :class:`torch.optim.Muon` of torch 2.9 and later.

    Parameters
    ----------
    groups : mapping of float to list of Parameter
        Parameters by their factor on the learning rate.
    matrices : list of tensor
        Those that take Muon's steps.
    learning_rate : float
        Peak of the schedule.
    weight_decay : float
    """

    def __init__(
        self,
        groups: Mapping[float, list[Parameter]],
        matrices: list[Tensor],
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        chosen = {id(parameter) for parameter in matrices}
        others = {
            factor: [each for each in parameters if id(each) not in chosen] for factor, parameters in groups.items()
        }
        super().__init__(others, learning_rate, weight_decay)
        self._rows = [
            (parameter, torch.zeros_like(parameter), learning_rate * factor)
            for factor, parameters in groups.items()
            for parameter in parameters
            if id(parameter) in chosen
        ]

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters, the matrices last."""
        return [*super().parameters, *(matrix for matrix, _, _ in self._rows)]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters in the form that :class:`torch.amp.GradScaler` reads."""
        return [*super().param_groups, {"params": [matrix for matrix, _, _ in self._rows]}]

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have a gradient."""
        super().step()
        for matrix, momentum, rate in self._rows:
            if matrix.grad is None:
                continue
            now = rate * self._factor
            momentum.lerp_(matrix.grad, 1 - MOMENTUM)
            update = orthogonalize(matrix.grad.lerp(momentum, MOMENTUM))
            matrix.mul_(1 - now * self._weight_decay)
            matrix.add_(update, alpha=-now * 0.2 * math.sqrt(max(matrix.shape)))

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors of the state by name; writing to them restores it."""
        yield from super().state()
        for index, (_, momentum, _) in enumerate(self._rows):
            yield f"momentum.{index}", momentum


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return about U Vᵀ of a matrix U S Vᵀ, by the iteration of Newton and Schulz in bfloat16.

    The iteration is stopped early: the singular values are between 0.5 and 1.5.
    """
    first, second, third = COEFFICIENTS
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    found = wide.bfloat16()
    found = found / found.norm().clamp(min=1e-7)  # so that no singular value exceeds 1
    for _ in range(ITERATIONS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=second, alpha=third), found, beta=first)
    return found.T if matrix.shape[0] > matrix.shape[1] else found


def matrices(module: nn.Module) -> list[Tensor]:
    """Return the trainable matrices of the linear maps in a module."""
    linear = (each for each in module.modules() if isinstance(each, nn.Linear))
    return [each.weight for each in linear if each.weight.requires_grad]
