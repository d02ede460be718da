"""Saved pictures are what they say, and the numbers that tests of figures draw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.image import imread

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.analysis.figures import Picture

# Formation energies (eV/atom) and PBE gaps (eV) of MgO, NaCl, LiF, ZnO, GaAs, Si, CdTe, Al, Cu, TiC.
ENERGIES = np.array([-3.03, -2.12, -3.18, -1.81, -0.45, 0.0, -0.53, 0.0, 0.0, -0.79])
GAPS = np.array([4.45, 5.0, 8.7, 0.73, 0.19, 0.61, 0.58, 0.0, 0.0, 0.0])


def seed_errors() -> pd.DataFrame:
    """Errors that fall with size^-0.5 from scratch, and are a fifth lower with transfer."""
    rng = np.random.default_rng(0)
    rows = []
    for size in (50, 100, 200):
        for seed in range(5):
            scratch = size**-0.5 * np.exp(rng.normal(0, 0.03))
            rows += [("from scratch", size, seed, scratch), ("dEf-10k", size, seed, 0.8 * scratch)]
    return pd.DataFrame(rows, columns=["method", "size", "seed", "error"])


def check_saved(picture: Picture, folder: Path) -> pd.DataFrame:
    """Save, look that each file is what it says, and return the numbers."""
    saved = picture.save(folder, "figure")
    for legend in picture.figure.legends:
        for axes in picture.figure.axes:  # with their labels
            assert not legend.get_window_extent().overlaps(axes.get_tightbbox())
    assert not any(axes.get_legend() for axes in picture.figure.axes)
    assert {path.name for path in folder.iterdir()} == {"figure.png", "figure.svg", "figure.csv"}
    image = imread(saved.path("png"))
    assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 30
    assert tuple(image[0, 0, :3]) == (1, 1, 1)
    text = saved.path("svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert not re.search(r'(href|src)="https?:', text)
    assert saved.alt.endswith(".")
    assert saved.caption.endswith(".")
    return pd.read_csv(saved.path("csv"))
