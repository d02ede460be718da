"""The loss that a fit minimises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

Balance = Literal["equal", "relative"]
"""How several targets share the loss."""


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean logarithmic loss of logits.

    Parameters
    ----------
    output : tensor of shape (..., B, K)
        Logits of K classes.
    target : tensor of shape (B, 1)
        Positions of classes.

    Returns
    -------
    tensor of shape ()
    """
    classes = target[:, 0].long().expand(output.shape[:-1])
    return functional.cross_entropy(output.flatten(0, -2), classes.flatten())


def masked_l1(output: Tensor, target: Tensor, balance: Balance = "equal") -> Tensor:
    """Return the mean absolute error in scaled units over the known targets.

    The loss is L1 because the reported error is a mean absolute error. Each column counts as much as any other,
    however few labels it has. With a relative balance the loss is the mean of the logarithms of the columns' errors:
    the likelihood of Laplace errors whose scale is each column's own. Kendall, Gal & Cipolla (CVPR 2018) weigh tasks
    like this with a learned scale; here the batch's own error takes its place.

    Parameters
    ----------
    output : tensor of shape (..., B, T)
    target : tensor of shape (B, T)
        NaN where there is no label.
    balance : {"equal", "relative"}

    Returns
    -------
    tensor of shape ()
    """
    labelled = target.isfinite()
    error = ((output - target.nan_to_num()).abs() * labelled).sum(dim=-2)
    errors = error / labelled.sum(dim=0).clamp(min=1)
    if balance == "equal":
        return errors.mean()
    return errors[..., labelled.any(dim=0)].clamp(min=1e-6).log().mean()
