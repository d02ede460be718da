"""Compiled parts of the networks, and the arrays that they take (`arrays`).

`gating` sums gated messages over edges, `normalizing` computes batch normalisation around them, `convolving` passes
whole crystals through all convolutions. `zoo._utils.compiled` imports them where they could be compiled.
"""

__all__ = ["arrays", "convolving", "gating", "normalizing"]
