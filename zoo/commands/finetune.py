"""``zoo finetune``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from zoo.commands.console import rejections, show_json, show_table, show_text
from zoo.commands.options import (
    FILE_OR_FOLDER,
    FOLDER,
    common,
    device_option,
    is_quiet,
    names,
    resume_option,
    table_options,
)
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("data", type=FILE_OR_FOLDER)
@click.option(
    "--task",
    required=True,
    shell_complete=names("task"),
    help="Target property; 'zoo plugins list' shows them.",
)
@click.option(
    "--backbone",
    default="auto",
    shell_complete=names("backbone"),
    help="Name, folder or hf://owner/repo@rev; all takes the best on the validation rows, none starts from random "
    "weights.  [default: recommended by the task]",
)
@click.option(
    "--mode",
    type=click.Choice(["mixture", "full", "head", "layerwise"]),
    default="mixture",
    show_default=True,
    help="What is trained. full: all weights; mixture: all weights, with a head that also reads zoo's other backbones, "
    "frozen; head: the head alone; layerwise: all weights, the early layers more slowly.",
)
@click.option("--seeds", default=1, show_default=True, help="Number of repetitions, each with its own split.")
@table_options
@click.option("--n-train", type=int, help="Number of training rows to use.  [default: all]")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    shell_complete=names("baseline"),
    help="Baseline to compare with; repeatable.",
)
@click.option("--compare", type=click.Choice(["scratch"]), multiple=True, help="Compare with training from scratch.")
@click.option("--batch-size", type=int, help="Crystals per step.  [default: tuned]")
@click.option("--learning-rate", type=float, help="Peak learning rate.  [default: tuned]")
@click.option("--patience", type=int, help="Stop after this many validations without improvement.  [default: never]")
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]),
    help="Number format.  [default: 32-true]",
)
@click.option("--out", type=FOLDER, help="Folder of the run.  [default: runs/TASK-BACKBONE]")
@device_option
@resume_option
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
@common
@click.pass_context
def finetune(
    ctx: click.Context,
    /,
    out: Path | None,
    device: Any,
    resume: bool,
    as_json: bool,
    compare: tuple[str, ...],
    backbone: str,
    **options: Any,
) -> None:
    """Fine-tune a backbone on the table DATA and report its errors on held-out rows.

    DATA is a CSV, TSV, JSON, JSONL or Parquet file with a structure and a target in each row, or a folder with an
    id_prop.csv.
    """
    from zoo.jobs.comparison_table import comparison_rows, intervals, verdict
    from zoo.jobs.finetune.folder import metrics
    from zoo.jobs.finetune.options import Options, default_out
    from zoo.jobs.finetune.run import finetune as run

    quiet = is_quiet(ctx)
    if backbone.lower() == "none" and ctx.get_parameter_source("mode") is click.core.ParameterSource.COMMANDLINE:
        raise InputError("--mode says how a backbone is used; leave it out, or name a --backbone")
    request = Options(backbone=backbone, compare_scratch=bool(compare), **options)
    folder = out or default_out(request, resume=resume)
    result = run(
        request,
        folder,
        device=device,
        resume=resume,
        quiet=quiet,
        say=None if quiet else partial(show_text, err=True),
    )
    if as_json:
        show_json(metrics(result))
        return
    header, rows = comparison_rows(result)
    show_table(header, rows, title=f"Errors on test rows, {len(result.splits)} seed(s)", keep=header[:1])
    lines = [verdict(result), intervals(result), *rejections(result.table.rejected, folder / "rejected.csv")]
    show_text("\n".join([*filter(None, lines), f"picture     {folder / 'parity.png'}", f"checkpoint  {folder}"]))
