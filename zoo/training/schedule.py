"""The learning rate over a fit: linear warm-up, then a cosine down to zero."""

from __future__ import annotations

import math


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
