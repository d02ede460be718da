"""Intervals of a model's predictions, from the calibration stored with its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis import conformal
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo.models.checkpoint.weights import MemberArrays

    Array = NDArray[np.float64]


def check(name: str, members: Sequence[MemberArrays], level: float) -> None:
    """Check that the members of the model `name` support intervals at a level.

    Raises
    ------
    InputError
        If they do not.
    """
    calibrations = _calibrations(members)
    if not all(calibrations):
        raise InputError(
            f"{name} has no calibration rows, so it gives no intervals; fine-tune it with zoo finetune, which "
            "calibrates the new model on rows that did not train it"
        )
    # The residuals of a cross-fit's folds are those of one model; networks of several seeds are calibrated one by one.
    blended = any(member.regressors for member in members)
    fewest = sum(map(len, calibrations)) if blended else min(map(len, calibrations))
    if fewest < conformal.MIN_ROWS:
        each = " a network" if len(calibrations) > 1 and not blended else ""
        raise InputError(
            f"{name} has {fewest} calibration rows{each}, and an interval needs {conformal.MIN_ROWS}; "
            "fine-tune on a larger table"
        )
    conformal.check_level(level, calibrations)


def ends(
    members: Sequence[MemberArrays], centers: Array, disagreements: Array, middle: Array, level: float
) -> tuple[Array, Array]:
    """Return the lower and upper ends of intervals in the transformed space, each of shape (n,).

    Members with a difficulty have intervals around the prediction, whose half-width is the conformal quantile of all
    scaled residuals times the mean difficulty. Others are combined by :func:`zoo.analysis.conformal.intervals`.

    Parameters
    ----------
    members : sequence of K MemberArrays
    centers, disagreements : arrays of shape (K, n)
        Results of :func:`zoo.models.regression.blends.member_values`.
    middle : array of shape (n,)
        Predictions of the model, in the transformed space.
    level : float
        A level that :func:`check` accepts.
    """
    calibrations = _calibrations(members)
    difficulties = [
        member.difficulty.of(each) for member, each in zip(members, disagreements, strict=True) if member.difficulty
    ]
    if not difficulties:
        return conformal.intervals(centers, calibrations, level)
    half = conformal.half_width(calibrations[0], level)
    assert half is not None
    width = half * np.mean(difficulties, axis=0)
    return middle - width, middle + width


def _calibrations(members: Sequence[MemberArrays]) -> list[tuple[float, ...]]:
    """Return the residuals of each member, or of all together if they are scaled by a difficulty."""
    if members[0].difficulty is None:
        return [member.calibration for member in members]
    return [tuple(residual for member in members for residual in member.calibration)]
