"""Results of runs, read from their folders, and the tables in these folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._utils.python_api import public
from zoo._utils.wording import as_html, counted, format_headline, percent, sentence
from zoo.analysis.comparisons import Comparison
from zoo.errors import InputError
from zoo.jobs.predict.joint import read_folders
from zoo.jobs.reports.comparison_table import PART, comparison_rows

if TYPE_CHECKING:
    from typing import BinaryIO

    import pandas as pd

    from zoo.data.tables.records import Rejection

KEYS = {
    *("task", "target", "unit", "model", "headline", "rows", "warnings", "seeds", "split", "methods", "verdict"),
    *("intervals", "provenance", "versions"),
}
"""Keys that every ``metrics.json`` has."""


@dataclass(frozen=True, eq=False)
class SavedResult:
    """The result of a fine-tuning, read from its folder; ``zoo.load(folder)`` is the model.

    Parameters
    ----------
    folder : Path
    metrics : dict
        The content of ``metrics.json``.
    """

    folder: Path
    metrics: dict[str, Any]

    @classmethod
    @public("SavedResult.read")
    def read(cls, folder: str | Path) -> SavedResult:
        """Read the folder of a run; raises `InputError` if it is not one."""
        folder = Path(folder)
        path = folder / "metrics.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not (isinstance(found, dict) and found.keys() >= KEYS):
                raise InputError(f"{path} does not describe a run")
        except FileNotFoundError:
            raise InputError(f"{folder} is not the folder of a run: metrics.json is missing") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}") from None
        return cls(folder, found)

    @property
    def model(self) -> str:
        """Name of the run's model among the methods."""
        return str(self.metrics["model"])

    @property
    def target(self) -> str:
        """Column of the target."""
        return str(self.metrics["target"])

    @property
    def unit(self) -> str:
        """Unit of the target."""
        return str(self.metrics["unit"])

    @property
    def headline(self) -> str:
        """Name of the task's error metric; see :attr:`Result.headline`."""
        return str(self.metrics["headline"])

    @property
    def basis(self) -> str:
        """What the errors are measured on; see :attr:`Result.basis`."""
        return next(basis for basis, part in PART.items() if part in self.metrics["methods"][self.model])

    @property
    def repeats(self) -> str:
        """Number of seeds or folds; see :attr:`Result.repeats`."""
        return counted(len(self.metrics["seeds"]), "fold" if "folds" in self.metrics else "seed")

    @cached_property
    def errors(self) -> dict[str, list[dict[str, float]]]:
        """Errors by method, one dict per seed; see :attr:`Result.errors`."""
        summary = self.summary()
        return {
            method: [{name: _number(each.get(name)) for name in summary[method]} for each in found["per_seed"]]
            for method, found in self.metrics["methods"].items()
        }

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the mean and standard deviation over seeds, by method and error; see :meth:`Result.summary`."""
        return {
            method: {
                name: {key: _number(value) for key, value in error.items()}
                for part, errors in found.items()
                if part != "per_seed"
                for name, error in errors.items()
            }
            for method, found in self.metrics["methods"].items()
        }

    @property
    def headline_comparisons(self) -> dict[str, Comparison]:
        """Comparisons of the task's error metric with training from scratch; see `Result`."""
        name = self.headline
        kept = "against_scratch" if name in ("mae", "log_loss") else f"against_scratch_{name.removeprefix('mae_')}"
        return {method: Comparison(**each) for method, each in self.metrics.get(kept, {}).items()}

    def frame(self) -> pd.DataFrame:
        """Return the predictions of all methods for all rows; see :meth:`Result.frame`."""
        import pandas as pd

        classes = "classes" in self.metrics
        own = read_rows(self.folder / "predictions.csv", classes=classes)
        own.insert(0, "method", self.model)
        others = self.folder / "comparison.csv"
        return pd.concat([own, read_rows(others, classes=classes)], ignore_index=True) if others.exists() else own

    def __repr__(self) -> str:
        error = format_headline(self.headline, self.summary()[self.model], self.unit)
        return f"<Result of {self.folder}: {self.target} by {self.model}, {error}>"

    def _repr_html_(self) -> str:
        """Return the table of errors and the verdict, for notebooks."""
        title = f"{self.target} by {self.model}: {counted(len(self.errors[self.model]), 'repetition')}, {self.folder}"
        return as_html(title, None, *comparison_rows(self), [self.metrics["verdict"]])


@dataclass(frozen=True, eq=False)
class JointResult:
    """The results of all targets; ``zoo.load(folder)`` is the model.

    Parameters
    ----------
    folder : Path
    results : dict of str to SavedResult
        By the column of the target, in the order in which they were given.
    rejected : list of Rejection
        Rows that no target uses, and values that cannot be used, of a run that has just finished.
    """

    folder: Path
    results: dict[str, SavedResult]
    rejected: list[Rejection] = field(default_factory=list)

    @classmethod
    @public("JointResult.load")
    def load(cls, folder: str | Path) -> JointResult:
        """Read the folder of a run of several targets.

        Raises
        ------
        InputError
            If it is not one.
        """
        folder = Path(folder)
        below = read_folders(folder)
        if below is None:
            raise InputError(f"{folder} is not the folder of a run of several targets")
        return cls(folder, {target: SavedResult.read(path) for target, path in below.items()})

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of each target's ``metrics.json``, by target."""
        return {"targets": {target: each.metrics for target, each in self.results.items()}}

    def summary(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """Return the mean and standard deviation over seeds, by target, method and error; see `Result.summary`."""
        return {target: each.summary() for target, each in self.results.items()}

    def frame(self) -> pd.DataFrame:
        """Return the predictions of all methods for all rows that have a value.

        Returns
        -------
        DataFrame
            Columns ``property`` and those of :meth:`zoo.Result.frame`.
        """
        import pandas as pd

        parts = []
        for target, each in self.results.items():
            part = each.frame()
            part.insert(0, "property", target)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and rows of a table with a row for each target and method."""
        header = ["target", "rows", "method", "error", "R²"]
        rows = []
        for target, result in self.results.items():
            for method, errors in result.summary().items():
                shown = format_headline(result.headline, errors, result.unit)
                used = f"{result.metrics['rows']['used']:,}"
                first = [target, used] if method == result.model else ["", ""]
                rows.append([*first, method, shown, f"{errors['r2']['mean']:.4g}"])
        return header, rows

    @property
    def title(self) -> str:
        """What the errors are measured on, for example "Errors on test rows, 5 seeds"."""
        first = next(iter(self.results.values()))
        return f"Errors {first.basis}, {first.repeats}"

    def lines(self) -> list[str]:
        """Return the verdict on each target, and the coverage of its intervals."""
        found = []
        for target, result in self.results.items():
            blend = result.metrics.get("blend", {})
            said = [blend.get("model", ""), blend.get("transfer", ""), _coverage(result)]
            told = [*filter(None, [result.metrics["verdict"], *map(sentence, said)])]
            if told:
                found.append(f"{target}: {' '.join(told)}")
        return found

    def __repr__(self) -> str:
        parts = []
        for target, result in self.results.items():
            error = format_headline(result.headline, result.summary()[result.model], result.unit)
            parts.append(f"{target} {error}")
        return f"<JointResult of {self.folder}: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        """Return the table of errors and the verdicts, for notebooks."""
        return as_html(f"{', '.join(self.results)}: {self.folder}", None, *self.rows(), self.lines())


def _coverage(result: SavedResult) -> str:
    for each in result.metrics["intervals"]["coverage"]:
        if each["level"] == 0.9 and each["measured"] is not None:
            return f"{percent(each['measured'])} of the test rows lie inside their 90 % intervals"
    return ""


def read_rows(source: Path | BinaryIO, *, classes: bool) -> pd.DataFrame:
    """Read the rows of a CSV file of a run.

    Ids, formulas and labels are texts, whatever they are: the formula NaN, and a class NA or 1.

    Parameters
    ----------
    source : Path or file
        ``predictions.csv``, ``comparison.csv`` or ``out_of_fold.csv``.
    classes : bool
        Whether targets and predictions are labels.
    """
    import pandas as pd

    texts = dict.fromkeys(("id", "unit", "formula", *(("target", "prediction") if classes else ())), str)
    return pd.read_csv(source, dtype=texts, keep_default_na=False, na_values=[""]).fillna({"unit": ""})


def _number(value: float | None) -> float:
    return nan if value is None else float(value)
