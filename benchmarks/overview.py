"""The benchmark in one figure, from the errors of all tasks: python benchmarks/overview.py.

Each method's error is divided by that of the network trained from scratch, task by task, at the largest number of rows
that all methods have finished.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from zoo.analysis.figures.style import BLUE, GREY, Picture, new_figure

ROOT = Path(__file__).parents[1]
SCRATCH = "scratch"
NAMES = {
    "blend": "zoo's default: the blend",
    "mixture": "fine-tuned + all backbones",
    "full": "fine-tuned backbone",
    "head": "new head, frozen backbone",
    "frozen-svr": "SVM on a frozen backbone",
    "svr": "SVM on descriptors",
    "rf": "random forest",
    "ridge": "linear model",
    SCRATCH: "network from scratch",
}
"""What the figure calls the methods."""

CLASSIFIERS = {"svc": "svr", "frozen-svc": "frozen-svr", "logistic": "ridge", "majority": "mean"}
"""Classifiers in the line of their regressors."""


def relative(results: pd.DataFrame) -> pd.DataFrame:
    """Return the mean error of each method divided by that from scratch, a task a row, at its largest size.

    Only seeds count that all methods of the task have finished; methods that some task lacks are left out.
    """
    rows = {}
    for task, part in results.replace({"method": CLASSIFIERS}).groupby("task", sort=False):
        finished = part.pivot_table(index=["size", "seed"], columns="method", values="error").dropna()
        largest = finished.loc[finished.index.max()[0]].mean()
        rows[task] = largest / largest[SCRATCH]
    return pd.DataFrame(rows).T.dropna(axis=1)


def draw(results: pd.DataFrame, default: str = "blend") -> Picture:
    """Draw one dot a task, and the geometric mean over tasks, a line a method.

    Parameters
    ----------
    results : DataFrame
        Rows of ``benchmarks/tasks.csv``: task, method, size, seed, error.
    default : str
        The method that is drawn in colour.
    """
    ratios = relative(results)
    means = np.exp(np.log(ratios).mean()).sort_values(ascending=False)
    figure, (axes,) = new_figure(width=6.4, height=3.6)
    for place, (method, mean) in enumerate(means.items()):
        color = BLUE if method == default else GREY
        axes.plot(ratios[method], [place] * len(ratios), "o", color=color, alpha=0.4, markersize=5, markeredgewidth=0)
        axes.plot(mean, place, "D", color=color, markersize=8, markeredgecolor="white")
        axes.text(1.01, place, f"{mean:.2f}", transform=axes.get_yaxis_transform(), va="center", color=color)
    axes.set_yticks(range(len(means)), [NAMES.get(method, method) for method in means.index])
    axes.get_yticklabels()[list(means.index).index(default)].set(color=BLUE, fontweight="bold")
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_xlabel("error relative to the same network trained from scratch")
    axes.text(1.01, len(means) - 0.3, "mean", transform=axes.get_yaxis_transform(), fontsize=8, color=GREY)
    best = f"{1 - means[default]:.0%}".replace("%", " %")
    alt = (
        f"Errors of {len(means)} methods relative to training from scratch, on {len(ratios)} properties with up to "
        f"{results['size'].max()} crystals; the default is {best} better on average."
    )
    return Picture(figure, ratios.rename_axis("task").reset_index(), "Error against method", alt, "")


if __name__ == "__main__":
    draw(pd.read_csv(ROOT / "benchmarks" / "tasks.csv")).write(ROOT / "docs" / "images" / "benchmark.png", dpi=160)
