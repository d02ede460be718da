"""``zoo predict``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import rejections, show_table, show_text
from zoo.commands.options import FILE, FILE_OR_FOLDER, Command, common, device_option, is_quiet, names


@click.command(
    cls=Command,
    examples=[
        (
            "All structure files of a folder, with 90 % intervals",
            "zoo predict runs/dielectric-multi-113k new/ --interval 0.9",
        ),
        ("A table, with a backbone as it is", "zoo predict dEf-91k candidates.csv --out energies.csv"),
    ],
    groups={
        "Crystals": ("structures", "structure", "id", "sheet", "decimal"),
        "Model": ("target", "interval", "device"),
        "Output": ("out", "top", "lowest", "sort", "keep", "as_json"),
    },
)
@click.argument("model", shell_complete=names("backbone"))
@click.argument("inputs", nargs=-1, required=True, type=FILE_OR_FOLDER)
@click.option("--out", type=FILE, default=Path("predictions.csv"), show_default=True, help="CSV file to write.")
@click.option(
    "--structures",
    type=FILE_OR_FOLDER,
    help="Folder or .zip of structure files, for tables with ids but no structures.",
)
@click.option("--id", metavar="COLUMN", help="Column of a table's ids.  [default: by its name, else by its cells]")
@click.option(
    "--structure",
    metavar="COLUMN",
    help="Column of a table's structures, or of names of structure files.  [default: by its name, else by its cells]",
)
@click.option("--target", help="Property to predict, if the backbone was trained on several.  [default: the first]")
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
    inputs: tuple[Path, ...],
    out: Path,
    structures: Path | None,
    id: str | None,  # noqa: A002
    structure: str | None,
    target: str | None,
    interval: float | None,
    device: Any,
) -> None:
    """Predict a property of crystals with MODEL: a backbone, a run's folder, or hf://owner/repo@rev.

    INPUTS are structure files, folders or archives of them (.zip, .tar.gz), tables, databases of ASE (.db) and extended
    XYZ. docs/crystals.md lists the formats.
    """
    from zoo._utils.wording import counted
    from zoo.data.tables.formats.layout import Layout
    from zoo.data.tables.inputs import count_records, iter_records, skipped_files
    from zoo.data.tables.structure_files import spare_workers

    skipped = skipped_files(inputs)
    layout = Layout(id, structure)
    reading = iter_records(inputs, structures=structures, layout=layout, workers=spare_workers())
    with closing(reading) as rows:
        from zoo._utils.progress import progress
        from zoo.jobs.comparison_table import prediction_rows
        from zoo.jobs.predict.files import predict_files
        from zoo.jobs.predict.model import load

        loaded = load(model, target=target, device=device)
        with progress("predicting", count_records(inputs), "crystals", quiet=is_quiet(ctx)) as bar:
            done = predict_files(loaded, inputs, out, rows=rows, interval=interval, bar=bar)
    if not is_quiet(ctx):
        show_table(*prediction_rows(done, loaded), keep=("id",), drop=("spread",))
        if others := loaded.config.other_targets:
            show_text(f"--target also takes {', '.join(each.name for each in others)}", err=True)
    for note in rows.notes:
        show_text(note, err=True)
    for folder, files in skipped.items():
        shown = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        show_text(f"{folder}: {counted(len(files), 'file')} skipped, no structure by name: {shown}", err=True)
    rejected = rejections(done.rejected, done.rejected_out) if done.rejected_out else []
    show_text("\n".join([*rejected, f"predictions  {done.count}, in {out}"]))
