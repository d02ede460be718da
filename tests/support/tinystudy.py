"""A study that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from zoo.jobs.study.options import StudyOptions

EXAMPLE = Path(__file__).parents[2] / "examples" / "bulk_modulus.csv"


def write_table(folder: Path) -> Path:
    """Write the bulk moduli of 150 crystals."""
    path = folder / "data.csv"
    pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:150].to_csv(path, index=False)
    return path


def options(table: Path, **changed: object) -> StudyOptions:
    given = {"sizes": (20, 40), "backbones": ("dEf-10k",), "modes": ("full",), "baselines": ("mean",)}
    given |= {"seeds": 3, "epochs": 2, **changed}
    return StudyOptions("bulk-modulus", table, **given)  # type: ignore[arg-type]
