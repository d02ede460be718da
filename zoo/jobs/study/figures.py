"""The figures in the report of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo._utils import wording
from zoo._utils.wording import short
from zoo.analysis import figures
from zoo.errors import ZooError
from zoo.jobs.predict import model as prediction
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.analysis.figures import Picture, Saved
    from zoo.jobs.study.analysis import Analysis
    from zoo.jobs.study.result import Study

MAX_CRYSTALS = 5000
"""Maximum number of crystals to which a backbone is applied per figure; larger tables are sampled with a fixed seed."""


class NotDrawnError(Exception):
    """A figure cannot be drawn; the report gives the reason."""


def draw(study: Study, folder: Path) -> tuple[list[Saved], list[str]]:
    """Draw all figures of a study.

    Parameters
    ----------
    study : Study
    folder : Path
        Output folder for the PNG, SVG and CSV files.

    Returns
    -------
    saved : list of Saved
    missing : list of str
        The figures that could not be drawn, with reasons.
    """
    saved, missing = [], []
    if not study.analysis.sizes:
        return [], ["all figures: no cell was finished"]
    for name, maker in FIGURES.items():
        try:
            saved.append(maker(study, study.analysis).save(folder, name))
        except NotDrawnError as reason:
            missing.append(f"{name.replace('-', ' ')}: {reason}")
    return saved, missing


def error_label(study: Study) -> str:
    """Return the axis label for absolute errors, with the unit."""
    if study.task.classes:
        return "log-loss"
    return wording.error_label(_quantity(study), study.task.unit, log=study.analysis.log)


def _quantity(study: Study) -> str:
    return study.task.label or study.table.target_column


def _label(target: str) -> str:
    """Return the label of a column that a task of zoo is about; otherwise its name."""
    labels = {task.target: task.label for task in plugins.tasks()}
    return labels.get(target) or target


def _mean_label(study: Study) -> str:
    return f"mean {error_label(study)}"


def _learning_curve(study: Study, analysis: Analysis) -> Picture:
    if len(analysis.sizes) < 2:
        raise NotDrawnError("a curve needs at least two training-set sizes")
    return figures.learning_curve(
        analysis.errors, error_label=_mean_label(study), fits=analysis.power_laws, reference=FROM_SCRATCH
    )


def _gain(_study: Study, analysis: Analysis) -> Picture:
    import pandas as pd

    rows = [
        {
            "method": each.method,
            "size": each.size,
            "gain": each.paired.gain,
            "low": each.paired.low,
            "high": each.paired.high,
            "p": each.p,
            "significant": each.significant,
        }
        for each in analysis.against_scratch
    ]
    if not rows:
        raise NotDrawnError("nothing was compared with training from scratch")
    return figures.gain_curve(pd.DataFrame(rows), reference="training from scratch")


def _seeds(study: Study, analysis: Analysis) -> Picture:
    return figures.seed_boxes(analysis.errors, error_label=_mean_label(study), reference=FROM_SCRATCH)


def _best(analysis: Analysis) -> tuple[str, int]:
    """Return the method with the smallest mean error at the largest size."""
    size = analysis.sizes[-1]
    return next(iter(analysis.ranked(size, analysis.methods))), size


def _parity(study: Study, analysis: Analysis) -> Picture:
    method, size = _best(analysis)
    cells = study.predictions[method, size]
    if study.task.classes:
        return figures.confusion_matrix(
            np.concatenate([study.targets[study.test_rows(seed)] for seed in cells]),
            np.concatenate(list(cells.values())),
            study.task.classes,
            title=f"{method}, {size:,} training rows",
        )
    return figures.parity(
        np.concatenate([study.targets[study.test_rows(seed)] for seed in cells]),
        np.concatenate(list(cells.values())),
        quantity=_quantity(study),
        unit=study.task.unit,
        log=analysis.log,
        method=f"{method}, {size:,} training rows",
        basis="on test rows",
    )


def _errors_of_best(study: Study, analysis: Analysis) -> tuple[str, int, dict[int, NDArray[np.float64]]]:
    method, size = _best(analysis)
    return method, size, study.errors[method, size]


def _elements(study: Study, analysis: Analysis) -> Picture:
    method, size, errors = _errors_of_best(study, analysis)
    elements = [study.records[row].crystal.elements for seed in errors for row in study.splits[size, seed].test]
    label = f"mean {error_label(study)}"
    picture = figures.element_errors(
        elements, np.concatenate(list(errors.values())), error_label=label, basis="on test rows"
    )
    return _by(picture, method, size)


def _distance(study: Study, analysis: Analysis) -> Picture:
    method, size, errors = _errors_of_best(study, analysis)
    seeds = _few_enough(study, size, list(errors))
    splits = [study.splits[size, seed] for seed in seeds]
    crystals = [record.crystal for record in study.records]
    backbone = _backbone(study, analysis)
    if backbone is None:
        label = "fraction of atoms not shared with the nearest\ntraining composition"
        distances = [
            figures.composition_distances([crystals[i] for i in split.test], [crystals[i] for i in split.train])
            for split in splits
        ]
    else:
        named = short(backbone)
        label = f"distance to the nearest training crystal (1: typical distance\nbetween these), embedding of {named}"
        used = np.unique(np.concatenate([rows for split in splits for rows in (split.test, split.train)]))
        try:
            found = _load(study, backbone).embed([crystals[i] for i in used])
        except ZooError as error:  # for example, an element unknown to the backbone
            raise NotDrawnError(str(error)) from error
        vectors = np.zeros((len(crystals), found.shape[1]))
        vectors[used] = found
        distances = [figures.nearest(vectors[split.test], vectors[split.train]) for split in splits]
    if sum(map(len, distances)) < 3:
        raise NotDrawnError("at least three errors are needed")
    picture = figures.distance_errors(
        np.concatenate(distances),
        np.concatenate([errors[seed] for seed in seeds]),
        distance_label=label,
        error_label=error_label(study),
    )
    picture = _by(picture, method, size)
    return picture if len(seeds) == len(errors) else picture.noted(f"Shown: {len(seeds)} of the {len(errors)} seeds.")


def _few_enough(study: Study, size: int, seeds: list[int]) -> list[int]:
    """Return the leading seeds with at most `MAX_CRYSTALS` crystals in total; at least one seed."""
    used: set[int] = set()
    for count, seed in enumerate(seeds):
        split = study.splits[size, seed]
        used |= {*split.test.tolist(), *split.train.tolist()}
        if len(used) > MAX_CRYSTALS and count:
            return seeds[:count]
    return seeds


def _load(study: Study, backbone: str) -> prediction.Model:
    try:
        return prediction.load(study.backbones[backbone].directory)
    except ZooError as error:
        raise NotDrawnError(str(error)) from error


def _source_target(study: Study, analysis: Analysis) -> Picture:
    backbone = _backbone(study, analysis)
    if backbone is None:
        raise NotDrawnError("no backbone was used")
    if study.task.classes:
        raise NotDrawnError("the property is a class")
    model = _load(study, backbone)
    rows = np.arange(len(study.records))
    if len(rows) > MAX_CRYSTALS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_CRYSTALS, replace=False))
    try:
        predicted = model.predict([study.records[i].crystal for i in rows]).prediction
    except ZooError as error:  # for example, an element unknown to the backbone
        raise NotDrawnError(str(error)) from error
    picture = figures.source_target(
        predicted,
        np.array([study.records[i].target for i in rows], dtype=np.float64),
        source_name=f"{_label(model.target)} by {short(backbone)}",
        source_unit=model.unit,
        target_name=_quantity(study),
        target_unit=study.task.unit,
        log_target=analysis.log,
    )
    every = len(study.records)
    drawn = f" Shown: a sample of {MAX_CRYSTALS:,} of the {every:,} crystals." if every > MAX_CRYSTALS else ""
    return picture.noted(f"The source values are predictions of the backbone, not references.{drawn}")


def _backbone(study: Study, analysis: Analysis) -> str | None:
    """Return the backbone of the best transfer at the largest size."""
    best = analysis.best("transfer", analysis.sizes[-1])
    return next((method.backbone for method in study.methods if method.name == best), None)


def _by(picture: Picture, method: str, size: int) -> Picture:
    return picture.noted(f"Errors of {method}, {size:,} training rows, all seeds.")


FIGURES: dict[str, Callable[[Study, Analysis], Picture]] = {
    "learning-curve": _learning_curve,
    "gain": _gain,
    "error-by-seed": _seeds,
    "parity": _parity,
    "error-by-element": _elements,
    "error-by-distance": _distance,
    "source-target": _source_target,
}
