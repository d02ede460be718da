"""Figures that compare methods, for any data: each function takes arrays or a data frame and returns a `Picture`.

A picture is shown by a notebook, written for a publication with ``picture.write("fig1.pdf", width=3.35)``, and saved as
PNG, SVG, and CSV with its data::

    source_target(energies, gaps, source_name="ΔEf", target_name="Eg", target_unit="eV").save(folder, "fig1")

``python -m zoo.figures TABLE SOURCE TARGET --out FOLDER`` draws the first of them from two columns of a table.
No display is needed. The colours are safe for colour-blind readers; markers and line styles differ as well.
"""

from __future__ import annotations

from zoo.analysis.figures.chemistry import composition_distances, distance_errors, element_errors, nearest
from zoo.analysis.figures.classes import confusion_matrix, reliability_diagram
from zoo.analysis.figures.curves import gain_curve, learning_curve, seed_boxes
from zoo.analysis.figures.scatter import parity, pearson, point_density, source_target
from zoo.analysis.figures.style import Picture, Saved

__all__ = [
    "Picture",
    "Saved",
    "composition_distances",
    "confusion_matrix",
    "distance_errors",
    "element_errors",
    "gain_curve",
    "learning_curve",
    "nearest",
    "parity",
    "pearson",
    "point_density",
    "reliability_diagram",
    "seed_boxes",
    "source_target",
]
