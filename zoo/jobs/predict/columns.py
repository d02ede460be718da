"""Tables of predictions: their columns, and their rows in chunks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.wording import probability_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from zoo.analysis.applicability import Reference
    from zoo.data.crystal import Crystal
    from zoo.data.structures.conversion import Converted
    from zoo.errors import InputError

CHUNK = 1000
"""Number of crystals that are predicted together."""

COLUMNS = ("id", "prediction", "unit", "spread", "note")
"""Columns of a table of predictions."""

WITH_INTERVAL = (*COLUMNS[:-1], "lower", "upper", COLUMNS[-1])
"""Columns of a table of predictions with intervals."""


def names(classes: Sequence[str], *, interval: bool) -> tuple[str, ...]:
    """Return the columns of a table of predictions; of classes, with the probability of each."""
    if classes:
        return (*COLUMNS[:3], *probability_columns(classes), *COLUMNS[3:])
    return WITH_INTERVAL if interval else COLUMNS


def is_missing(prediction: float | str) -> bool:
    """Return whether there is no prediction: NaN, or no label of a class."""
    return not prediction if isinstance(prediction, str) else math.isnan(prediction)


def merit(row: Mapping[str, Any], classes: Sequence[str]) -> float:
    """Return the number by which rows are sorted.

    It is the prediction; of two classes, the probability of the second; and of more, that of the predicted one.
    """
    if not classes or is_missing(row["prediction"]):
        return float("nan") if is_missing(row["prediction"]) else float(row["prediction"])
    (column,) = probability_columns([classes[1] if len(classes) == 2 else row["prediction"]])
    return float(row[column])


def note(crystal: Crystal, elements: Sequence[str], reference: Reference | None, *, far: bool, finite: bool) -> str:
    """Return what to know about a prediction.

    Parameters
    ----------
    crystal : Crystal
    elements : sequence of str
        Those of the training set; empty if they are not known.
    reference : Reference or None
    far : bool
        Whether the crystal is far from the reference.
    finite : bool
        Whether the prediction is a number.
    """
    unseen = sorted(set(crystal.elements) - set(elements)) if elements else []
    notes = [f"{', '.join(unseen)} never occurred in the training set"] if unseen else []
    if not finite:
        notes.append("the network's output is not a finite number")
    if far and reference:
        notes.append(f"farther from the training set than {100 * reference.share:.3g} % of its own crystals")
    return "; ".join(notes)


def class_columns(members: NDArray[np.float64], classes: Sequence[str]) -> dict[str, list[Any]]:
    """Return the columns of a table of predicted classes.

    Parameters
    ----------
    members : array of shape (members, n, K)
        Probabilities of K classes by each member of a checkpoint.
    classes : sequence of K str

    Returns
    -------
    dict of str to list of length n
        ``prediction``, the label of the most probable class, empty if there are no numbers; ``probability_LABEL`` for
        each class; and ``spread``, the sample standard deviation over the members of the predicted class's
        probability, NaN for a single member.
    """
    mean = members.mean(axis=0)
    known = np.isfinite(mean).all(axis=1)
    likeliest = np.where(known[:, None], mean, 0.0).argmax(axis=1)
    own = members[:, np.arange(len(mean)), likeliest]
    spread = own.std(axis=0, ddof=1) if len(members) > 1 else np.full(len(mean), np.nan)
    return {
        "prediction": [classes[each] if there else "" for each, there in zip(likeliest, known, strict=True)],
        **{name: mean[:, position].tolist() for position, name in enumerate(probability_columns(classes))},
        "spread": spread.tolist(),
    }


def in_chunks(
    crystals: Sequence[Crystal], predict: Callable[[Sequence[Crystal]], list[dict[str, Any] | InputError]]
) -> list[dict[str, Any] | InputError]:
    """Predict each crystal, `CHUNK` at a time, so that only the predictions of all are in memory."""
    return [row for start in range(0, len(crystals), CHUNK) for row in predict(crystals[start : start + CHUNK])]


def frame_of(found: Mapping[int, dict[str, Any]], converted: Converted, columns: Sequence[str]) -> pd.DataFrame:
    """Return the predictions of converted crystals, by their places, as a table; see :meth:`zoo.Model.predict`."""
    import pandas as pd

    table = [{"id": converted.ids[place], **row} for place, row in found.items()]
    return pd.DataFrame(table, converted.labels(found), list(columns))
