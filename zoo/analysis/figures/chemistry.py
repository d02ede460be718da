"""Errors by element and by distance from the training set."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import counted
from zoo.analysis.figures.style import (
    BLACK,
    BLUE,
    RASTER,
    SCALE,
    Picture,
    axis_text,
    headline,
    legend_below,
    new_figure,
    plain_log_axis,
)
from zoo.analysis.periodic_table import position
from zoo.data.crystal import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from zoo.data.crystal import Crystal

FEW_ERRORS = 5
"""The mean of an element with this many errors or fewer is marked as uncertain."""

CHUNK_ROWS = 512
"""Number of test rows per block of the distance matrix, which bounds its memory."""

MAX_BINS = 8
"""Maximum number of bins along the distance; all hold equal numbers of rows."""


def element_errors(
    elements: Sequence[Sequence[str]], errors: ArrayLike, *, error_label: str, basis: str = ""
) -> Picture:
    """Draw a periodic table with the mean error of the crystals that contain each element.

    Parameters
    ----------
    elements : sequence of n sequences of str
        Symbols of the elements of each crystal. A crystal counts for each of its elements.
    errors : array-like of shape (n,)
        Absolute errors.
    error_label : str
        Name of the error, with its unit.
    basis : str
        What kind of rows these are, for the caption, such as "on test rows" or "out of fold".

    Examples
    --------
    >>> from zoo.figures import element_errors
    >>> picture = element_errors([["Na", "Cl"], ["Na", "F"]], [0.1, 0.3], error_label="Absolute error of E_g (eV)")
    >>> picture.data.to_dict("list")
    {'element': ['F', 'Na', 'Cl'], 'mean error': [0.3, 0.2, 0.1], 'errors': [1, 2, 1]}
    """
    import matplotlib as mpl
    import pandas as pd
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    found: dict[str, list[float]] = defaultdict(list)
    for symbols, error in zip(elements, np.asarray(errors, dtype=np.float64), strict=True):
        for symbol in symbols:
            found[symbol].append(float(error))
    means = {symbol: float(np.mean(values)) for symbol, values in found.items()}
    firm = [means[symbol] for symbol, values in found.items() if len(values) > FEW_ERRORS]
    firm = firm if len(firm) > 2 else list(means.values())  # limits of the colour scale
    low, high = min(firm), max(firm) if max(firm) > min(firm) else min(firm) + 1
    # On a linear scale, one element with a large error would give all others the same colour.
    wide = low > 0 and high / low > 3
    norm = LogNorm(low, high, clip=True) if wide else Normalize(low, high, clip=True)
    cmap = mpl.colormaps[SCALE]
    figure, (axes,) = new_figure(width=8.2, height=4.6)
    for number, symbol in enumerate(SYMBOLS[1:], start=1):
        column, row = position(number)
        if symbol not in found:
            if number <= 103:
                axes.add_patch(Rectangle((column, -row), 0.94, -0.94, facecolor="#f2f2f2", edgecolor="none"))
                axes.text(column + 0.47, -row - 0.47, symbol, ha="center", va="center", fontsize=8, color="#5f5f5f")
            continue
        few = len(found[symbol]) <= FEW_ERRORS
        color = cmap(norm(means[symbol]))
        axes.add_patch(
            Rectangle(
                (column, -row),
                0.94,
                -0.94,
                facecolor="white" if few else color,
                edgecolor=color if few else "none",
                linewidth=1.5,
                linestyle=":" if few else "-",
            )
        )
        dark = not few and 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2] < 0.5
        ink = "white" if dark else "black"
        axes.text(column + 0.47, -row - 0.27, symbol, ha="center", va="center", fontsize=8.5, color=ink, weight="bold")
        axes.text(column + 0.47, -row - 0.56, f"{means[symbol]:.2g}", ha="center", va="center", fontsize=6.5, color=ink)
        axes.text(column + 0.47, -row - 0.80, str(len(found[symbol])), ha="center", va="center", fontsize=5, color=ink)
    axes.set_xlim(0.9, 19.05)
    axes.set_ylim(-10.35, -0.9)
    axes.set_aspect("equal")
    axes.set_axis_off()
    scale = mpl.cm.ScalarMappable(norm, cmap)
    bar = figure.colorbar(
        scale, ax=axes, label=axis_text(error_label), orientation="horizontal", shrink=0.5, aspect=35, pad=0.01
    )
    if wide:
        plain_log_axis(bar.ax.xaxis)
    table = pd.DataFrame(
        {
            "element": list(found),
            "mean error": [means[symbol] for symbol in found],
            "errors": [len(values) for values in found.values()],
        }
    ).sort_values("mean error", ascending=False, ignore_index=True)
    worst = table[table["errors"] > FEW_ERRORS].head(3)["element"].tolist() or table.head(3)["element"].tolist()
    return Picture(
        figure,
        table,
        "Error by element",
        f"Periodic table of the mean error of crystals that contain each of {len(found)} elements; it is largest for "
        f"{', '.join(worst)}.",
        f"Mean error{basis and f' {basis}'} of the crystals that contain an element, and below it the number of "
        f"errors. Dotted frames: {FEW_ERRORS} or fewer.",
    )


def distance_errors(
    distances: ArrayLike, errors: ArrayLike, *, distance_label: str, error_label: str, log: bool = False
) -> Picture:
    """Plot errors against the distance from the training set, with the means of bins of equal counts.

    Parameters
    ----------
    distances, errors : array-like of shape (n,)
        One per test row; see :func:`nearest` and :func:`composition_distances`.
    distance_label, error_label : str
    log : bool
        Use a logarithmic axis for the errors.

    Raises
    ------
    ValueError
        If there are fewer than three rows.

    Examples
    --------
    >>> from zoo.figures import distance_errors
    >>> picture = distance_errors([0, 1, 2, 3], [0.1, 0.2, 0.2, 0.4], distance_label="Distance", error_label="MAE (eV)")
    >>> picture.caption[:37]
    "Spearman's rank correlation ρ = 0.95."
    """
    import pandas as pd
    from scipy import stats

    x, y = np.asarray(distances, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if x.shape != y.shape or len(x) < 3:
        raise ValueError(f"{len(x)} distances and {len(y)} errors: at least three pairs are needed")
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(MAX_BINS, max(1, len(x) // 10))) if len(part)]
    bins = pd.DataFrame(
        [
            {
                "from": x[part].min(),
                "to": x[part].max(),
                "distance": x[part].mean(),
                "mean error": y[part].mean(),
                "half width": 1.96 * y[part].std(ddof=1) / np.sqrt(len(part)) if len(part) > 1 else 0.0,
                "rows": len(part),
            }
            for part in parts
        ]
    )
    varies = np.ptp(x) > 0 and np.ptp(y) > 0
    rho = float(stats.spearmanr(x, y).statistic) if varies else float("nan")
    figure, (axes,) = new_figure()
    axes.scatter(x, y, s=11, color=BLUE, alpha=0.4, linewidths=0, rasterized=len(x) > RASTER, label="a test row")
    axes.errorbar(
        bins["distance"],
        bins["mean error"],
        bins["half width"],
        color=BLACK,
        marker="s",
        linewidth=1.6,
        capsize=3,
        label="mean of a bin",
        zorder=3,
    )
    if log:
        axes.set_yscale("log")
    else:
        # Crop the axis so that outliers do not compress all other errors; the caption gives their number.
        axes.set_ylim(
            0, max(float(np.quantile(y, 0.99)), float((bins["mean error"] + bins["half width"]).max())) * 1.05
        )
    beyond = 0 if log else int((y > axes.get_ylim()[1]).sum())
    axes.set_xlabel(axis_text(distance_label))
    axes.set_ylabel(axis_text(error_label))
    headline(axes, f"Spearman's ρ = {rho:.2f}, {len(x):,} test rows")
    legend_below(figure, axes)
    verb = "is" if beyond == 1 else "are"
    cut = f" {counted(beyond, 'error')} {verb} outside the plot." if beyond else ""
    return Picture(
        figure,
        pd.DataFrame({"distance": x, "error": y}),
        "Error against the distance from the training set",
        f"Scatter plot of the error of {len(x):,} test rows against their distance from the training rows; Spearman's "
        f"rank correlation is {rho:.2f}.",
        f"Spearman's rank correlation ρ = {rho:.2f}. Bins hold equal numbers of rows; bars are 95 % intervals of their "
        f"means.{cut}",
    )


def nearest(test: ArrayLike, train: ArrayLike) -> NDArray[np.float64]:
    """Return the Euclidean distance of each test vector to the nearest training vector.

    The unit is the median distance between a training vector and its nearest neighbour: at 1 a crystal is as far from
    the training set as training crystals typically are from each other.

    Parameters
    ----------
    test : array-like of shape (n, d)
    train : array-like of shape (m, d)
        m at least 2.
    """
    from scipy.spatial import cKDTree

    known = np.asarray(train, dtype=np.float64)
    tree = cKDTree(known)
    usual = float(np.median(tree.query(known, k=2)[0][:, 1]))
    found: NDArray[np.float64] = tree.query(np.asarray(test, dtype=np.float64))[0]
    return found / usual if usual > 0 else found


def composition_distances(test: Sequence[Crystal], train: Sequence[Crystal]) -> NDArray[np.float64]:
    """Return the distance of each crystal to the nearest training composition, as a fraction of its atoms.

    This is half the sum of the absolute differences of atomic fractions: 0 for the same composition, 1 if no element
    is shared.

    Examples
    --------
    >>> import numpy as np
    >>> from zoo import Crystal
    >>> cell = [np.eye(3) * 4, np.array([[0, 0, 0], [0.5, 0.5, 0.5]])]
    >>> salt, fluoride = Crystal(np.array([11, 17]), *cell), Crystal(np.array([11, 9]), *cell)
    >>> composition_distances([salt, fluoride], [salt])
    array([0. , 0.5])
    """
    from scipy.spatial.distance import cdist

    known, asked = _fractions(train), _fractions(test)
    chunks = [asked[start : start + CHUNK_ROWS] for start in range(0, len(asked), CHUNK_ROWS)]
    parts = [cdist(chunk, known, "cityblock").min(axis=1) / 2 for chunk in chunks]
    return np.concatenate([np.empty(0), *parts])


def _fractions(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    return np.stack([np.bincount(crystal.numbers, minlength=len(SYMBOLS)) / len(crystal) for crystal in crystals])
