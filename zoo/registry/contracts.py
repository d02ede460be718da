"""The contracts of plugins.

A plugin is an object behind an entry point; the entry point's name is the name that users type.

=====================  ===========================================================================
group                  the object
=====================  ===========================================================================
``zoo.tasks``          a :class:`Task`
``zoo.featurizers``    a :class:`Featurizer`, or a class or function without arguments that makes one
``zoo.baselines``      a :class:`Baseline`
``zoo.backbones``      a package whose folder holds model cards (``NAME.md``)
``zoo.networks``       a :class:`zoo.registry.networks.Network`
=====================  ===========================================================================

This module imports nothing heavy, so that a task can be listed in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from numbers import Real
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from zoo.registry import class_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from pymatgen.core import Structure

__all__ = [
    "NAME",
    "ZOO_API",
    "Baseline",
    "Featurizer",
    "Kind",
    "Requirement",
    "Task",
    "TaskKind",
    "Transform",
]

ZOO_API = 1
"""Version of these contracts. A plugin states the one it was written for in ``zoo_api``."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")
"""Valid names of plugins: easy to type, usable in file names, and never mistaken for ``dist:name``."""

_UNUSABLE = "not a valid name; use letters, digits and single hyphens, beginning with a letter"

Kind = Literal["task", "featurizer", "baseline", "backbone", "network"]
Transform = Literal["identity", "log10"]
TaskKind = Literal["regression", "classification"]


@dataclass(frozen=True)
class Requirement:
    """A row filter of a task: keep rows whose `column` is strictly above `above`.

    Parameters
    ----------
    column : str
        Column that the table must have.
    above : float
        Exclusive lower bound, in the column's own unit.
    reason : str
        Reason given for rows that are left out, for example ``"a metal (band_gap = 0)"``.
    """

    column: str
    above: float
    reason: str = ""

    def __post_init__(self) -> None:
        column, above, reason = vars(self)["column"], vars(self)["above"], vars(self)["reason"]
        if not (isinstance(column, str) and isinstance(reason, str)):
            raise TypeError(f"requirement: column={column!r} and reason={reason!r} must be strings")
        if not (isinstance(above, Real) and isfinite(above)):
            raise TypeError(f"requirement: above={above!r} is not a finite number")


@dataclass(frozen=True)
class Task:
    """A target property: its unit, physical range and transform, or its classes.

    Parameters
    ----------
    name : str
        Name that users type, for example ``"bulk-modulus"``.
    target : str
        Default column of the target.
    unit : str
        Unit of the column's values; ``""`` if they have none.
    transform : {"identity", "log10"}
        Applied before standardisation; ``log10`` for properties that span decades.
    valid : tuple of float
        Physical range ``(low, high)`` in `unit`, both ends included; values outside are rejected.
    metric : {"mae", "rmse", "log_loss"}
        Headline metric; always ``"log_loss"`` for a classification.
    description, citation : str
        One sentence, and the source of the definition or the reference data.
    aliases : tuple of str
        Other accepted names of the target column.
    recommended_backbone : str or None
        Backbone to start from if the user names none.
    requires : Requirement or None
        Row filter (for example, non-metals only).
    zoo_api : int
        Version of the contract that the plugin was written for.
    label : str
        Name and symbol on the axes of figures, for example ``"Bulk modulus K_VRH"``; what follows an underscore is
        set as a subscript. By default figures show the name of the column.
    kind : {"regression", "classification"}
        Whether the property is a number or one of several classes. Targets of a classification are positions in
        `classes`.
    classes : tuple of str
        Labels of the classes, at least two, as they are written in tables. With two classes, the first is the negative
        one, which a table may also write as 0 or false, and the second the positive one, 1 or true.

    Examples
    --------
    >>> hardness = Task("hardness", target="H_V", unit="GPa", transform="log10", valid=(0.1, 150.0))
    >>> hardness.columns
    ('H_V',)
    >>> hardness.problem(-3.0)
    'below the physical range of hardness, 0.1 to 150 GPa'
    >>> magnet = Task("magnet", target="order", unit="", kind="classification", classes=("none", "FM", "AFM"))
    >>> magnet.index("afm"), magnet.index("ferri")
    (2, None)
    """

    name: str
    target: str
    unit: str = ""
    transform: Transform = "identity"
    valid: tuple[float, float] = (-inf, inf)
    metric: Literal["mae", "rmse", "log_loss"] = "mae"
    description: str = ""
    citation: str = ""
    aliases: tuple[str, ...] = ()
    recommended_backbone: str | None = None
    requires: Requirement | None = None
    zoo_api: int = ZOO_API
    label: str = ""
    kind: TaskKind = "regression"
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Types are checked here, because no type checker sees the plugin files of users.
        aliases: object = self.aliases
        if not isinstance(aliases, tuple):
            hint = f"; one alias is written ({self.aliases!r},)" if isinstance(aliases, str) else ""
            raise TypeError(f"task {self.name!r}: aliases={self.aliases!r} is not a tuple{hint}")
        texts = {name: getattr(self, name) for name in ("name", "target", "unit", "description", "citation", "label")}
        texts |= {f"aliases[{i}]": alias for i, alias in enumerate(self.aliases)}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise TypeError(f"task {self.name!r}: {name}={value!r} is not a string")
        check_name("task", self.name)
        if self.recommended_backbone is not None and not isinstance(self.recommended_backbone, str):
            raise TypeError(f"task {self.name!r}: recommended_backbone={self.recommended_backbone!r} is not a name")
        if self.requires is not None and not isinstance(self.requires, Requirement):
            raise TypeError(f"task {self.name!r}: requires={self.requires!r} is not a zoo.contracts.Requirement")
        if self.kind == "classification":
            self._check_classes()
        elif self.kind != "regression":
            raise ValueError(f"task {self.name!r}: kind={self.kind!r} is neither 'regression' nor 'classification'")
        elif self.classes:
            raise ValueError(f"task {self.name!r}: classes go with kind='classification'")
        elif self.metric not in ("mae", "rmse"):
            raise ValueError(f"task {self.name!r}: metric={self.metric!r} is neither 'mae' nor 'rmse'")
        valid: object = self.valid
        if not (isinstance(valid, tuple) and len(valid) == 2 and all(isinstance(end, Real) for end in valid)):
            raise TypeError(f"task {self.name!r}: valid={self.valid!r} is not a range of numbers (low, high)")
        low, high = self.valid
        if not low < high:
            raise ValueError(f"task {self.name!r}: valid=({low}, {high}) is not a range")
        if self.transform not in ("identity", "log10"):
            raise ValueError(f"task {self.name!r}: unknown transform {self.transform!r}")
        if self.transform == "log10" and low < 0:
            raise ValueError(f"task {self.name!r}: log10 needs a range without negative values, got valid={self.valid}")

    def _check_classes(self) -> None:
        class_labels.check(self.name, self.classes)
        if self.unit or self.transform != "identity" or self.valid != (-inf, inf):
            raise ValueError(f"task {self.name!r}: a classification has no unit, transform or valid range")
        if self.metric not in ("mae", "log_loss"):
            raise ValueError(f"task {self.name!r}: the metric of a classification is 'log_loss', not {self.metric!r}")
        object.__setattr__(self, "metric", "log_loss")

    def index(self, label: object) -> int | None:
        """Return the position of a class, or None if a value names none.

        Labels match without regard to case, and as numbers if they are numbers. Two classes are also named by 0 and
        1, and by false and true, unless the labels themselves say otherwise.

        Parameters
        ----------
        label : object
            The cell of a table.
        """
        return class_labels.index(self.classes, label)

    @property
    def columns(self) -> tuple[str, ...]:
        """Accepted names of the target column, the default first."""
        return (self.target, *self.aliases)

    def problem(self, value: float) -> str | None:
        """Return why `value` cannot be a target, or None if it can.

        Parameters
        ----------
        value : float
            A target in :attr:`unit`, or the position of a class.
        """
        low, high = self.valid
        if not isfinite(value):
            return "not a finite number"
        if self.classes:
            return None if value in range(len(self.classes)) else f"not the position of a class of {self.name}"
        if self.transform == "log10" and value < 0 == low and high == inf:
            return "negative, so it has no logarithm"
        if not low <= value <= high:
            side = "below" if value < low else "above"
            return f"{side} the physical range of {self.name}, {low:g} to {high:g} {self.unit}".rstrip()
        if self.transform == "log10" and value == 0:
            return "zero, which has no logarithm"
        return None


@runtime_checkable
class Featurizer(Protocol):
    """A map from structures to vectors: pure, deterministic, and invariant to the order of atoms.

    A featurizer that works on arrays may also have a method ``featurize_crystals``, which takes a sequence of
    :class:`zoo.Crystal` and returns what ``featurize`` returns for the same structures. zoo then calls only that
    method, and no pymatgen structures are made.

    One that reads compositions alone may have a method ``featurize_compositions``, which takes a sequence of pymatgen
    Compositions and returns what ``featurize`` returns for structures of these. It is what models of tables with
    formulas and no structures are made of.

    Attributes
    ----------
    labels : list of str
        Names of the d columns.
    citations : list of str
        BibTeX entries or references for the features.
    """

    @property
    def labels(self) -> list[str]: ...  # noqa: D102

    @property
    def citations(self) -> list[str]: ...  # noqa: D102

    def featurize(self, structures: Sequence[Structure]) -> NDArray[np.float64]:
        """Return an array of shape (n, d), finite except where a property is undefined (NaN)."""
        ...


@dataclass(frozen=True)
class Baseline:
    """A classical model on top of a featurizer, evaluated on the same splits as the networks.

    Parameters
    ----------
    name : str
        Name that users type.
    build : callable or None
        ``build(seed: int)`` returns an unfitted scikit-learn regressor or pipeline. Scaling, imputation
        and selection belong inside it, so that nothing is ever fitted on test rows. None if it serves
        classification only.
    featurizer : str
        Name of the featurizer whose vectors it takes.
    grid : mapping of str to sequence
        Hyper-parameters searched by inner cross-validation on the training rows; empty for none.
    description, citation : str
        One sentence, and the source of the method.
    zoo_api : int
        Version of the contract that the plugin was written for.
    classifier : callable or None
        The same for classification: a classifier with ``predict_proba``. None if it serves regression only.
    """

    name: str
    build: Callable[[int], Any] | None = None
    featurizer: str = "magpie-structure"
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    description: str = ""
    citation: str = ""
    zoo_api: int = ZOO_API
    classifier: Callable[[int], Any] | None = None

    def __post_init__(self) -> None:
        check_name("baseline", self.name)
        build, featurizer, grid = vars(self)["build"], vars(self)["featurizer"], vars(self)["grid"]
        if not callable(build) and not (build is None and self.classifier is not None):
            raise TypeError(
                f"baseline {self.name!r}: build={build!r} must be a function that returns a regressor for a seed"
            )
        if self.classifier is not None and not callable(self.classifier):
            raise TypeError(
                f"baseline {self.name!r}: classifier={self.classifier!r} must be a function that returns a classifier "
                "for a seed"
            )
        if not isinstance(featurizer, str):
            raise TypeError(f"baseline {self.name!r}: featurizer={featurizer!r} is not the name of a featurizer")
        if not isinstance(grid, Mapping):
            raise TypeError(f"baseline {self.name!r}: grid={grid!r} must map parameters to lists of values")
        for name, values in grid.items():
            if isinstance(values, str) or not (isinstance(values, Sequence) or hasattr(values, "__array__")):
                raise TypeError(f"baseline {self.name!r}: grid[{name!r}]={values!r} is not a list of values")

    @property
    def kinds(self) -> tuple[TaskKind, ...]:
        """Kinds of tasks that it serves."""
        made: dict[TaskKind, object] = {"regression": self.build, "classification": self.classifier}
        return tuple(kind for kind, factory in made.items() if factory is not None)

    def make(self, kind: TaskKind, seed: int) -> Any:
        """Return the unfitted scikit-learn model for a kind of task.

        Raises
        ------
        ValueError
            If it does not serve the kind.
        """
        factory = self.build if kind == "regression" else self.classifier
        if factory is None:
            raise ValueError(f"baseline {self.name!r} does not serve {kind}")
        return factory(seed)


def check_name(kind: Kind, name: object) -> None:
    """Raise ValueError if a name is not one that users can type."""
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ValueError(f"{kind} {name!r}: {_UNUSABLE}")


def breach(kind: Kind, name: str, made: Any, contract: type[Any] | None = None) -> str | None:
    """Say how an object breaks the contract of its kind, or return None.

    The object is only inspected; :mod:`zoo.testing` also runs it.

    Parameters
    ----------
    kind : {"task", "featurizer", "baseline", "backbone", "network"}
    name : str
        The registered name.
    made : object
        The object behind the entry point; for a featurizer, the instance.
    contract : type, optional
        The class that it must be an instance of, if its kind has one.
    """
    if kind == "backbone":
        is_package = isinstance(made, ModuleType) and hasattr(made, "__path__")
        return None if is_package else f"is {_described(made)}, not a package with a folder of cards"
    if kind == "featurizer":
        if not NAME.fullmatch(name):
            return f"is called {name!r}: {_UNUSABLE}"
        if not callable(getattr(made, "featurize", None)):
            return f"is {_described(made)}, without a method featurize"
        for method in ("featurize_crystals", "featurize_compositions"):
            if _has(made, method) and not callable(getattr(made, method, None)):
                return f"is {_described(made)}, whose {method} is not a method"
        missing = [attribute for attribute in ("labels", "citations") if not _has(made, attribute)]
        return f"lacks {' and '.join(missing)}" if missing else None
    if contract is not None and not isinstance(made, contract):
        return f"is {_described(made)}, not a zoo.contracts.{contract.__name__}"
    if made.name.lower() != name.lower():
        return f"calls itself {made.name!r}: give the entry point and the {kind} one name"
    return None


def _has(made: object, attribute: str) -> bool:
    # Not hasattr, which would evaluate properties: the labels of an embedding need its backbone.
    return hasattr(type(made), attribute) or attribute in getattr(made, "__dict__", {})


def _described(made: object) -> str:
    return f"the class {made.__name__}" if isinstance(made, type) else f"a {type(made).__name__}"
