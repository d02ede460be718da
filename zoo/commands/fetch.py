"""``zoo fetch``: download of tables from databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.commands.console import show_text
from zoo.commands.options import FILE, CommaSeparated, Group, common, is_quiet

if TYPE_CHECKING:
    from pathlib import Path


@click.group(
    cls=Group,
    examples=[
        ("The defaults, with the key in MP_API_KEY", "zoo fetch materials-project --out mp.parquet"),
        (
            "A thousand elastic moduli",
            "zoo fetch materials-project --out moduli.parquet --fields k_vrh,g_vrh --limit 1000",
        ),
    ],
)
def fetch() -> None:
    """Download crystals and properties from a database as a table."""


@fetch.command(
    "materials-project",
    examples=[
        ("The defaults, with the key in MP_API_KEY", "zoo fetch materials-project --out mp.parquet"),
        (
            "A thousand elastic moduli",
            "zoo fetch materials-project --out moduli.parquet --fields k_vrh,g_vrh --limit 1000",
        ),
    ],
)
@click.option("--out", required=True, type=FILE, help="Parquet file to write.")
@click.option(
    "--fields",
    type=CommaSeparated(),
    default="formation_energy_per_atom,band_gap,energy_above_hull",
    show_default=True,
    help="Fields of the API's summary, k_vrh, g_vrh or eps_total, separated by commas.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of materials.")
@common
@click.pass_context
def materials_project(ctx: click.Context, out: Path, fields: tuple[str, ...], limit: int | None) -> None:
    """Download the Materials Project through its API; the key is read from MP_API_KEY.

    The same command continues after an interruption. Needs the extra mp: pip install "crystal-zoo[mp]".
    """
    from zoo.data.sources.materials_project import LICENSE, rejected_path
    from zoo.data.sources.materials_project import fetch as run

    done = run(out, fields, limit=limit, quiet=is_quiet(ctx))
    show_text(f"{done.rows:,} materials of the Materials Project, version {done.version} ({LICENSE}), in {out}")
    if done.rejected:
        show_text(f"{done.rejected:,} without a usable structure, listed in {rejected_path(out)}")
