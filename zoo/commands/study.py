"""``zoo study``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import show_json, show_table, show_text
from zoo.commands.options import FILE_OR_FOLDER, ONE_TARGET, DeclaredCommand, common, is_quiet, names


def _conditions(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> Any:
    from zoo.data.tables.conditions import Condition

    return tuple(map(Condition.parse, value)) or None


@click.command(
    cls=DeclaredCommand,
    page="how-to/study",
    declared=("zoo.jobs.study.options:StudyOptions", "zoo.jobs.study.options:StudyRequest"),
    without=("data", "title", "options"),
    special={
        "target": ONE_TARGET,
        "task": {"type": str, "shell_complete": names("task")},
        "structures": {"type": FILE_OR_FOLDER},
        "where": {"type": str, "multiple": True, "default": None, "show_default": False, "callback": _conditions},
    },
    examples=[
        (
            "How long would it take?",
            "zoo study --task bulk-modulus moduli.csv --sizes 100,200 --seeds 5 --dry-run",
        ),
        (
            "Two kinds of transfer and a random forest, at two sizes, with five seeds",
            "zoo study --task bulk-modulus moduli.csv --sizes 100,200 --seeds 5 --modes mixture,full --baselines rf",
        ),
        ("A study that is described in a file", "zoo study studies/bulk-modulus.toml --data-dir data"),
    ],
    groups={
        "Data": (
            *("task", "target", "unit", "log", "id", "structure", "sheet", "decimal", "structures", "max_rejected"),
            *("where", "unseen", "rows", "data_dir"),
        ),
        "Methods": ("sizes", "backbones", "modes", "fast", "baselines", "scratch", "epochs"),
        "Test rows": ("test", "split", "seeds", "seed", "significance", "strict"),
        "Computing": ("engine", "workers", "dry_run"),
        "Output": ("out", "report", "as_json"),
    },
)
@click.argument("data", type=FILE_OR_FOLDER)
@click.option("--dry-run", is_flag=True, help="Count the cells, estimate how long they will take, and stop.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the table, for a study described in a file.  [default: that of the file]",
)
@click.option("--report/--no-report", default=True, help="Whether to write report.html and figures.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@common
@click.pass_context
def study(
    ctx: click.Context, /, data: Path, dry_run: bool, data_dir: Path | None, report: bool, as_json: bool, **options: Any
) -> None:
    """Compare methods at several training-set sizes on the table DATA, over many seeds.

    The reference is training from scratch on the same rows. Finished cells are kept in the study's folder: the same
    command resumes an interrupted study, and sizes, methods and seeds can be added later.

    DATA may also be a TOML file that describes a study. Its keys are these options (data is the table, max_rejected is
    --max-rejected); options on the command line take precedence. The exit code is 1 if some cells failed.
    """
    from zoo._utils.wording import counted
    from zoo.errors import InputError
    from zoo.jobs.reports.comparison_table import least_important, study_rows, study_verdicts
    from zoo.jobs.study.options import StudyRequest, read_study
    from zoo.jobs.study.run import run_study
    from zoo.registry.task_choice import name_of

    quiet = is_quiet(ctx)
    if data.suffix.lower() == ".toml":
        default = click.core.ParameterSource.DEFAULT
        given = {name: value for name, value in options.items() if ctx.get_parameter_source(name) != default}
        asked, name = read_study(data, given, data_dir), data.stem
    else:
        if data_dir is not None:
            raise InputError("--data-dir goes with a study's file; give the table's whole path instead")
        asked = StudyRequest.of({"data": data, **options})
        name = f"study-{name_of(asked.options.choice)}"
    folder = asked.out or Path("runs") / name
    if dry_run:
        from zoo.jobs.study.estimate import estimate

        show_text("\n".join(estimate(asked.options, folder, asked.workers).lines()))
        return
    result = run_study(
        asked.options,
        folder,
        engine=asked.engine,
        workers=asked.workers,
        strict=asked.strict,
        report=report,
        quiet=quiet,
        say=lambda line: None if quiet else show_text(line, err=True, wrap=True),
    )
    if as_json:
        show_json(json.loads(result.results.to_json(orient="records")))
    else:
        header, rows = study_rows(result)
        title = f"Errors on test rows, {counted(result.options.seeds, 'seed')}"
        show_table(header, rows, title=title, drop=least_important(header))
        show_text(
            "\n".join(
                [*study_verdicts(result), f"report   {folder / 'report.html'}" if report else f"results  {folder}"]
            ),
            wrap=True,
        )
    if result.failed:
        cells = "; ".join(f"{cell.method}, {cell.size} rows, seed {cell.seed}" for cell in result.failed[:3])
        more = f" and {len(result.failed) - 3} more" if len(result.failed) > 3 else ""
        show_text(f"{len(result.failed)} of {len(result.results)} cells failed: {cells}{more}", err=True)
        ctx.exit(1)
