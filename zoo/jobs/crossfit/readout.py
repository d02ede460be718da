"""Ridge regression on what the frozen backbones predict: ΔEf, the gap, and whether a crystal is a metal.

A property that is close to one of these, as a measured gap is to a computed one, can be learned from very few rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from zoo.models.outline import outline
from zoo.models.regression.readouts import Readout
from zoo.models.regression.regressors import Regressor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo.models.heads import Head
    from zoo.models.network import CrystalNetwork

    Array = NDArray[np.float64]

ALPHAS = np.logspace(-1, 4, 11)
"""Candidates for the penalty; chosen by the leave-one-out error."""


@dataclass(frozen=True, eq=False)
class ReadoutFit:
    """Fits a ridge regression on the predictions of heads; called as the ``fit`` of a regressor member.

    Parameters
    ----------
    heads : Readout
        The heads, with coefficients that are replaced.
    """

    heads: Readout

    def __call__(self, features: Array, target: Array, seed: int) -> tuple[Regressor, dict[str, str]]:  # noqa: ARG002
        """Return the fitted regressor and the penalty; see :class:`zoo.jobs.crossfit.members.RegressorMember`."""
        from sklearn.linear_model import RidgeCV

        predicted = self.heads.predictions(features)
        mean, scale = predicted.mean(axis=0), predicted.std(axis=0)
        scale[scale < 1e-12] = 1.0
        ridge = RidgeCV(ALPHAS).fit((predicted - mean) / scale, target)
        coefficients = np.asarray(ridge.coef_, dtype=np.float64) / scale
        intercept = np.array([float(ridge.intercept_) - float(mean @ coefficients)])
        model = replace(self.heads, coefficients=coefficients, intercept=intercept)
        d = model.columns
        # Separate arrays: a checkpoint holds no array twice.
        regressor = Regressor(model, np.zeros(d), np.zeros(d), np.ones(d), np.array([np.inf]), np.array([0.0, 1.0]))
        return regressor, {"alpha": f"{ridge.alpha_:g}"}


def readout_fit(networks: Sequence[CrystalNetwork]) -> ReadoutFit | None:
    """Return the fit that reads the heads of networks whose vectors are concatenated; None if there is none to read.

    Parameters
    ----------
    networks : sequence of CrystalNetwork
        With all their heads. Heads that normalise what they read, have several hidden layers, or predict classes are
        left out.
    """
    found: list[tuple[int, Head]] = []
    start = 0
    for network in networks:
        size = network.architecture
        end = start + outline(size.transferred).vector_size
        if not size.plugin.normalized(size.settings) and size.head_layers == 1 and size.outputs == 1:
            # The vector that the heads read ends that of the expert.
            found += [(end - outline(size.body).vector_size, cast("Head", head)) for head in network.heads]
        start = end
    if not found or len({tuple(head.conv_to_fc.weight.shape) for _, head in found}) > 1:
        return None

    def array(values: list[NDArray[np.float32]]) -> Array:
        return np.concatenate(values).astype(np.float64)

    heads = [head for _, head in found]
    return ReadoutFit(
        Readout(
            width=np.array([start], dtype=np.int32),
            starts=np.array([first for first, _ in found], dtype=np.int32),
            hidden=np.concatenate([head.conv_to_fc.weight.detach().numpy().T for head in heads]).astype(np.float32),
            hidden_bias=array([head.conv_to_fc.bias.detach().numpy() for head in heads]),
            outputs=array([head.fc_out.weight.detach().numpy()[0] for head in heads]),
            output_bias=array([head.fc_out.bias.detach().numpy() for head in heads]),
            coefficients=np.zeros(len(heads)),
            intercept=np.zeros(1),
        )
    )
