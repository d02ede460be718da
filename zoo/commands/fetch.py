"""The commands ``zoo fetch``."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.commands import console
from zoo.commands.study import Listed


@click.group()
def fetch() -> None:
    """Make a table of a database's crystals."""


@fetch.command("materials-project")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Parquet file to write.")
@click.option(
    "--fields",
    type=Listed(),
    default="formation_energy_per_atom,band_gap,energy_above_hull",
    show_default=True,
    help="Fields of the API's summary, or k_vrh, g_vrh, eps_total.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many materials.")
@console.common
@click.pass_context
def materials_project(ctx: click.Context, out: Path, fields: tuple[str, ...], limit: int | None) -> None:
    """Fetch the Materials Project through its API; the key comes from MP_API_KEY.

    After an interruption the same command goes on. Needs the extra mp: pip install "crystal-zoo[mp]".
    """
    from zoo.data.sources.materials_project import LICENSE, rejected_path
    from zoo.data.sources.materials_project import fetch as run

    done = run(out, fields, limit=limit, quiet=console.is_quiet(ctx))
    click.echo(f"{done.rows:,} materials of the Materials Project, version {done.version} ({LICENSE}), in {out}")
    if done.rejected:
        click.echo(f"{done.rejected:,} without a usable structure, listed in {rejected_path(out)}")
