"""Names of modes, precisions and methods. It imports nothing: ``--help`` is fast, and predicting needs no torch."""

from __future__ import annotations

from typing import Literal

Mode = Literal["mixture", "full", "head", "layerwise"]
"""How a pretrained network is fine-tuned; see :mod:`zoo.training.transfer`."""

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Precision of the forward and backward pass."""

BLEND = "blend"
"""The mode in which a fine-tuned network and classical regressors are cross-fitted and blended."""

FAST = (
    "Fit no network: the blend is made of classical regressors, which also read the frozen backbones. "
    "Networks take most of the time of a fit; without them errors are about 2 % larger."
)
"""Description of the option ``fast``; measured in docs/benchmarks/defaults.md."""

FROM_SCRATCH = "from scratch"
"""Name of the method that trains without a backbone."""
