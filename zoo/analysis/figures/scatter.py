"""Scatter plots over many crystals: source against target property, prediction against reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import with_unit
from zoo.analysis.figures.style import (
    GREY,
    RASTER,
    Picture,
    axis_text,
    density_colors,
    headline,
    new_figure,
    plain_log_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

GRID = 256
"""Number of grid cells along each axis for the density."""


def source_target(
    source: ArrayLike,
    target: ArrayLike,
    *,
    source_name: str,
    target_name: str,
    source_unit: str = "",
    target_unit: str = "",
    log_source: bool = False,
    log_target: bool = False,
) -> Picture:
    """Plot one property against another, coloured by point density, with Pearson's r, as in Lee & Asahi (2021).

    Parameters
    ----------
    source, target : array-like of shape (n,)
        One pair per crystal. Pairs with a missing value, or a value that a logarithmic axis cannot show, are left out
        and counted in the caption. Several hundred thousand pairs take seconds.
    source_name, target_name, source_unit, target_unit : str
    log_source, log_target : bool
        Logarithmic axis; the density and r are then those of the logarithms.

    Raises
    ------
    ValueError
        If fewer than three pairs can be shown.

    Examples
    --------
    >>> from zoo.figures import source_target
    >>> picture = source_target([1, 2, 3, 4], [2.0, 4.1, 5.9, 8.0], source_name="ΔEf", target_name="Eg")
    >>> picture.caption
    "4 crystals; Pearson's r = 1.00. Colour: density of points by Gaussian kernels, relative to the highest."
    """
    import pandas as pd

    x, y = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"a source of shape {x.shape} and a target of shape {y.shape} do not match")
    shown = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not log_source)) & ((y > 0) | (not log_target))
    if shown.sum() < 3:
        raise ValueError(f"{int(shown.sum())} of {len(x)} pairs can be shown; at least three are needed")
    x, y = x[shown], y[shown]
    u, v = np.log10(x) if log_source else x, np.log10(y) if log_target else y
    density, r = point_density(u, v), pearson(u, v)
    figure, (axes,) = new_figure()
    _cloud(axes, x, y, density)
    if log_source:
        axes.set_xscale("log")
        plain_log_axis(axes.xaxis)
    if log_target:
        axes.set_yscale("log")
        plain_log_axis(axes.yaxis)
    axes.set_xlabel(axis_text(with_unit(source_name, source_unit)))
    axes.set_ylabel(axis_text(with_unit(target_name, target_unit)))
    headline(axes, f"Pearson's r = {r:.2f}, {len(x):,} crystals")
    source_log, target_log = (f" with log10({name.split()[-1]})" for name in (source_name, target_name))
    of = {(True, True): " of the logarithms", (True, False): source_log, (False, True): target_log, (False, False): ""}
    hidden = f" {len(shown) - len(x):,} pairs without two valid values are not shown." if len(x) < len(shown) else ""
    return Picture(
        figure,
        pd.DataFrame({source_name: x, target_name: y, "relative density": density}),
        f"{source_name} against {target_name}",
        f"Scatter plot of {len(x):,} crystals, {target_name} against {source_name}. Pearson's r is {r:.2f}.",
        f"{len(x):,} crystals; Pearson's r{of[log_source, log_target]} = {r:.2f}. "
        f"Colour: density of points by Gaussian kernels, relative to the highest.{hidden}",
    )


def parity(
    target: ArrayLike,
    prediction: ArrayLike,
    *,
    quantity: str,
    unit: str = "",
    log: bool = False,
    method: str = "",
    basis: str = "",
) -> Picture:
    """Plot predictions against reference values; the diagonal is a perfect prediction.

    Parameters
    ----------
    target, prediction : array-like of shape (n,)
    quantity, unit : str
    log : bool
        Logarithmic axes. Predictions that they cannot show (a negative modulus) are counted in the caption.
    method : str
        Name of the method.
    basis : str
        What kind of rows these are, for the caption, such as "on test rows" or "out of fold".

    Examples
    --------
    >>> from zoo.figures import parity
    >>> picture = parity([10, 100, 200], [12, 95, 205], quantity="Bulk modulus K_VRH", unit="GPa", method="rf")
    >>> picture.caption
    '3 predictions; the line is a perfect prediction. Mean absolute error 4 GPa.'
    """
    import pandas as pd

    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    figure, (axes,) = new_figure(height=4.4)
    hidden = draw_parity(axes, y, p, quantity=quantity, unit=unit, log=log)
    absolute = float(np.abs(p - y).mean())
    lost = f" {hidden:,} predictions at or below zero are not shown." if hidden else ""
    return Picture(
        figure,
        pd.DataFrame({"reference": y, "predicted": p}),
        f"Predicted against reference values: {method}" if method else "Predicted against reference values",
        f"Scatter plot of {len(y):,} predictions of {quantity} by {method or 'the model'} against their reference "
        f"values; the mean absolute error is {absolute:.3g} {unit}".rstrip()
        + ".",
        f"{len(y):,} predictions{basis and f' {basis}'}; the line is a perfect prediction. Mean absolute error "
        f"{absolute:.3g} {unit}".rstrip()
        + f".{lost}",
    )


def draw_parity(
    axes: Axes,
    target: NDArray[np.float64],
    prediction: NDArray[np.float64],
    *,
    quantity: str,
    unit: str = "",
    log: bool = False,
    colorbar: bool = True,
) -> int:
    """Plot predictions against reference values on given axes, coloured by point density, with the diagonal.

    Returns
    -------
    int
        Number of pairs not shown, such as negative moduli on a logarithmic axis.
    """
    shown = np.isfinite(prediction) & ((prediction > 0) | (not log))
    y, p = target[shown], prediction[shown]
    u, v = (np.log10(y), np.log10(p)) if log else (y, p)
    low, high = (float(min(u.min(), v.min())), float(max(u.max(), v.max()))) if y.size else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.5  # axes need distinct limits
    ends = np.array([low - margin, high + margin])
    ends = 10**ends if log else ends
    axes.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
    if y.size:
        _cloud(axes, y, p, point_density(u, v), colorbar=colorbar)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain_log_axis(axes.xaxis)
        plain_log_axis(axes.yaxis)
    axes.set_xlim(float(ends[0]), float(ends[1]))
    axes.set_ylim(float(ends[0]), float(ends[1]))
    axes.set_aspect("equal")
    label = axis_text(with_unit(quantity, unit))
    axes.set_xlabel(f"{label}, reference")
    axes.set_ylabel(f"{label}, predicted")
    return len(target) - int(shown.sum())


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson's correlation coefficient; NaN if one side is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def point_density(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return the Gaussian kernel density at each point, relative to the highest.

    The bandwidth follows Scott's rule for two dimensions, n^(-1/6) standard deviations along each axis. Points are
    counted on a grid of `GRID` × `GRID` cells, which is smoothed and interpolated, so the cost is linear in n rather
    than quadratic as with ``scipy.stats.gaussian_kde``.

    Parameters
    ----------
    x, y : array-like of shape (n,), finite

    Returns
    -------
    array of shape (n,), from 0 to 1
    """
    from scipy.interpolate import RegularGridInterpolator
    from scipy.ndimage import gaussian_filter

    points = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)], axis=1)
    spread = points.std(axis=0, ddof=1) if len(points) > 1 else np.zeros(2)
    # Equal predictions may differ by rounding error.
    alike = spread <= 1e-9 * np.abs(points).max(axis=0)
    width = np.where(alike, 1.0, spread) * len(points) ** (-1 / 6)
    low, high = points.min(axis=0) - 3 * width, points.max(axis=0) + 3 * width
    edges = [np.linspace(low[i], high[i], GRID + 1) for i in range(2)]
    counts, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
    smooth = gaussian_filter(counts, sigma=width * GRID / (high - low), mode="constant", truncate=5)
    centres = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    values = RegularGridInterpolator(centres, smooth)(points)
    return np.asarray(values / values.max())


def _cloud(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    density: NDArray[np.float64],
    *,
    colorbar: bool = True,
) -> None:
    from matplotlib.colors import PowerNorm

    order = np.argsort(density)  # draw the densest points last
    # Square-root colour scale: one sharp peak, such as all metals at zero band gap, must not darken everything else.
    size = float(np.clip(12 * (2000 / len(x)) ** 0.5, 1.5, 14))
    points = axes.scatter(
        x[order],
        y[order],
        c=density[order],
        cmap=density_colors(),
        norm=PowerNorm(0.5, 0, 1),
        s=size,
        linewidths=0,
        rasterized=len(x) > RASTER,
    )
    if colorbar:
        axes.figure.colorbar(points, ax=axes, label="relative density of points", shrink=0.85)
