"""Commands that make backbones: ``zoo pretrain``, ``zoo fetch`` for tables, ``zoo convert`` for other checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.commands.console import show_table, show_text
from zoo.commands.options import (
    FILE,
    FILE_OR_FOLDER,
    FOLDER,
    Command,
    CommaSeparated,
    Group,
    common,
    device_option,
    is_quiet,
    names,
    resume_option,
)

CONVERSION = (
    "zoo convert cgcnn formation-energy-per-atom.pth.tar --atom-init atom_init.json "
    "--task formation-energy --out imported/formation-energy"
)


@click.command(
    cls=Command,
    page="how-to/pretrain",
    examples=[
        (
            "A shipped backbone once more, from a downloaded table",
            "zoo pretrain cards/recipes/dEf-10k.toml --data mp.parquet",
        ),
        ("Continue after an interruption", "zoo pretrain cards/recipes/dEf-10k.toml --data mp.parquet --resume"),
    ],
)
@click.argument("recipe", type=FILE)
@click.option(
    "--data",
    multiple=True,
    type=FILE_OR_FOLDER,
    help="Table with rows of the recipe; repeatable.  [default: downloaded, if the recipe names a source]",
)
@click.option("--out", type=FOLDER, help="Folder of the checkpoint.  [default: runs/NAME]")
@device_option
@click.option("--devices", default=1, show_default=True, help="Number of GPUs or processes on this machine.")
@click.option("--num-nodes", default=1, show_default=True, help="Number of machines; torchrun runs this on each.")
@resume_option
@common
@click.pass_context
def pretrain(
    ctx: click.Context,
    recipe: Path,
    data: tuple[Path, ...],
    out: Path | None,
    device: Any,
    devices: int,
    num_nodes: int,
    resume: bool,
) -> None:
    """Train a backbone from RECIPE, a TOML file such as those in cards/recipes."""
    from zoo.jobs.pretrain.recipe import read_recipe
    from zoo.jobs.pretrain.run import pretrain as run

    plan = read_recipe(recipe)
    folder = out or Path("runs") / plan.name
    result = run(
        plan, data, folder, device=device, devices=devices, nodes=num_nodes, resume=resume, quiet=is_quiet(ctx)
    )
    if not result:  # only the first process returns a result
        return
    for task in plan.tasks:
        rows = [
            [each.name, str(each.rows), *(f"{each.errors[metric]:.4f}" for metric in ("mae", "rmse", "r2"))]
            for each in result
            if each.task == task
        ]
        unit = f" ({task.unit})" if task.unit else ""
        show_table(
            ("part", "rows", f"MAE{unit}", f"RMSE{unit}", "R²"),
            rows,
            title=f"{plan.name}: {task.target}" if plan.others else plan.name,
        )
    show_text(f"checkpoint  {folder}")


@click.group(
    cls=Group,
    page="how-to/pretrain",
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


@click.group(
    cls=Group,
    page="how-to/pretrain",
    examples=[
        ("The authors' formation energies", CONVERSION),
        ("Then use it as any other backbone", "zoo predict imported/formation-energy new/"),
    ],
)
@common
def convert() -> None:
    """Import checkpoints of other programs."""


@convert.command(
    "cgcnn",
    examples=[
        ("The authors' formation energies", CONVERSION),
        ("A file that does not give its cutoff", f"{CONVERSION} --radius 8 --step 0.2"),
    ],
)
@click.argument("source", metavar="FILE.pth.tar", type=FILE)
@click.option("--atom-init", required=True, type=FILE, help="The atom_init.json of its training.")
@click.option("--out", required=True, type=FOLDER, help="Folder of the imported checkpoint.")
@click.option("--task", shell_complete=names("task"), help="Property that it predicts: name, unit, transform.")
@click.option("--radius", type=float, help="Cutoff radius in Å, if the file does not give it.  [default: 8]")
@click.option("--step", type=float, help="Spacing of the Gaussians in Å, if the file does not give it.  [default: 0.2]")
@common
def convert_cgcnn(
    source: Path, atom_init: Path, out: Path, task: str | None, radius: float | None, step: float | None
) -> None:
    """Import a checkpoint of the original CGCNN, or of cgcnn2."""
    from zoo.plugins.networks.cgcnn.convert import convert_cgcnn as run
    from zoo.registry import plugins

    checkpoint = run(source, atom_init, out, task=plugins.task(task) if task else None, radius=radius, step=step)
    target = checkpoint.config.target
    what = " or ".join(target.classes) or target.unit or "no unit"
    show_text(f"{checkpoint.config.name}: predicts {target.name} ({what}), in {out}")
