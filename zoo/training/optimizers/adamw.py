"""AdamW, by torch's own kernel, and the learning rate over a fit: linear warm-up, then a cosine down to zero."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.adamw import adamw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor
    from torch.nn import Parameter

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(eq=False)
class _Group:
    """Parameters with the same learning rate, and the running means of their gradients and of the squares."""

    parameters: list[Parameter]
    rate: float
    means: list[Tensor] = field(init=False)
    squares: list[Tensor] = field(init=False)
    steps: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = [torch.zeros((), device=parameter.device) for parameter in self.parameters]


class AdamW:
    """Adam with decoupled weight decay: Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101.

    This is the functional form of :class:`torch.optim.AdamW`, which gives the same steps. The class itself imports
    torch's compiler as soon as one is made, which takes a second at the start of every fit.

    Parameters
    ----------
    groups : mapping of float to list of Parameter
        Parameters by their factor on the learning rate.
    learning_rate : float
        Peak of the schedule.
    weight_decay : float
    """

    def __init__(self, groups: Mapping[float, list[Parameter]], learning_rate: float, weight_decay: float) -> None:
        self._groups = [_Group(parameters, learning_rate * factor) for factor, parameters in groups.items()]
        self._weight_decay = weight_decay
        self._factor = 1.0

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters, in the order of their groups."""
        return [parameter for group in self._groups for parameter in group.parameters]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters in the form that :class:`torch.amp.GradScaler` reads."""
        return [{"params": group.parameters} for group in self._groups]

    @property
    def learning_rate(self) -> float:
        """Current learning rate of the first group."""
        return self._groups[0].rate * self._factor

    def schedule(self, factor: float) -> None:
        """Set the factor on the peak learning rates."""
        self._factor = factor

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have a gradient."""
        for group in self._groups:
            rows = zip(group.parameters, group.means, group.squares, group.steps, strict=True)
            chosen = [row for row in rows if row[0].grad is not None]
            if not chosen:
                continue
            parameters, means, squares, steps = (list(column) for column in zip(*chosen, strict=True))
            adamw(
                parameters,
                [parameter.grad for parameter in parameters if parameter.grad is not None],
                means,
                squares,
                [],
                steps,
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=group.rate * self._factor,
                weight_decay=self._weight_decay,
                eps=EPSILON,
                maximize=False,
            )

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors of the state by name; writing to them restores it."""
        for number, group in enumerate(self._groups):
            for kind in ("means", "squares", "steps"):
                for index, tensor in enumerate(getattr(group, kind)):
                    yield f"{kind}.{number}.{index}", tensor


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Return the factor on the peak learning rate.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without restarts.

    Parameters
    ----------
    step : int
        Number of steps made so far.
    steps : int
        Number of steps in all; from there on the factor is 0.
    warmup : int
        Number of steps over which the factor grows to 1.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
