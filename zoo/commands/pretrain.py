"""``zoo pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.commands.console import show_table, show_text
from zoo.commands.options import FILE, FILE_OR_FOLDER, FOLDER, Command, common, device_option, is_quiet, resume_option


@click.command(
    cls=Command,
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
