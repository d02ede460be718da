"""`CrystalRegressor`: fine-tuning as a scikit-learn regressor."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import RegressorMixin

from zoo.data.structures.parse import is_number
from zoo.data.tables.records import shorten
from zoo.errors import InputError, InvalidDataError
from zoo.jobs.estimators import rows
from zoo.jobs.estimators.base import CrystalEstimator
from zoo.jobs.estimators.rows import Targets
from zoo.registry.task_choice import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo.data.structures.conversion import OnError
    from zoo.registry.contracts import Task


class _Hidden:
    """A parameter that is set, but is no attribute: its name is that of a method of transformers."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, estimator: object, value: object) -> None:
        vars(estimator)[self.name] = value

    def __get__(self, estimator: object, owner: type | None = None) -> Any:
        raise AttributeError(f"{self.name} is a parameter: get_params()[{self.name!r}]")


class CrystalRegressor(RegressorMixin, CrystalEstimator):  # type: ignore[misc]
    """A property of crystals, learned by transfer from zoo's backbones.

    It fits what ``zoo finetune --test 0`` fits, by the same job: equal rows and seeds give equal numbers.

    Parameters
    ----------
    task : str, Task or None
        Name of a registered property, or a task; None for a property that is described by `unit` and `transform`.
    unit : str
        Unit of the targets.
    transform : {"auto", "identity", "log10"}
        What is learned: the targets or their logarithms. "auto" takes what the task says; without a task, the targets
        decide (:func:`zoo.data.scaling.propose_transform`).
    backbone : str or None
        Name, folder or ``hf://owner/repo@revision``; "auto" takes the one recommended for the task, None starts from
        random weights.
    mode : str
        What is fitted, as in :class:`zoo.Options`: "blend" (a cross-fitted blend of a network and classical
        regressors), "mixture", "full", "head", "layerwise", or the name of a baseline such as "svr".
    seeds : int
        Number of cross-fits, each with its own folds and initial weights, over which predictions are averaged.
    epochs : int or None
        Number of epochs; by default tuned to the number of rows.
    beside : sequence of str
        Additional featurizers for the regressors of a blend; a string is one name.
    fast : bool
        Leave the fine-tuned network out of the blend; its frozen backbones are still read.
    random_state : int, RandomState or None
        Determines folds, initial weights and batches.
    device : {"auto", "cpu", "cuda"}
    verbose : int
        1 reports steps and progress on standard error.
    on_error : {"raise", "skip"}
        Whether crystals or targets that cannot be used end in an error, or are left out with a warning.

    Attributes
    ----------
    model_ : Model
    task_ : Task
    metrics_ : dict
        Errors out of fold, the weights of the members, and provenance.
    out_of_fold_ : DataFrame
        Out-of-fold prediction, interval and error of each row.
    skipped_ : dict of int to str
        Positions of the rows that were left out, with the reasons.

    Examples
    --------
    >>> import pandas as pd
    >>> import zoo
    >>> from importlib.resources import files
    >>> table = pd.read_csv(files("zoo.examples") / "dielectric.csv", comment="#").head(60)
    >>> model = zoo.CrystalRegressor("dielectric", mode="ridge").fit(table.structure[:50], table.poly_total[:50])
    >>> model.predict(table.structure[50:]).shape
    (10,)
    >>> model.predict_interval(table.structure[50:], 0.9).shape
    (10, 2)
    """

    transform = _Hidden()

    def __init__(
        self,
        task: str | Task | None = None,
        *,
        unit: str = "",
        transform: Literal["auto", "identity", "log10"] = "auto",
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
        self.unit = unit
        self.transform = transform
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

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return the parameters by name."""
        return {name: vars(self)[name] for name in signature(type(self)).parameters}

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the predictions for n crystals, shape (n,), in the unit of the task.

        With ``on_error="skip"``, a crystal that cannot be used gets NaN.
        """
        return self.predict_frame(X).prediction.to_numpy(dtype=np.float64)

    def predict_interval(self, X: Any, level: float = 0.9) -> NDArray[np.float64]:  # noqa: N803
        """Return prediction intervals for n crystals, shape (n, 2): lower and upper end.

        They are calibrated on out-of-fold residuals (CV+), and contain the value of a new crystal from the same
        distribution with about this probability.

        Parameters
        ----------
        X : sequence of n crystals
        level : float
            From 0.5 to below 1.
        """
        if level is None:
            raise InvalidDataError("level=None: give the level of the intervals, for example 0.9")
        return self.predict_frame(X, interval=level)[["lower", "upper"]].to_numpy(dtype=np.float64)

    def _targets(self, y: Any, name: str) -> Targets:
        transform = self.get_params()["transform"]
        if transform not in ("auto", "identity", "log10"):
            raise InputError(f"transform={transform!r}: use 'auto', 'identity' or 'log10'")
        options: dict[str, Any] = {"task": self.task, "unit": self.unit or None}
        if self.task is None:
            options |= {"target": name, "log": None if transform == "auto" else transform == "log10"}
        elif transform != "auto":
            options["task"] = replace(chosen(self.task), transform=transform)
        given = rows.column(y, type(self).__name__)
        if given and all(map(_is_label, given)):
            raise InputError(f"y = {shorten(repr(given[0]))} …: no numbers; CrystalClassifier learns classes")
        return Targets(name, [_number(value) for value in given], given, options)


def _is_label(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and not is_number(value))


def _number(value: object) -> float | InputError:
    """Return a target as a number, or why it is not one."""
    try:
        return rows.number(value)
    except InputError as error:
        return error
