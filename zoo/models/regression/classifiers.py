"""Classical classifiers stored as plain arrays: one regressor for each class.

The regressors give a number for each class, which a link turns into probabilities: ``softmax`` takes the numbers as
logits, as of gradient boosting and logistic regression; ``sigmoid`` takes each as the logit of its class against all
others, as of calibrated support vector machines; ``identity`` takes them as probabilities, as of a forest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo.analysis.probabilities import softmax
from zoo.errors import CheckpointError
from zoo.models.regression.regressors import LinearModel, Regressor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.models.regression.regressors import Model

    Array = NDArray[np.float64]

Link = Literal["softmax", "sigmoid", "identity"]
"""How the numbers of the classes become probabilities."""

ABSENT = -10.0
"""Logit of a class without training rows; that of a likely class is about 0."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """A regressor for each class.

    Parameters
    ----------
    parts : tuple of Regressor
        In the order of the classes.
    link : {"softmax", "sigmoid", "identity"}
    """

    parts: tuple[Regressor, ...]
    link: Link = "softmax"

    def __post_init__(self) -> None:
        if len({part.columns for part in self.parts}) != 1:
            raise CheckpointError("classifier: its parts read different numbers of columns")

    @property
    def columns(self) -> int:
        """Number of features."""
        return self.parts[0].columns

    def predict(self, features: Array) -> Array:
        """Return the probabilities of K classes, shape (n, K), from features of shape (n, d)."""
        return self.combined([part.predict(features) for part in self.parts])

    def combined(self, parts: Sequence[Array]) -> Array:
        """Return the probabilities, given the numbers of all parts."""
        numbers = np.stack(parts, axis=1)
        if self.link == "softmax":
            return softmax(numbers)
        sigmoid = self.link == "sigmoid"
        positive = np.exp(-np.logaddexp(0.0, -numbers)) if sigmoid else np.maximum(numbers, 0.0)
        total = positive.sum(axis=1, keepdims=True)
        shares: Array = np.divide(positive, total, out=np.full_like(positive, 1 / len(self.parts)), where=total > 0)
        return shares

    def described(self) -> dict[str, Any]:
        """Return what :func:`from_tensors` needs besides the arrays."""
        return {"kind": "classifier", "parts": [part.model.kind for part in self.parts], "link": self.link}

    def tensors(self, *, by_row: bool = False) -> dict[str, NDArray[Any]]:
        """Return copies of all arrays by name, each with the position of its class as a prefix."""
        return {  # the parts may share arrays, which a file of tensors may not
            f"{position}.{name}": array.copy()
            for position, part in enumerate(self.parts)
            for name, array in part.tensors(by_row=by_row).items()
        }


def kinds_of(kind: str, parts: Sequence[str]) -> dict[str, str]:
    """Return the kind of each regressor by the prefix of its arrays; an ordinary regressor has no prefix."""
    return {f"{position}.": part for position, part in enumerate(parts)} if parts else {"": kind}


def from_tensors(
    tensors: Mapping[str, NDArray[Any]], kind: str, parts: Sequence[str] = (), link: Link = "softmax"
) -> Regressor | Classifier:
    """Build a regressor or a classifier from its arrays.

    Raises
    ------
    CheckpointError
        As :meth:`zoo.models.regression.regressors.Regressor.from_tensors` does.
    """
    if not parts:
        return Regressor.from_tensors(kind, tensors)
    made = []
    for prefix, part in kinds_of(kind, parts).items():
        own = {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
        made.append(Regressor.from_tensors(part, own))
    return Classifier(tuple(made), link)


def of_models(
    models: Mapping[int, Model | float],
    classes: int,
    make: Callable[[Model], Regressor],
    columns: int,
    link: Link = "softmax",
) -> Classifier:
    """Assemble a classifier from models, or constants, of the classes that have training rows.

    Parameters
    ----------
    models : mapping of int to model or float
        By position of the class.
    classes : int
        Number of classes.
    make : callable
        Returns the regressor of a model, with the preprocessing of its features.
    columns : int
        Number of features.
    link : {"softmax", "sigmoid", "identity"}
    """
    parts = []
    for position in range(classes):
        model = models.get(position, 0.0 if link == "identity" else ABSENT)
        if isinstance(model, float):
            model = LinearModel(np.zeros(columns), np.array([model]))
        parts.append(make(model))
    return Classifier(tuple(parts), link)
