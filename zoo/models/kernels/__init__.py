"""Compiled parts of the networks, and their input arrays (`arrays`); and of regression trees (`trees`).

`gating` sums gated messages over edges, `normalizing` computes batch normalisation around them, `convolving` passes
whole crystals through all convolutions. `zoo._utils.compiled` imports them if they are available.
"""

__all__ = ["arrays", "convolving", "gating", "normalizing", "trees"]
