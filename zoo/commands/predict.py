"""``zoo predict``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.commands.console import rejections, show_table, show_text
from zoo.commands.options import FILE, FILE_OR_FOLDER, Command, CommaSeparated, common, device_option, is_quiet, names

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATOR = " -- "
"""Argument in place of ``--``, which separates several models from their inputs."""


class SeveralModels(Command):
    """A command whose first arguments are models, ended by ``--`` if there are several."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options. They may also follow ``--``, unless a file there is called like an option."""
        if "--" in args:
            place = args.index("--")
            named = any(each.startswith("-") and Path(each).exists() for each in args[place + 1 :])
            args = [*args[:place], SEPARATOR, *args[place + (0 if named else 1) :]]
        return super().parse_args(ctx, args)


@click.command(
    cls=SeveralModels,
    page="how-to/screen",
    examples=[
        (
            "All structure files of a folder, with 90 % intervals",
            "zoo predict runs/dielectric-multi-113k new/ --interval 0.9",
        ),
        (
            "The 20 highest, with a note on crystals from the training sets",
            "zoo predict runs/dielectric-multi-113k candidates.csv --top 20 --known",
        ),
        ("Two models at once", "zoo predict dEf-91k Eg-NM -- candidates.csv --keep batch"),
    ],
    groups={
        "Crystals": ("structures", "structure", "id", "sheet"),
        "Model": ("target", "interval", "known", "device"),
        "Output": ("out", "top", "lowest", "sort", "keep"),
    },
)
@click.argument("model", shell_complete=names("backbone"))
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option("--out", type=FILE, default=Path("predictions.csv"), show_default=True, help="CSV file to write.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Write only the N highest predictions, in order.")
@click.option("--sort", is_flag=True, help="Write the highest predictions first.")
@click.option("--lowest", is_flag=True, help="With --top or --sort: the lowest instead of the highest.")
@click.option(
    "--keep",
    type=CommaSeparated(),
    metavar="COLUMNS",
    help='Columns of tables to copy, separated by commas; "" for none.  [default: all but structures]',
)
@click.option(
    "--known",
    is_flag=True,
    help="Note the crystals on which the model, or a backbone that it started from, was trained.",
)
@click.option(
    "--structures",
    type=FILE_OR_FOLDER,
    help="Folder or .zip of structure files, for tables with ids but no structures.",
)
@click.option("--id", metavar="COLUMN", help="Column of a table's ids.  [default: found by name, else by content]")
@click.option(
    "--structure",
    metavar="COLUMN",
    help="Column of a table's structures, names of structure files, or formulas.  [default: found by name, "
    "else by content]",
)
@click.option("--sheet", help="Sheet of an Excel workbook.  [default: the only one with data]")
@click.option(
    "--target", help="Property to predict, if the model has several.  [default: the first of a backbone, all of a run]"
)
@click.option(
    "--interval",
    type=float,
    metavar="P",
    help="Also write the bounds of an interval that contains the value with this probability, such as 0.9.",
)
@device_option
@common
@click.pass_context
def predict(
    ctx: click.Context,
    model: str,
    inputs: tuple[str, ...],
    out: Path,
    top: int | None,
    sort: bool,
    lowest: bool,
    keep: tuple[str, ...] | None,
    known: bool,
    structures: Path | None,
    id: str | None,  # noqa: A002
    structure: str | None,
    sheet: str | None,
    target: str | None,
    interval: float | None,
    device: Any,
) -> None:
    """Predict a property of crystals with MODEL: a backbone, a run's folder, or hf://owner/repo@rev.

    INPUTS are structure files, folders or archives of them (.zip, .tar.gz), tables, databases of ASE (.db) and extended
    XYZ. To predict with several models at once, end their list with -- (see the last example).
    """
    from zoo._utils.wording import counted
    from zoo.data.tables.formats.layout import Layout
    from zoo.data.tables.inputs import count_records, iter_records, skipped_files
    from zoo.data.tables.structure_files import spare_workers

    if lowest and not (sort or top):
        raise click.UsageError("--lowest goes with --top or --sort")
    models, paths = _models_and_inputs([model, *inputs])
    skipped = skipped_files(paths)
    layout = Layout(id, structure, sheet)
    reading = iter_records(paths, structures=structures, layout=layout, keep=keep, workers=spare_workers())
    with closing(reading) as rows:
        from zoo._utils.progress import progress
        from zoo.jobs.predict.files import predict_files
        from zoo.jobs.predict.joint import load_each
        from zoo.jobs.predict.ranking import Ranking
        from zoo.jobs.reports.comparison_table import prediction_rows

        ranking = Ranking(lowest, top) if sort or top else None
        loaded = load_each(models, target=target, device=device)
        with progress("predicting", count_records(paths), "crystals", quiet=is_quiet(ctx)) as bar:
            done = predict_files(
                loaded, paths, out, rows=rows, interval=interval, ranking=ranking, known=known, bar=bar
            )
    if not is_quiet(ctx):
        show_table(*prediction_rows(done, loaded), keep=("id",), drop=("spread",))
        for each in loaded:
            if others := each.config.other_targets:
                takes = ", ".join(other.name for other in others)
                show_text(f"--target also takes {takes}" + (f" ({each.name})" if len(loaded) > 1 else ""), err=True)
    for note in rows.notes:
        show_text(note, err=True)
    for folder, files in skipped.items():
        shown = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        show_text(f"{folder}: {counted(len(files), 'file')} skipped, no structure by name: {shown}", err=True)
    for column, name in done.renamed.items():
        show_text(f"the column {column} of the input is called {name} in {out}", err=True)
    more = done.rejected_count - len(done.rejected)
    rejected = rejections(done.rejected, done.rejected_out, more) if done.rejected_out else []
    best = f"; the {done.written} {'lowest' if lowest else 'highest'} are" if top else ","
    show_text("\n".join([*rejected, f"predictions  {done.count}{best} in {out}"]))


def _models_and_inputs(given: Sequence[str]) -> tuple[Sequence[str], list[Path]]:
    """Return the models and the inputs. A file before ``--`` is an input, because no model is a file."""
    place = given.index(SEPARATOR) if SEPARATOR in given else 1
    rest = [each for each in given if each != SEPARATOR]
    if not place or any(Path(each).is_file() for each in given[1:place]):
        place = 1
    if len(rest) <= place:
        raise click.UsageError("there is nothing to predict; give files, folders or tables after the model")
    return rest[:place], [Path(each) for each in rest[place:]]
