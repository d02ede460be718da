"""The command ``zoo study``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo import console
from zoo.console import show_table


class Listed(click.ParamType[tuple[Any, ...]]):
    """Values separated by commas, each once."""

    name = "list"

    def __init__(self, kind: type[int | str] = str) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split the text."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(self.kind(part.strip()) for part in str(value).split(",") if part.strip()))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers separated by commas", param, ctx)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--task", required=True, shell_complete=console.names("task"), help="Target property.")
@click.option("--sizes", type=Listed(int), default="100,500", show_default=True, help="Numbers of training rows.")
@click.option(
    "--backbones",
    type=Listed(),
    default="dEf-10k",
    show_default=True,
    help="Names, folders or hf://owner/repo@rev, separated by commas.",
)
@click.option(
    "--modes", type=Listed(), default="full", show_default=True, help="How they are fine-tuned: full,layerwise,head."
)
@click.option("--baselines", type=Listed(), default="", help="Classical methods: rf,svr,lasso,pls,mean.")
@click.option("--seeds", default=10, show_default=True, help="Repetitions, each with its own split.")
@console.table_options
@click.option("--workers", type=int, help="Processes, one thread each.  [default: one per core]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the study.  [default: runs/study-TASK]")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@console.common
@click.pass_context
def study(
    ctx: click.Context, /, data: Path, task: str, out: Path | None, workers: int | None, as_json: bool, **options: Any
) -> None:
    """Compare methods at several sizes of the training set on the table DATA, over many seeds.

    Everything is compared with training from scratch on the same test rows. What is finished is kept in the study's
    folder: the same command goes on where it was cut off, and more sizes, methods or seeds can be added.
    """
    from zoo.report import study_rows, study_verdicts
    from zoo.studies import run_study
    from zoo.study_plan import StudyOptions
    from zoo.study_report import write_report

    quiet = console.is_quiet(ctx)
    folder = out or Path("runs") / f"study-{task.split(':')[-1]}"
    result = run_study(
        StudyOptions(task=task, data=data, **options),
        folder,
        workers=workers,
        quiet=quiet,
        say=lambda line: None if quiet else click.echo(line, err=True),
    )
    report = write_report(result, folder)
    if as_json:
        console.show_json(result.results.to_dict(orient="records"))
        return
    show_table(*study_rows(result), title=f"Errors on test rows, {result.options.seeds} seed(s)")
    click.echo("\n".join([*study_verdicts(result), f"report   {report}"]))
