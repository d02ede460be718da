"""The best epoch of a fit, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class BestEpoch:
    """Copy of the weights with the smallest validation loss; of equal ones, the first.

    Parameters
    ----------
    patience : int or None
        Number of validations without improvement before stopping; None never stops.
    """

    def __init__(self, patience: int | None) -> None:
        self._patience = patience
        self.weights: dict[str, Tensor] = {}
        self.loss = math.inf
        self.waited = 0
        """Number of validations since the best."""
        self.stop = False

    def update(self, loss: float, weights: dict[str, Tensor]) -> None:
        """Record a validation; NaN counts as an infinite loss, which ends a fit with finite patience."""
        if loss < self.loss or not self.weights:
            self.weights = {name: tensor.clone() for name, tensor in weights.items()}
            self.loss, self.waited = (loss if math.isfinite(loss) else math.inf), 0
        else:
            self.waited += 1
        if self._patience is not None:
            self.stop = self.waited >= self._patience or not math.isfinite(loss)
