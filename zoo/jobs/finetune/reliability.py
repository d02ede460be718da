"""Reliability of predictions: calibrated intervals, their coverage, crystals far from the training set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.devices import Device, choose_device
from zoo.analysis import conformal
from zoo.analysis.applicability import Reference
from zoo.data.scaling import transformed
from zoo.models.checkpoint.schema import MAX_RESIDUALS
from zoo.models.inference import embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.splits import Split
    from zoo.jobs.crossfit.fit import CrossFit
    from zoo.jobs.methods import Dataset, Outcome

RULE = (
    "split conformal: each seed's network has the interval that its own validation rows give, which did not train it "
    "but chose its epoch, and the backbone where one was chosen; measured on its own test rows"
)

CROSS_FIT_RULE = (
    "normalised conformal: out-of-fold residuals, divided by a difficulty estimated from the disagreement of the "
    "members, around the mean of all fits; the same residuals gave the weights; measured on the seed's own test rows"
)


@dataclass(frozen=True)
class Reliability:
    """Calibration and coverage of a run's model.

    Parameters
    ----------
    calibrations : list of tuple of float
        Absolute residuals for each seed, in the transformed space, on validation rows or out of fold; the latter are
        divided by the difficulty.
    coverage : dict of float to list of float or None
        Level → fraction of test rows within the intervals, one per seed; None where there are too few validation rows
        for the level, or no test rows.
    half_widths : list of float or None
        Half-width for each seed at the level :data:`zoo.analysis.conformal.INTERVAL_LEVEL`; for intervals scaled by a
        difficulty, the mean over the calibration rows.
    reference : Reference or None
        Reference vectors of the first seed's network and training rows; None if there are no structures.
    far : int
        Number of test rows of the first seed far from its training set, according to `reference`.
    tested : int
        Number of test rows of the first seed.
    rule : str
        Rule by which the intervals, or probabilities of classes, are computed.
    temperatures : list of float
        Temperature for each seed that calibrates the probabilities of classes; empty if targets are numbers.
    """

    calibrations: list[tuple[float, ...]]
    coverage: dict[float, list[float | None]]
    half_widths: list[float | None]
    reference: Reference | None
    far: int
    tested: int
    rule: str = RULE
    temperatures: list[float] = field(default_factory=list)

    def measured(self, level: float) -> float | None:
        """Return the mean coverage at a level over seeds; None if it was not measured for all seeds."""
        values = self.coverage.get(level, [])
        found = [value for value in values if value is not None]
        return float(np.mean(found)) if found and len(found) == len(values) else None

    @property
    def measured_levels(self) -> list[float]:
        """Levels whose coverage was measured for at least one seed."""
        return [level for level, found in self.coverage.items() if any(each is not None for each in found)]

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements, JSON-serialisable."""
        far: dict[str, Any] = {}
        if self.reference:
            measured = {"test_rows": self.far, "of": self.tested, "expected": 1 - self.reference.share}
            far = {"far_from_training": measured}
        if self.temperatures:
            return {"rule": self.rule, "temperature": self.temperatures, **far}
        return {
            "rule": self.rule,
            "calibration_rows": [len(each) for each in self.calibrations],
            "coverage": [
                {"level": level, "measured": self.measured(level), "per_seed": values}
                for level, values in self.coverage.items()
            ],
            "half_width": {"level": conformal.INTERVAL_LEVEL, "per_seed": self.half_widths},
            **far,
        }


def assess(
    dataset: Dataset,
    splits: Sequence[Split],
    outcomes: Sequence[Outcome],
    device: Device = "auto",
    crossfits: Sequence[CrossFit] = (),
) -> Reliability:
    """Calibrate on the validation rows or folds of each seed, and measure coverage on its test rows.

    Parameters
    ----------
    dataset : Dataset
    splits : sequence of Split
    outcomes : sequence of Outcome
        Outcomes of a network, one per split.
    device : {"auto", "cpu", "cuda"}
    crossfits : sequence of CrossFit
        One per split, if the model was cross-fitted.
    """
    calibrations: list[tuple[float, ...]] = [() for _ in splits]
    coverage: dict[float, list[float | None]] = {}
    if crossfits and not dataset.classes:
        calibrations = [each.calibration for each in crossfits]
        coverage = {
            level: [each.covered(split.test, level) for each, split in zip(crossfits, splits, strict=True)]
            for level in conformal.COVERAGE_LEVELS
        }
    elif not dataset.classes:  # a class has no residual
        targets = transformed(dataset.targets, dataset.transform)
        residuals = [np.abs(targets - transformed(each.predictions, dataset.transform)) for each in outcomes]
        calibrations = [
            conformal.sketch(each[split.val], MAX_RESIDUALS) for split, each in zip(splits, residuals, strict=True)
        ]
        coverage = {
            level: [
                conformal.covered(each[split.test], calibration, level) if len(split.test) else None
                for split, each, calibration in zip(splits, residuals, calibrations, strict=True)
            ]
            for level in conformal.COVERAGE_LEVELS
        }
    first, member = splits[0], outcomes[0].member
    assert member is not None
    trained = crossfits[0].rows if crossfits else first.train
    rows = np.concatenate([trained, first.test])
    reference, far = None, 0
    if len(dataset.graphs):  # there are none of formulas
        vectors = embed(member.network, dataset.graphs, rows, device=choose_device(device))
        member.network.cpu()
        reference = Reference.of(vectors[: len(trained)], first.seed)
        far = int(reference.is_far(vectors[len(trained) :]).sum())
    return Reliability(
        calibrations=calibrations,
        coverage=coverage,
        half_widths=[conformal.half_width(each, conformal.INTERVAL_LEVEL) for each in calibrations],
        temperatures=[_temperature(each) for each in outcomes] if dataset.classes else [],
        reference=reference,
        far=far,
        tested=len(first.test),
        rule=_rule(classes=bool(dataset.classes), crossed=bool(crossfits)),
    )


def _rule(*, classes: bool, crossed: bool) -> str:
    if classes:
        return f"temperature scaling on {'out-of-fold predictions' if crossed else 'validation rows'}"
    return CROSS_FIT_RULE if crossed else RULE


def _temperature(outcome: Outcome) -> float:
    assert outcome.member is not None
    return outcome.member.temperature
