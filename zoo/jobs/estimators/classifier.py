"""`CrystalClassifier`: fine-tuning as a scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin

from zoo._utils.wording import listed, probability_columns
from zoo.errors import InputError
from zoo.jobs.estimators import rows
from zoo.jobs.estimators.base import CrystalEstimator
from zoo.jobs.estimators.rows import Targets
from zoo.registry.contracts import Task
from zoo.registry.task_choice import chosen, made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo.data.structures.conversion import OnError


class CrystalClassifier(ClassifierMixin, CrystalEstimator):  # type: ignore[misc]
    """A class of crystals, such as metal or not, learned by transfer from zoo's backbones.

    It fits what ``zoo finetune --test 0`` fits, by the same job: equal rows and seeds give equal numbers.

    Parameters
    ----------
    task : str, Task or None
        Name of a registered classification, such as "metallicity", or a task; None for the classes found in the
        targets.
    backbone, mode, seeds, epochs, beside, fast, random_state, device, verbose, on_error
        As in :class:`CrystalRegressor`.

    Attributes
    ----------
    classes_ : array of shape (K,)
        Labels of the classes, as they are in the targets.
    model_, task_, metrics_, out_of_fold_, skipped_
        As in :class:`CrystalRegressor`.
    """

    def __init__(
        self,
        task: str | Task | None = None,
        *,
        backbone: str | None = "auto",
        mode: str = "blend",
        seeds: int = 1,
        epochs: int | None = None,
        beside: str | Sequence[str] = (),
        fast: bool = False,
        random_state: int | np.random.RandomState | None = 0,
        device: Device = "auto",
        verbose: int = 0,
        on_error: OnError = "raise",
    ) -> None:
        self.task = task
        self.backbone = backbone
        self.mode = mode
        self.seeds = seeds
        self.epochs = epochs
        self.beside = beside
        self.fast = fast
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.on_error = on_error

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the most probable class of n crystals, shape (n,).

        With ``on_error="skip"``, a crystal that cannot be used gets None, and the array is one of objects.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[np.nan_to_num(probabilities).argmax(axis=1)]
        unknown = np.isnan(probabilities).any(axis=1)
        if np.any(unknown):
            labels = labels.astype(object)
            labels[unknown] = None
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the calibrated probability of each class for n crystals, shape (n, K), in the order of `classes_`.

        With ``on_error="skip"``, a crystal that cannot be used gets NaN.
        """
        frame = self.predict_frame(X)
        return frame[probability_columns(self.model_.classes)].to_numpy(dtype=np.float64)

    def _targets(self, y: Any, name: str) -> Targets:
        from sklearn.utils.multiclass import check_classification_targets

        values = rows.column(y, type(self).__name__)
        known = [value for value in values if not rows.is_missing(value)]
        labels = _distinct(known)
        try:
            check_classification_targets(np.asarray(known))
        except (ValueError, TypeError) as error:  # the latter for labels in bytes
            raise InputError(f"y does not hold classes: {error}") from None
        task = self._task_of(labels, name)
        named = {label: task.index(label) for label in labels}
        targets = [_index(value, named, task) for value in values]
        return Targets(name, targets, values, {"task": task}, {"classes_": _own_labels(task.classes, named)})

    def _task_of(self, labels: Sequence[Any], name: str) -> Task:
        """Return the classification: the parameter, or one of the labels found."""
        if self.task is not None:
            task = chosen(self.task)
            if task.kind != "classification":
                raise InputError(f"task {task.name} is not a classification; use CrystalRegressor")
            return task
        if len(labels) < 2:
            only = f"one class only, {labels[0]!r}" if labels else "no values"
            raise InputError(f"y has {only}; a classifier needs two classes or more")
        try:
            return Task(made(name, "").name, target=name, kind="classification", classes=tuple(map(str, labels)))
        except ValueError as error:
            raise InputError(f"y: {str(error).rpartition(': classes: ')[2]}") from None  # the task is not the user's


def _distinct(labels: Sequence[Any]) -> list[Any]:
    """Return the different labels in order."""
    found = list(dict.fromkeys(labels))
    try:
        return sorted(found)
    except TypeError:
        types = sorted({type(each).__name__ for each in found})
        raise InputError(f"y holds labels of several types: {listed(types)}") from None


def _own_labels(classes: Sequence[str], named: dict[Any, int | None]) -> NDArray[Any]:
    """Return the labels of the classes as they are in the targets; those of other classes in the same type."""
    own: list[Any] = []
    for position, text in enumerate(classes):
        labels = [label for label, index in named.items() if index == position]
        if len(labels) > 1:
            raise InputError(f"y names the class {text!r} in several ways: {listed([repr(each) for each in labels])}")
        own.append(labels[0] if labels else _typed(text, next(iter(named), text)))
    types = {type(label) for label in own}
    return np.array(own, dtype=None if len(types) == 1 or types == {int, float} else object)


def _typed(text: str, like: object) -> Any:
    """Return the label of a class without rows as a number, if those of the others are numbers."""
    try:
        return type(like)(text) if isinstance(like, int | float) and not isinstance(like, bool) else text
    except ValueError:
        return text


def _index(value: Any, named: dict[Any, int | None], task: Task) -> float | InputError:
    """Return the position of a label's class, or why there is none."""
    if rows.is_missing(value):
        return InputError("no value")
    index = named[value]
    return InputError(f"no class of {task.name} ({listed(task.classes)})") if index is None else float(index)
