"""The command ``zoo study``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import show_json, show_table
from zoo.commands.options import CommaSeparated, common, is_quiet, names, table_options


def _conditions(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> Any:
    if not value:
        return None
    from zoo.jobs.study.file import parse_condition

    return tuple(map(parse_condition, value))


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--task", shell_complete=names("task"), help="Target property.  [required without a study's file]")
@click.option(
    "--sizes",
    type=CommaSeparated(int),
    help="Numbers of training rows.  [default: 50,100,200,500, as far as the table has so many]",
)
@click.option(
    "--backbones",
    type=CommaSeparated(),
    help="Names, folders or hf://owner/repo@rev, separated by commas.  [default: what the task recommends]",
)
@click.option(
    "--modes",
    type=CommaSeparated(),
    default="mixture,full",
    show_default=True,
    help="Fine-tuned: mixture,full,layerwise,head; a baseline on the frozen embedding: frozen-ridge,frozen-rf.",
)
@click.option("--baselines", type=CommaSeparated(), default="", help="Classical methods: rf,svr,lasso,pls,ridge,mean.")
@click.option("--scratch/--no-scratch", default=True, help="Whether to train from scratch as well, to compare with.")
@click.option("--seeds", default=10, show_default=True, help="Repetitions, each with its own split.")
@table_options
@click.option(
    "--where",
    multiple=True,
    callback=_conditions,
    help='Use only such rows: "COLUMN>NUMBER", "COLUMN<=NUMBER", "COLUMN==TEXT"; may be given several times.',
)
@click.option("--unseen", is_flag=True, help="Use only rows that none of the backbones was trained on.")
@click.option("--rows", type=int, help="Use only so many rows, chosen by a hash of the identifier.")
@click.option(
    "--significance", type=float, help="Insist on tests over seeds at this level; takes three seeds.  [default: 0.05]"
)
@click.option("--engine", default="local", show_default=True, help="Who computes: local, ray or dask.")
@click.option("--workers", type=int, help="Processes, one thread each.  [default: one per core]")
@click.option("--strict", is_flag=True, help="Refuse test rows that leak: copies, shared compositions, pretraining.")
@click.option("--dry-run", is_flag=True, help="Say how many cells there are and how long they will take, and stop.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the study.  [default: runs/study-TASK]")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the table that a study's file names.  [default: the file's]",
)
@click.option("--report/--no-report", default=True, help="Whether to write report.html and its figures.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@common
@click.pass_context
def study(
    ctx: click.Context, /, data: Path, dry_run: bool, data_dir: Path | None, report: bool, as_json: bool, **options: Any
) -> None:
    """Compare methods at several sizes of the training set on the table DATA, over many seeds.

    Everything is compared with training from scratch on the same test rows. What is finished is kept in the study's
    folder: the same command goes on where it was cut off, and more sizes, methods or seeds can be added.

    DATA may be a study's file instead, study.toml: the same options by the same names (data is the table, max_rejected
    is --max-rejected); options given here take precedence. Exit code 1: some cells failed, the rest is there.
    """
    from zoo.errors import InputError
    from zoo.jobs.comparison_table import study_rows, study_verdicts
    from zoo.jobs.study.file import read_study, request
    from zoo.jobs.study.run import run_study

    quiet = is_quiet(ctx)
    if data.suffix.lower() == ".toml":
        default = click.core.ParameterSource.DEFAULT
        given = {name: value for name, value in options.items() if ctx.get_parameter_source(name) != default}
        asked, name = read_study(data, given, data_dir), data.stem
    else:
        if options["task"] is None:
            raise InputError("--task is missing: which property does the table hold? zoo plugins list names them")
        if data_dir is not None:
            raise InputError("--data-dir goes with a study's file; give the table's whole path instead")
        asked, name = request({"data": data, **options}), f"study-{options['task'].split(':')[-1]}"
    folder = asked.out or Path("runs") / name
    if dry_run:
        from zoo.jobs.study.estimate import estimate

        click.echo("\n".join(estimate(asked.options, folder, asked.workers).lines()))
        return
    result = run_study(
        asked.options,
        folder,
        engine=asked.engine,
        workers=asked.workers,
        strict=asked.strict,
        report=report,
        quiet=quiet,
        say=lambda line: None if quiet else click.echo(line, err=True),
    )
    if as_json:
        show_json(json.loads(result.results.to_json(orient="records")))
    else:
        header, rows = study_rows(result)
        show_table(header, rows, title=f"Errors on test rows, {result.options.seeds} seed(s)", keep=header[:1])
        click.echo(
            "\n".join(
                [*study_verdicts(result), f"report   {folder / 'report.html'}" if report else f"results  {folder}"]
            )
        )
    if result.failed:
        cells = "; ".join(f"{cell.method}, {cell.size} rows, seed {cell.seed}" for cell in result.failed[:3])
        more = f" and {len(result.failed) - 3} more" if len(result.failed) > 3 else ""
        click.echo(f"{len(result.failed)} of {len(result.results)} cells failed: {cells}{more}", err=True)
        ctx.exit(1)
