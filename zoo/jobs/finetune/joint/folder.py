"""The files of a run of several targets that cover all of them; those of each target are in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._utils.wording import counted, listed, markdown_table
from zoo.data.tables.rejections import write_rejected
from zoo.jobs.finetune.folder import write_json, write_splits
from zoo.jobs.predict.joint import TARGETS_FILE
from zoo.jobs.reports.saved_runs import JointResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo.jobs.finetune.joint.rows import JointRows

_OF_ROW = {"predictions.csv": ("id", "split", "seed", "fold", "formula"), "out_of_fold.csv": ("id", "formula")}
"""Files that are joined, and their columns that belong to the row, not to a target."""

FILES = ("metrics.json", "splits.json", "rejected.csv", "history.csv", "readme.md", *_OF_ROW)
"""Files that cover all targets, in lower case."""


def write_folder(rows: JointRows, folders: Mapping[str, str], folder: Path) -> None:
    """Write the files that cover all targets.

    Parameters
    ----------
    rows : JointRows
    folders : mapping of str to str
        Name of each target's folder.
    folder : Path
        The folder of the run, with those of the targets.
    """
    write_json(folder / TARGETS_FILE, {"format": 1, "targets": dict(folders)})
    result = JointResult.load(folder)
    write_json(folder / "metrics.json", result.metrics)
    write_splits(folder, rows.used, rows.records)
    write_rejected(rows.rejected, folder / "rejected.csv")
    order = [record.id for record in rows.records]
    for name, of_row in _OF_ROW.items():
        if all((folder / below / name).exists() for below in folders.values()):
            _join(name, of_row, folders, folder, order)
    (folder / "history.csv").unlink(missing_ok=True)  # the fits of all targets, as they went; each folder has its own
    name = folder.name.removesuffix(".partial")
    (folder / "README.md").write_text(_described(result, rows, folders, name), encoding="utf-8")


def _join(name: str, of_row: Sequence[str], folders: Mapping[str, str], folder: Path, order: Sequence[str]) -> None:
    """Write the tables of all targets as one, with a row for each row of the table and the targets' columns beside."""
    import pandas as pd

    parts = []
    for target, below in folders.items():
        part = pd.read_csv(folder / below / name, dtype=str, keep_default_na=False)
        shared = [column for column in part.columns if column in of_row]
        parts.append(part.set_index(shared).add_suffix(f"_{target}"))
    table = pd.concat(parts, axis=1, sort=False).fillna("").reset_index()
    keys = pd.DataFrame(index=table.index)
    for repeat in table.columns.intersection(["seed", "fold"]):
        keys[repeat] = pd.factorize(table[repeat])[0]
    if "split" in table:
        keys["split"] = table["split"].map({"validation": 1, "test": 2}).fillna(0)
    keys["id"] = table["id"].map({identifier: place for place, identifier in enumerate(order)})
    rows = keys.sort_values(list(keys.columns), kind="stable").index
    table.loc[rows].to_csv(folder / name, index=False, lineterminator="\n")


def _described(result: JointResult, rows: JointRows, folders: Mapping[str, str], name: str) -> str:
    """Return the text that introduces the folder; the targets' cards have the details."""
    names = list(folders)
    provenance = next(iter(result.results.values())).metrics["provenance"]
    header, lines = result.rows()
    network = "" if rows.network is None else f", and {rows.network}, one network with a head for each"
    cards = ", ".join(f"[{target}]({below}/README.md)" for target, below in folders.items())
    parts = [
        f"# {listed(names)}",
        f"{len(names)} targets learned from {counted(len(rows.records), 'row')} of `{provenance['data']['file']}`, "
        f"each from the rows that have its value. All share one split{network}.",
        f"## {result.title}",
        markdown_table(header, lines),
        "\n".join(f"- {line}" for line in result.lines()),
        "## Use",
        f"`zoo predict {name} new/` predicts all targets. The folder of each is a run of its own, with its card, "
        f"predictions and metrics: {cards}.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"
