"""The result of a run of several targets, as its folder tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo._utils.wording import as_html, counted, format_headline
from zoo.errors import InputError
from zoo.jobs.finetune.result import SavedResult
from zoo.jobs.predict.joint import read_folders

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from zoo.data.tables.records import Rejection


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
    def load(cls, folder: Path) -> JointResult:
        """Read the folder of a run of several targets.

        Raises
        ------
        InputError
            If it is none.
        """
        below = read_folders(folder)
        if below is None:
            raise InputError(f"{folder} is not the folder of a run of several targets")
        return cls(folder, {target: SavedResult.read(path) for target, path in below.items()})

    @property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` of each target holds, by target."""
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
        repeats = counted(len(first.metrics["seeds"]), "fold" if "folds" in first.metrics else "seed")
        return f"Errors {first.basis}, {repeats}"

    def lines(self) -> list[str]:
        """Return the verdict on each target, and the coverage of its intervals."""
        found = []
        for target, result in self.results.items():
            blend = result.metrics.get("blend", {})
            said = [blend.get("model", ""), blend.get("transfer", ""), _coverage(result)]
            said = [f"{each[0].upper()}{each[1:]}." for each in said if each]
            if told := [*filter(None, [str(result.metrics.get("verdict", ""))]), *said]:
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
    for each in result.metrics.get("intervals", {}).get("coverage", []):
        if each["level"] == 0.9 and each["measured"] is not None:
            return f"{each['measured']:.1%} of the test rows lie inside their 90% intervals"
    return ""
