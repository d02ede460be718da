"""The report of a run, from its folder: a self-contained HTML page that begins with the answer."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils import files
from zoo._utils.wording import error_label, listed, percent, probability_columns, sentence, with_unit
from zoo.analysis import figures
from zoo.analysis.figures import Saved
from zoo.analysis.metrics import row_errors
from zoo.analysis.reports import Page, Section, Table
from zoo.errors import InputError, ZooError
from zoo.jobs.finetune.out_of_fold import MIN_OF_ELEMENT, SMALLEST, WORST, worst_elements
from zoo.jobs.reports.comparison_table import PART, comparison_rows
from zoo.jobs.reports.saved_runs import SavedResult, read_rows
from zoo.registry import plugins

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def write_run_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    folder : Path
        Folder of a finished run.
    out : Path, optional
        The HTML file; by default ``report.html`` in the folder.

    Returns
    -------
    Path
        The file, with embedded pictures, without scripts or external resources.

    Raises
    ------
    InputError
        If the folder is not a run, or the file cannot be written.
    """
    run = _Run(SavedResult.read(folder))
    path = folder / "report.html" if out is None else out
    with TemporaryDirectory() as drawings:
        sections = [
            run.findings(),
            Section("Figures", pictures=run.pictures(Path(drawings))),
            Section("Tables", tables=run.tables()),
            run.data(),
            run.origin(),
            Section("How to use it", code=f"zoo predict {folder} new/\nzoo serve {folder}"),
        ]
        page = Page(f"{folder.name}: {run.quantity}", run.answer, run.facts, sections)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(path, page.html)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


class _Run:
    """The content of a run's folder in words, tables and pictures."""

    def __init__(self, saved: SavedResult) -> None:
        self.saved, self.metrics = saved, saved.metrics
        self.classes = list(self.metrics.get("classes", ()))
        self.log = saved.headline.endswith("_log10")
        try:
            label = plugins.task(self.metrics["task"]).label
        except ZooError:  # a task that is not installed, or the run has none
            label = ""
        self.quantity = label or saved.target
        self.basis, self.repeats = saved.basis, saved.repeats
        try:
            self.rows = self._judged()
            self.unseen, self.unseen_basis = self._unseen()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{saved.folder}: its predictions cannot be read: {error}") from None

    def _judged(self) -> pd.DataFrame:
        """Return the rows on which the errors are measured."""
        if self.basis == "out of fold":
            return self._read("out_of_fold.csv")
        found = self._read("predictions.csv")
        return found[found["split"] == PART[self.basis]]

    def _unseen(self) -> tuple[pd.DataFrame, str]:
        """Return the rows predicted by fits that have not seen them, and what they are called.

        Out of fold these are all rows of the table; of a run that was not cross-fitted, those on which its errors are
        measured.
        """
        if (self.saved.folder / "out_of_fold.csv").exists():
            return self._read("out_of_fold.csv"), "out of fold"
        return self.rows, self.basis

    def _read(self, name: str) -> pd.DataFrame:
        return read_rows(self.saved.folder / name, classes=bool(self.classes))

    @property
    def answer(self) -> str:
        """How good the predictions are, in a sentence."""
        named = self.quantity if self.quantity == self.saved.target else f"the {_lower(self.quantity)}"
        errors = self.saved.summary()[self.saved.model]
        where = f"{self.basis} ({len(self.rows):,} predictions, {self.repeats})"
        if self.classes and "accuracy" in errors:
            return f"{percent(errors['accuracy']['mean'])} of the predicted classes of {named} are correct {where}."
        mean = errors[self.saved.headline]["mean"]
        size = f"a factor of {10**mean:.2f}" if self.log else f"{mean:.3g} {self.saved.unit}".rstrip()
        kind = "root-mean-square" if "rmse" in self.saved.headline else "average"
        return f"Predictions of {named} are off by {size} on {kind} {where}.".replace("on average on", "on average, on")

    @property
    def facts(self) -> str:
        """The data and the model, in a line."""
        rows, source = self.metrics["rows"], self.metrics["provenance"]["data"]["file"]
        counts = f"{rows['used']:,} crystals, {rows['train']:,} training rows"
        return f"{self.saved.model}, {source}: {counts}, {self.repeats}"

    def findings(self) -> Section:
        """Return the comparison, the intervals, what the pretrained networks contribute, and warnings."""
        blend = self.metrics.get("blend", {})
        verdict = self.metrics["verdict"]
        points = [self._intervals(), blend.get("transfer", ""), blend.get("model", ""), *self.metrics["warnings"]]
        lost = (each["left_out"] for each in blend.get("per_seed", ()))
        points += dict.fromkeys(f"{name} was left out: {why}" for each in lost for name, why in each.items())
        return Section("In short", [verdict] if verdict else [], points=list(map(sentence, filter(None, points))))

    def _intervals(self) -> str:
        found = self.metrics["intervals"]
        width = found.get("half_width", {})  # classes have none
        sizes = [each for each in width.get("per_seed", ()) if each is not None]
        if not sizes:
            return ""
        level, mean = width["level"], float(np.mean(sizes))
        size = f"a factor of {10**mean:.3g}" if self.log else f"± {mean:.3g} {self.saved.unit}".rstrip()
        named = f"{percent(level, 0)} intervals"
        measured = next(each["measured"] for each in found["coverage"] if each["level"] == level)
        if measured is None:
            return f"{named} are {size} on average; there are no test rows to measure their coverage"
        return f"{percent(measured)} of the test rows lie inside their {named} ({size})"

    def pictures(self, folder: Path) -> list[Saved]:
        """Draw the predictions and the errors by element; return them with the pictures of the run."""
        saved = []
        if not self.classes:
            parity = figures.parity(
                self.rows["target"].to_numpy(dtype=np.float64),
                self.rows["prediction"].to_numpy(dtype=np.float64),
                quantity=self.quantity,
                unit=self.saved.unit,
                log=self.log,
                method=self.saved.model,
                basis=self.basis,
            )
            saved.append(parity.save(folder, "parity"))
        elements = figures.element_errors(
            [_elements(formula) for formula in self.unseen["formula"]],
            self._errors(self.unseen),
            error_label=f"mean {self._error_label}",
            basis=self.unseen_basis,
        )
        saved += [
            Saved(self.saved.folder, name, title, alt, caption)
            for name, title, alt, caption in _DRAWN
            if (self.saved.folder / f"{name}.png").exists()
        ]
        return [*saved, elements.save(folder, "elements")]

    @property
    def _error_label(self) -> str:
        if self.classes:
            return "log-loss"
        return error_label(self.quantity, self.saved.unit, log=self.log)

    def _errors(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Return the errors by which the rows are ranked."""
        if self.classes:
            truth = [self.classes.index(label) for label in table["target"]]
            return row_errors(truth, table[probability_columns(self.classes)].to_numpy(dtype=np.float64))
        return row_errors(table["target"], table["prediction"], log10=self.log)

    def tables(self) -> list[Table]:
        """Return the tables of errors, worst rows, elements, members and intervals."""
        header, rows = comparison_rows(self.saved)
        note = f"Mean ± sample standard deviation, {self.repeats}." if not self.repeats.startswith("1 ") else ""
        found = [Table(f"Errors {self.basis}", header, rows, note), self._worst(), self._by_element()]
        if weights := self.metrics.get("blend", {}).get("weights"):
            shown = [[name, f"{100 * weight:.0f} %"] for name, weight in weights.items() if weight >= SMALLEST]
            note = "Weights come from out-of-fold predictions, and never saw a test row."
            found.append(Table("Members of the blend", ["member", "weight"], shown, note))
        if coverage := self.metrics["intervals"].get("coverage"):
            shown = [[percent(each["level"], 0), _percent(each["measured"])] for each in coverage]
            rule = sentence(self.metrics["intervals"]["rule"])
            found.append(Table("Coverage of the intervals", ["level asked for", "test rows inside"], shown, rule))
        return found

    def _worst(self) -> Table:
        header = ["id", "formula", with_unit("target", self.saved.unit), "prediction", self._error_label]
        errors = self._errors(self.unseen)
        rows = []
        for place in np.argsort(-errors, kind="stable")[:WORST]:
            row = self.unseen.iloc[place]
            numbers = [str(row[name]) if self.classes else f"{row[name]:.5g}" for name in ("target", "prediction")]
            rows.append([str(row["id"]), _reduced(str(row["formula"])), *numbers, f"{errors[place]:.3g}"])
        note = f"{sentence(self.unseen_basis)} An error far larger than the others is often a mistake in the table."
        return Table("Rows that the model predicts worst", header, rows, note)

    def _by_element(self) -> Table:
        worst = worst_elements(map(_elements, self.unseen["formula"]), self._errors(self.unseen))
        rows = [[name, str(count), f"{mean:.3g}"] for name, count, mean in worst]
        note = f"The {len(rows)} elements with the largest errors among those in at least {MIN_OF_ELEMENT} rows."
        return Table("Errors by element", ["element", "rows", f"mean {self._error_label}"], rows, note)

    def data(self) -> Section:
        """Return where the rows came from, and how they were split."""
        rows, data = self.metrics["rows"], self.metrics["provenance"]["data"]
        target = with_unit(self.saved.target, self.saved.unit)
        kinds = {"train": "training", "validation": "validation", "test": "test"}
        parts = [f"{rows[name]:,} {kind}" for name, kind in kinds.items() if rows[name]]
        points = [
            f"{data['file']}: {rows['used']:,} rows used, {rows['rejected']:,} rejected. Target: {target}.",
            f"Rows of the first split: {listed(parts)}. Split: {self.metrics['split']}.",
            f"SHA-256 {data['sha256']}",
        ]
        return Section("Data", points=points)

    def origin(self) -> Section:
        """Return the networks that the run started from, and the versions of what computed it."""
        provenance = self.metrics["provenance"]
        backbone = provenance["backbone"]
        rows = [["backbone", backbone["name"], backbone["sha256"]]] if backbone else []
        rows += [["frozen expert", name, digest] for name, digest in provenance["experts"].items()]
        tables = [Table("Pretrained networks", ["use", "name", "SHA-256 of the weights"], rows)] if rows else []
        versions = [f"{name} {version}" for name, version in self.metrics["versions"].items()]
        points = [f"Mode: {provenance['mode']}."] if provenance["mode"] else []
        points += [f"Versions: {', '.join(versions)}."]
        points += ["metrics.json has all numbers, splits.json the identifiers of all rows, README.md the model card."]
        return Section("Provenance", points=points, tables=tables)


_DRAWN = (
    (
        "coverage",
        "Coverage of the intervals",
        "Fraction of the test rows inside their intervals, against the level asked for; the line is what was promised.",
        "Measured against nominal coverage; the band holds 95 % of the seeds if all rows are exchangeable.",
    ),
    (
        "confusion",
        "Confusion matrix",
        "Number of rows of each true class that were predicted as each class; the table of errors has the accuracy.",
        "Rows: the true class; columns: the predicted one.",
    ),
    (
        "reliability",
        "Reliability of the probabilities",
        "Frequency with which predicted classes are right, against their predicted probabilities; the line is ideal.",
        "Predicted probability against frequency.",
    ),
)
"""Pictures in a run's folder: name, title, alternative text, caption."""


def _elements(formula: str) -> list[str]:
    return re.findall(r"[A-Z][a-z]?", formula)


def _reduced(formula: str) -> str:
    """Return a formula as it is usually written: "O3 Sb2" → "Sb2O3"."""
    from pymatgen.core import Composition

    usual: str = Composition(formula).reduced_formula
    return usual


def _lower(label: str) -> str:
    """Write a label inside a sentence: "Bulk modulus K_VRH" → "bulk modulus K_VRH"."""
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def _percent(value: float | None) -> str:
    return "n/a" if value is None else percent(value)
