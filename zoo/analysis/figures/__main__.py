"""Plot one column of a table against another: ``python -m zoo.figures TABLE SOURCE TARGET``.

    python -m zoo.figures mp.parquet formation_energy_per_atom band_gap \
        --source-name ΔEf --source-unit eV/atom --target-name Eg --target-unit eV

Only these two columns are read, so a Parquet file with a hundred thousand crystals takes seconds. Writes
``NAME.png``, ``NAME.svg`` and ``NAME.csv``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.figures import source_target
from zoo.data.tables.readers import open_table
from zoo.errors import InputError, ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def columns(path: Path, names: Sequence[str]) -> NDArray[np.float64]:
    """Read columns of numbers as an array of shape (columns, rows); empty cells are NaN.

    Raises
    ------
    InputError
        If a column is missing, or a cell is not a number.
    """
    source = open_table(path)
    for name in names:
        if name not in source.columns:
            raise InputError(f"{path} has no column {name!r}; it has {', '.join(source.columns[:20])}")
    rows = []
    for row in source.rows(names, None):
        if row.problem:
            raise InputError(f"{path} row {row.number}: {row.problem}")
        rows.append([_number(path, row.number, name, row.cells[name]) for name in names])
    return np.array(rows, dtype=np.float64).reshape(-1, len(names)).T


def _number(path: Path, row: int, column: str, value: object) -> float:
    if value is None or value == "":
        return float("nan")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{path} row {row}, {column}: {value!r} is not a number") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figure and print where it is."""
    parser = argparse.ArgumentParser(prog="python -m zoo.figures", description="Plot two columns of a table.")
    parser.add_argument("table", type=Path)
    parser.add_argument("source", help="column on the horizontal axis")
    parser.add_argument("target", help="column on the vertical axis")
    for side in ("source", "target"):
        parser.add_argument(f"--{side}-name", help="axis label  [default: the column]")
        parser.add_argument(f"--{side}-unit", default="", help="unit on the axis")
        parser.add_argument(f"--log-{side}", action="store_true", help="logarithmic axis")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the files  [default: the current one]")
    parser.add_argument("--name", help="name of the files, without extension  [default: SOURCE-TARGET]")
    options = parser.parse_args(arguments)
    try:
        x, y = columns(options.table, [options.source, options.target])
        picture = source_target(
            x,
            y,
            source_name=options.source_name or options.source,
            target_name=options.target_name or options.target,
            source_unit=options.source_unit,
            target_unit=options.target_unit,
            log_source=options.log_source,
            log_target=options.log_target,
        )
    except ZooError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    except ValueError as error:
        sys.stderr.write(f"Error: {options.table}: {error}\n")
        return ZooError.exit_code
    saved = picture.save(options.out, options.name or f"{options.source}-{options.target}")
    sys.stdout.write(f"{saved.path('png')}: {saved.caption}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
