"""What a fit makes small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Balance = Literal["equal", "relative"]


def masked_l1(output: Tensor, target: Tensor, balance: Balance = "equal") -> Tensor:
    """Return the mean absolute error in scaled units, shape (), of outputs of shape (..., B, T) and targets, (B, T).

    L1, because the error that is reported is a mean absolute one. Missing targets, NaN, count for nothing; each column
    counts as much as any other, however few labels it has. With a relative balance it is the mean of the columns'
    logarithms: the likelihood of errors whose scale is each column's own, as Kendall, Gal & Cipolla (CVPR 2018) weigh
    tasks, with the batch's own error in place of a learned scale.
    """
    labelled = target.isfinite()
    error = ((output - target.nan_to_num()).abs() * labelled).sum(dim=-2)
    errors = error / labelled.sum(dim=0).clamp(min=1)
    if balance == "equal":
        return errors.mean()
    return errors[..., labelled.any(dim=0)].clamp(min=1e-6).log().mean()
