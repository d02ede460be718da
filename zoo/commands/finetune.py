"""``zoo finetune``, and ``zoo report`` about its result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from zoo.commands.console import rejections, show_json, show_table, show_text
from zoo.commands.options import (
    FILE,
    FILE_OR_FOLDER,
    FOLDER,
    SEVERAL,
    Command,
    DeclaredCommand,
    common,
    device_option,
    is_quiet,
    names,
    resume_option,
)
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.reports.saved_runs import JointResult


@click.command(
    cls=DeclaredCommand,
    page="how-to/finetune",
    declared=("zoo.jobs.finetune.options:Options",),
    without=("data", "val", "baselines", "beside", "compare_scratch"),
    special={
        "target": SEVERAL | {"metavar": "COLUMN"},
        "unit": SEVERAL,
        "task": SEVERAL | {"shell_complete": names("task")},
        "backbone": {"shell_complete": names("backbone"), "show_default": False},
        "structures": {"type": FILE_OR_FOLDER},
        "test_data": {"type": FILE_OR_FOLDER},
    },
    examples=[
        ("The recommended backbone, blended with classical regressors", "zoo finetune --task dielectric data.csv"),
        (
            "Ten repetitions, compared with training from scratch and with a random forest",
            "zoo finetune --task bulk-modulus moduli.csv --seeds 10 --compare scratch --baseline rf --out runs/moduli",
        ),
        (
            "Test rows given by a column, structures in files named after the ids",
            "zoo finetune --task band-gap gaps.csv --structures cifs --split-column fold",
        ),
        (
            "Two properties at once; a row may lack one of them",
            "zoo finetune data.csv --target eij_max --unit C/m2 --target gap --unit eV",
        ),
    ],
    groups={
        "Data": (
            *("task", "target", "unit", "log", "log_of", "id", "structure", "sheet", "decimal"),
            *("structures", "max_rejected", "n_train"),
        ),
        "Test rows": ("test", "split", "seeds", "seed", "folds", "split_column", "test_data"),
        "Model": ("backbone", "mode", "beside", "fast"),
        "Training": ("epochs", "batch_size", "learning_rate", "patience", "precision", "device"),
        "Comparison": ("baselines", "compare"),
        "Output": ("out", "resume", "as_json"),
    },
)
@click.argument("data", type=FILE_OR_FOLDER, required=False)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    shell_complete=names("baseline"),
    help="Baseline to compare with; repeatable.",
)
@click.option(
    "--beside",
    multiple=True,
    shell_complete=names("featurizer"),
    help="Featurizer whose vectors the members of a blend may read too; repeatable.",
)
@click.option(
    "--log-of", metavar="COLUMN", multiple=True, help="One of several targets, to be learned in log10; repeatable."
)
@click.option("--compare", type=click.Choice(["scratch"]), multiple=True, help="Compare with training from scratch.")
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
    log_of: tuple[str, ...],
    backbone: str,
    **options: Any,
) -> None:
    """Fine-tune a backbone on the table DATA and report its errors on held-out rows.

    DATA is a CSV, TSV, JSON, JSONL, Parquet or Excel file with a structure and a target in each row, or a folder with
    an id_prop.csv.
    """
    from zoo._utils.wording import error_title
    from zoo.jobs.finetune.folder import metrics, picture
    from zoo.jobs.finetune.options import Options, default_out
    from zoo.jobs.finetune.run import finetune as run
    from zoo.jobs.reports.comparison_table import comparison_rows, fold_rows, intervals, least_important, verdict
    from zoo.jobs.reports.saved_runs import JointResult

    if options["data"] is None:
        raise InputError(
            "there is no table: zoo finetune --task TASK data.csv. To try it on an example: zoo quickstart, then "
            "zoo finetune --task dielectric zoo-quickstart/dielectric.csv"
        )
    quiet = is_quiet(ctx)
    if backbone.lower() == "none" and ctx.get_parameter_source("mode") is click.core.ParameterSource.COMMANDLINE:
        raise InputError("--mode says how a backbone is used; leave it out, or name a --backbone")
    if log_of and options["log"] is not None:
        raise InputError("--log-of says which targets are learned in log10; leave out --log and --no-log")
    options |= {name: options[name] or None for name in ("task", "target", "unit")} | {"log": log_of or options["log"]}
    request = Options(backbone=backbone, compare_scratch=bool(compare), **options)
    folder = out or default_out(request, resume=resume)
    result = run(
        request,
        folder,
        device=device,
        resume=resume,
        quiet=quiet,
        say=None if quiet else partial(show_text, err=True, wrap=True),
    )
    if isinstance(result, JointResult):
        _show_several(result, as_json=as_json)
        return
    if as_json:
        show_json(metrics(result))
        return
    header, rows = comparison_rows(result)
    title = f"Errors {result.basis}, {result.repeats}"
    show_table(header, rows, title=title, keep=header[:1], drop=least_important(header))
    if result.repeat == "fold":
        header, rows = fold_rows(result)
        title = f"{error_title(result.headline, result.task.unit)} by fold"
        show_table(header, rows, title=title, drop=least_important(header))
    lines = [verdict(result), intervals(result), *rejections(result.table.rejected, folder / "rejected.csv")]
    show_text(
        "\n".join([*filter(None, lines), f"picture     {folder / picture(result)}", f"checkpoint  {folder}"]), wrap=True
    )


def _show_several(result: JointResult, *, as_json: bool) -> None:
    """Show the results of all targets."""
    if as_json:
        show_json(result.metrics)
        return
    header, rows = result.rows()
    show_table(header, rows, title=result.title, keep=["target"], drop=["R²", "rows"])
    rejected = rejections(result.rejected, result.folder / "rejected.csv")
    show_text("\n".join([*result.lines(), *rejected, f"models      {result.folder}"]), wrap=True)


@click.command(
    cls=Command,
    page="reference/report",
    examples=[
        ("Into the folder of the run", "zoo report runs/dielectric-multi-113k"),
        ("As a file to send", "zoo report runs/dielectric-multi-113k --out dielectric.html"),
    ],
)
@click.argument("run", type=FOLDER)
@click.option("--out", type=FILE, help="HTML file to write.  [default: RUN/report.html]")
@common
def report(run: Path, out: Path | None) -> None:
    """Write a page about the fine-tuned RUN: how good it is, where it errs, and what it was made of.

    It is one HTML file with all figures, to send to colleagues or to print; it needs no network. A run of several
    targets has one page for each.
    """
    from zoo.jobs.predict.joint import read_folders
    from zoo.jobs.reports.run import write_run_report

    below = read_folders(run) or {"": run}
    if out and len(below) > 1:
        raise InputError(
            f"--out: {run} has several targets, each with a report in its folder; name one, or leave it out"
        )
    for folder in below.values():
        show_text(f"report  {write_run_report(folder, out)}")
