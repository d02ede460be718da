"""Linear regression on what pretrained networks predict for the properties that they were trained on.

The heads of the networks are stored beside the coefficients, because the frozen experts of a checkpoint have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Readout:
    """y = Σ_k coefficient_k p_k + intercept, with p_k = o_k · softplus(H_kᵀ softplus(x_k) + b_k) + c_k.

    x_k are w of the d features: the pooled last layer of the network to which head k belongs. p_k is the head's
    prediction, as in Xie & Grossman, Phys. Rev. Lett. 120, 145301 (2018).

    Parameters
    ----------
    width : array of shape (1,), int32
        Number of features, d.
    starts : array of shape (K,), int32
        Position of the first of the w features of each head.
    hidden : array of shape (K w, h), float32
        The matrices H_k, one below the other.
    hidden_bias, outputs : arrays of shape (K h,)
        The vectors b_k and o_k, concatenated.
    output_bias, coefficients : arrays of shape (K,)
    intercept : array of shape (1,)
    """

    kind: ClassVar[str] = "readout"

    width: NDArray[np.int32]
    starts: NDArray[np.int32]
    hidden: NDArray[np.float32]
    hidden_bias: Array
    outputs: Array
    output_bias: Array
    coefficients: Array
    intercept: Array

    def __post_init__(self) -> None:
        heads = len(self.starts) if self.starts.ndim == 1 else 0
        fits = heads > 0 and self.hidden.ndim == 2 and len(self.hidden) % heads == 0 and self.hidden.size > 0
        if fits:
            per_head = (heads * self.hidden.shape[1],)
            fits = self.hidden_bias.shape == self.outputs.shape == per_head
            fits &= self.output_bias.shape == self.coefficients.shape == (heads,)
            fits &= self.width.shape == self.intercept.shape == (1,)
        if not fits:
            raise CheckpointError("regressor: arrays of a readout do not fit")
        if not bool(np.all((self.starts >= 0) & (self.starts <= int(self.width[0]) - len(self.hidden) // heads))):
            raise CheckpointError("regressor: a readout reads a missing column")

    @property
    def columns(self) -> int:
        """Number of features."""
        return int(self.width[0])

    def predictions(self, features: Array) -> Array:
        """Return the predictions of all heads, shape (n, K), from features of shape (n, d)."""
        heads, size = len(self.starts), self.hidden.shape[1]
        matrices = self.hidden.reshape(heads, -1, size).astype(np.float64)
        biases, outputs = self.hidden_bias.reshape(heads, size), self.outputs.reshape(heads, size)
        found = np.empty((len(features), heads))
        for head, start in enumerate(self.starts):
            inputs = np.logaddexp(features[:, start : start + matrices.shape[1]], 0)
            hidden = np.logaddexp(inputs @ matrices[head] + biases[head], 0)
            found[:, head] = hidden @ outputs[head] + self.output_bias[head]
        return found

    def predict(self, features: Array) -> Array:
        """Return predictions, shape (n,), from features of shape (n, d)."""
        result: Array = self.predictions(features) @ self.coefficients + self.intercept[0]
        return result
