"""Figures of predicted classes: the confusion matrix, and how often predicted probabilities come true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.figures.style import BLUE, GREY, WIDTH, Picture, headline, new_figure
from zoo.analysis.probabilities import confusion, reliability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

SHARES = "Blues"
"""Colour map of the shares of a class."""

PER_BIN, MAX_BINS = 8, 10
"""Minimum number of predictions in a bin of the reliability diagram, and maximum number of bins."""


def confusion_matrix(
    target: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], *, title: str = ""
) -> Picture:
    """Plot how many crystals of each class were predicted as each class; colours are the shares of the true class.

    Parameters
    ----------
    target : array-like of shape (n,)
        Positions of classes.
    probabilities : array-like of shape (n, K)
    classes : sequence of str
        Labels of the K classes.
    title : str
        Line above the matrix.

    Examples
    --------
    >>> from zoo.figures import confusion_matrix
    >>> picture = confusion_matrix([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], ["non-metal", "metal"])
    >>> picture.caption
    '3 crystals, 2 of them predicted as what they are. Colour: share of the true class.'
    """
    import pandas as pd

    y, p = np.asarray(target).astype(np.int64), np.asarray(probabilities, dtype=np.float64)
    counts = confusion(y, p)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(WIDTH * 1.6, 2.6 + 0.6 * len(classes))
    figure, (axes,) = new_figure(side + 0.6, side)
    axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
    for row in range(len(classes)):
        for column in range(len(classes)):
            ink = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(classes)), list(classes))
    if len(classes) > 3 or max(map(len, classes)) > 12:
        axes.tick_params("x", rotation=40)
    axes.set_yticks(range(len(classes)), list(classes))
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    headline(axes, title or "predicted classes")
    right = int(np.trace(counts))
    pairs = [(a, b) for a in range(len(classes)) for b in range(len(classes))]
    data = pd.DataFrame(
        {
            "class": [classes[a] for a, _ in pairs],
            "predicted": [classes[b] for _, b in pairs],
            "crystals": [int(counts[pair]) for pair in pairs],
        }
    )
    return Picture(
        figure,
        data,
        "Confusion matrix",
        f"Matrix of {len(classes)} classes: true class against predicted class; {right} of {len(y)} agree.",
        f"{len(y):,} crystals, {right:,} of them predicted as what they are. Colour: share of the true class.",
    )


def reliability_diagram(
    target: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], *, title: str = ""
) -> Picture:
    """Plot how often predictions come true against their probability.

    Of two classes it is the probability of the second; of more, that of the predicted class.

    Parameters
    ----------
    target, probabilities, classes, title
        As in :func:`confusion_matrix`.

    Examples
    --------
    >>> from zoo.figures import reliability_diagram
    >>> picture = reliability_diagram([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], ["non-metal", "metal"])
    >>> picture.data.crystals.tolist()
    [3]
    """
    import pandas as pd

    y, p = np.asarray(target).astype(np.int64), np.asarray(probabilities, dtype=np.float64)
    binary = len(classes) == 2
    truth, probability = (y == 1, p[:, 1]) if binary else (p.argmax(axis=1) == y, p.max(axis=1))
    what = classes[1] if binary else "the predicted class"
    bins = int(np.clip(len(y) // PER_BIN, 1, MAX_BINS))
    predicted, observed, counts = reliability(truth, probability, bins)
    figure, (axes,) = new_figure(4.4, 4.2)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=1, label="calibrated")
    # One standard deviation of a binomial fraction if the probabilities are right.
    deviation = np.sqrt(predicted * (1 - predicted) / counts)
    axes.errorbar(predicted, observed, yerr=deviation, color=BLUE, fmt="o-", markersize=5, linewidth=1, capsize=2)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel(f"predicted probability of {what}")
    axes.set_ylabel(f"share that is {what}")
    headline(axes, title or "probabilities")
    data = pd.DataFrame({"probability": predicted, "frequency": observed, "crystals": counts})
    return Picture(
        figure,
        data,
        "Reliability of probabilities",
        f"Frequency of {what} against its predicted probability, in {len(counts)} bins.",
        f"{len(y):,} predictions in {len(counts)} bins of equal size; on the line, probabilities come true. Bars: one "
        "standard deviation of the frequency.",
    )
