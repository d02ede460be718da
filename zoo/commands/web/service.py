"""Predictions for the server, by models that stay loaded."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import __version__
from zoo._utils.wording import probability_columns
from zoo.commands.web import answers
from zoo.commands.web.answers import Contribution, KnownCrystal, PredictedCrystal, Prediction, ServedModel, Structure
from zoo.commands.web.uploads import LIMITS
from zoo.data.crystal import SYMBOLS
from zoo.data.graphs.memory import CrystalMemory
from zoo.data.structures.parse import from_arrays
from zoo.data.structures.plausibility import check_plausible
from zoo.data.structures.species import ATOMIC_NUMBERS
from zoo.errors import InputError, ZooError
from zoo.jobs.lineage import Recognizer
from zoo.jobs.predict.contributions import contributions
from zoo.jobs.predict.files import labels
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.analysis.known_crystals import Neighbor
    from zoo.commands.web.answers import Relation
    from zoo.commands.web.uploads import Upload
    from zoo.data.crystal import Crystal
    from zoo.jobs.predict import Model
    from zoo.models.checkpoint.schema import TargetConfig

NEARLY = 5.0
"""Distance below which two crystals are nearly the same (:data:`zoo.analysis.known_crystals.NEAR`)."""


class Service:
    """Models that predict uploaded crystals.

    Parameters
    ----------
    models : sequence of Model
    level : float
        Of the intervals; a model that cannot give them has none.

    Raises
    ------
    InputError
        If the level is not between 0 and 1, or a model is given twice.
    """

    def __init__(self, models: Sequence[Model], level: float) -> None:
        if not 0 < level < 1:
            raise InputError(f"--interval {level:g}: a probability between 0 and 1, such as 0.9")
        self._models = list(models)
        self._levels = [_possible(each, level) for each in models]
        self._lock = threading.Lock()  # a featurizer from a plugin may not be made for threads
        try:
            self._recognizer: Recognizer | None = Recognizer([each.directory for each in models])
        except InputError:  # no list of training crystals
            self._recognizer = None
        self.models = [
            _described(model, name, each)
            for model, name, each in zip(models, labels(self._models), self._levels, strict=True)
        ]

    def described(self) -> answers.Service:
        """Return what is served."""
        return answers.Service(
            version=__version__, models=self.models, limits=LIMITS, known=self._recognizer is not None
        )

    def warm_up(self) -> None:
        """Predict a crystal, so that the first request finds everything loaded."""
        salt = from_arrays([11, 17], [[4.1, 0, 0], [0, 4.1, 0], [0, 0, 4.1]], [[0, 0, 0], [0.5, 0.5, 0.5]])
        self._predict([salt])
        _formula(salt)
        if self._recognizer:
            self._recognizer.nearest(salt)

    def predict(self, upload: Upload) -> answers.Predictions:
        """Predict the crystals in uploaded files."""
        crystals = [record.crystal for record in upload.records]
        predicted = self._predict(crystals)
        found = [
            PredictedCrystal(
                id=record.id,
                file=upload.names.get(record.file, record.file),
                formula=_formula(record.crystal),
                atoms=len(record.crystal),
                structure=_structure(record.crystal),
                predictions=each,
                known=self._known(record.crystal),
            )
            for record, each in zip(upload.records, predicted, strict=True)
        ]
        return answers.Predictions(crystals=found, rejected=upload.rejected, csv=answers.table(found, self.models))

    def contributions(self, structure: Structure) -> answers.Contributions:
        """Return what each model reads from each atom.

        Raises
        ------
        InputError
            If the structure is not a crystal.
        """
        crystal = _crystal(structure)
        found = []
        for model, described in zip(self._models, self.models, strict=True):
            part = Contribution(model=described.name, unit="" if model.classes else described.unit, values=[])
            try:
                with self._lock:
                    values = contributions(model, crystal)
            except InputError as error:
                part.error = str(error)
            else:
                part.values = values.tolist() if np.isfinite(values).all() else []
            found.append(part)
        return answers.Contributions(contributions=found)

    def _predict(self, crystals: Sequence[Crystal]) -> list[list[Prediction]]:
        memory = CrystalMemory()
        with self._lock:
            columns = [
                model.predict_each(crystals, interval=level, memory=memory)
                for model, level in zip(self._models, self._levels, strict=True)
            ]
        return [
            [_prediction(each, model) for each, model in zip(row, self.models, strict=True)]
            for row in zip(*columns, strict=True)
        ]

    def _known(self, crystal: Crystal) -> list[KnownCrystal]:
        return [_known(each) for each in self._recognizer.nearest(crystal)] if self._recognizer else []


def _possible(model: Model, level: float) -> float | None:
    """Return the level, or None if the model gives no interval at it."""
    try:
        model.check_interval(level)
    except InputError:
        return None
    return level


def _described(model: Model, name: str, level: float | None) -> ServedModel:
    target, blend = model.config.target, model.config.blend
    return ServedModel(
        name=name,
        target=target.name,
        label=_label(target),
        unit=target.unit,
        classes=list(target.classes),
        level=level,
        measures_distance=model.checkpoint.reference is not None,
        reads_crystal=bool(blend and blend.featurizers),
    )


def _label(target: TargetConfig) -> str:
    """Return the name of a property for people, from the task that it is a column of."""
    for plugin in plugins.plugins("task"):
        try:
            task = plugins.task(plugin.name)
        except ZooError:  # a broken plugin, which zoo plugins reports
            continue
        if task.label and task.unit == target.unit and target.name in (task.name, *task.columns):
            return task.label
    return target.name


def _formula(crystal: Crystal) -> str:
    from pymatgen.core import Composition

    formula: str = Composition(crystal.formula.replace(" ", "")).reduced_formula
    return formula


def _prediction(found: dict[str, Any] | InputError, model: ServedModel) -> Prediction:
    if isinstance(found, InputError):
        return Prediction(model=model.name, prediction=None, unit=model.unit, spread=None, error=str(found))
    columns = dict(zip(model.classes, probability_columns(model.classes), strict=True))
    value = found["prediction"]
    missing = not value if isinstance(value, str) else not math.isfinite(value)
    return Prediction(
        model=model.name,
        prediction=None if missing else value,
        unit=model.unit,
        spread=_finite(found["spread"]),
        lower=_finite(found.get("lower")),
        upper=_finite(found.get("upper")),
        probabilities={label: found[column] for label, column in columns.items() if math.isfinite(found[column])},
        note=found["note"],
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _known(neighbor: Neighbor) -> KnownCrystal:
    relation: Relation = "another structure"
    if neighbor.distance <= NEARLY:
        relation = "the same crystal" if neighbor.distance <= 1 else "nearly the same crystal"
    return KnownCrystal(id=neighbor.id, relation=relation, volume=neighbor.volume)


def _structure(crystal: Crystal) -> Structure:
    return Structure(
        lattice=crystal.lattice.tolist(),
        symbols=[SYMBOLS[number] for number in crystal.numbers],
        positions=crystal.frac.tolist(),
    )


def _crystal(structure: Structure) -> Crystal:
    unknown = [each for each in structure.symbols if each not in ATOMIC_NUMBERS]
    if unknown:
        raise InputError(f"unknown element: {unknown[0][:20]}")
    crystal = from_arrays([ATOMIC_NUMBERS[each] for each in structure.symbols], structure.lattice, structure.positions)
    check_plausible(crystal)
    return crystal
