"""What the regressor and the classifier share: fitting by the job of ``zoo finetune``, prediction, saving, pickling."""

from __future__ import annotations

import json
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from io import BytesIO
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from zoo.errors import InputError
from zoo.jobs.estimators import rows
from zoo.registry.task_choice import chosen, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from zoo.data.tables.records import Record
    from zoo.jobs.estimators.rows import Targets
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.predict.model import Model
    from zoo.registry.contracts import Task


class CrystalEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """Base class; subclasses declare the parameters, and say what the task and the targets are."""

    task: Any
    backbone: str | None
    mode: str
    seeds: int
    epochs: int | None
    beside: str | Sequence[str]
    fast: bool
    random_state: Any
    device: Any
    verbose: int
    on_error: Any

    @abstractmethod
    def _targets(self, y: Any, name: str) -> Targets:
        """Return the targets of all rows, and the options that describe their task; `name` is the property's name."""

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:  # noqa: N803
        """Fit the model to crystals and their targets; all rows train.

        Parameters
        ----------
        X : sequence of n crystals
            pymatgen Structures, ASE Atoms, ``zoo.Crystal``, dictionaries, CIF or POSCAR text, or paths; in a list,
            array, Series or data frame of one column. Texts that label a Series name the rows.
        y : sequence of n targets
            The name of a Series names the property.
        groups : sequence of n values, optional
            Crystals of one group are never separated by a cross-fit, for example those of one composition. A row
            without a group cannot be used.

        Returns
        -------
        self

        Raises
        ------
        InvalidDataError
            If crystals, targets or parameters cannot be used; the message names the position. Nothing is changed then.
        UnknownNameError, TrainingError
            If nothing has the name that a parameter gives, or if the training diverges. Both are ValueErrors.
        """
        with rows.value_errors(), tempfile.TemporaryDirectory() as folder:
            rows.warn_if_shuffled(X, y)
            targets = self._targets(y, str(getattr(y, "name", None) or "target"))
            crystals, skipped = rows.read(X, self.on_error)
            total = len(crystals) + len(skipped)
            records, problems = targets.given_to(crystals, total, groups)
            rows.refuse_or_skip(problems, total, self.on_error)
            options, rejected = self._options(targets, records, total)
            run = Path(folder) / name_of(options.choice)
            task = self._run(options, run)
            files = {path.name: path.read_bytes() for path in sorted(run.iterdir())}
            model = _load(run, self.device)
        self._files: dict[str, bytes] = files
        self._model: Model | None = model
        self.task_, self.skipped_ = task, skipped | problems | rejected
        for name, value in targets.fitted.items():
            setattr(self, name, value)
        return self

    def _options(self, targets: Targets, records: Sequence[Record], total: int) -> tuple[Options, dict[int, str]]:
        """Return the options of the job, whose table holds only rows that can be used, and why others cannot."""
        from zoo.data.tables.table import Table
        from zoo.jobs.finetune.options import Options
        from zoo.jobs.finetune.splitting import read_dataset
        from zoo.jobs.finetune.start import prepare

        asked = Options(
            data=Table.of(records, targets.name, name=rows.NAME),
            backbone=self.backbone,
            mode=self.mode,
            seeds=self.seeds,
            seed=self._seed(),
            test=0.0,
            epochs=self.epochs,
            beside=self._featurizers(),
            fast=self.fast,
            max_rejected=1.0,
            **targets.options,
        )
        table, _, _ = read_dataset(asked, chosen(asked.choice), prepare(asked))
        rejected = rows.by_position(table.rejected)
        rows.refuse_or_skip(rejected, total, self.on_error)
        return (
            replace(asked, data=Table.of(table.records, targets.name, name=rows.NAME)) if rejected else asked
        ), rejected

    def _featurizers(self) -> tuple[str, ...]:
        if isinstance(self.beside, str):
            return (self.beside,)
        if not isinstance(self.beside, Iterable):
            raise InputError(f"beside={self.beside!r}: must be the name of a featurizer, or a list of them")
        return tuple(self.beside)

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        try:
            return int(check_random_state(self.random_state).randint(2**31 - 1))
        except ValueError:
            known = "a whole number, a NumPy RandomState or None"
            raise InputError(f"random_state={self.random_state!r}: must be {known}") from None

    def _run(self, options: Options, folder: Path) -> Task:
        """Run the job of ``zoo finetune``, and return the task that it used."""
        from zoo.jobs.finetune.result import Result
        from zoo.jobs.finetune.run import finetune

        quiet = not self.verbose
        result = finetune(options, folder, device=self.device, quiet=quiet, say=None if quiet else _say)
        assert isinstance(result, Result)  # of one target
        return result.task

    @property
    def model_(self) -> Model:
        """The fitted model, as :func:`zoo.load` would return it from the saved run."""
        check_is_fitted(self)
        if self._model is None:  # after unpickling
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / self.task_.name
                self._write(run)
                self._model = _load(run, self.device)
        return self._model

    @property
    def metrics_(self) -> dict[str, Any]:
        """Errors, weights of the members and provenance: ``metrics.json`` of the run."""
        check_is_fitted(self)
        found: dict[str, Any] = json.loads(self._files["metrics.json"])
        return found

    @property
    def out_of_fold_(self) -> pd.DataFrame:
        """Out-of-fold prediction, interval and error of each training row: ``out_of_fold.csv`` of the run."""
        from zoo.jobs.reports.saved_runs import read_rows

        check_is_fitted(self)
        if "out_of_fold.csv" not in self._files:
            raise InputError(f"mode {self.mode!r} fits once, so no row has an out-of-fold prediction; use mode 'blend'")
        return read_rows(BytesIO(self._files["out_of_fold.csv"]), classes=bool(self.task_.classes))

    def predict_frame(self, X: Any, interval: float | None = None) -> pd.DataFrame:  # noqa: N803
        """Predict with all columns of ``predictions.csv``.

        Parameters
        ----------
        X : sequence of n crystals
            As in :meth:`fit`.
        interval : float, optional
            Level of the intervals, for example 0.9.

        Returns
        -------
        DataFrame of n rows
            ``id`` (the label of a Series or the position), the prediction and what belongs to it, ``note``,
            ``formula`` and ``atoms``. With ``on_error="skip"``, a crystal that cannot be used has no prediction, and
            its note says why. The index is that of a Series or data frame.
        """
        import pandas as pd

        from zoo.data.graphs.memory import memory
        from zoo.jobs.predict.columns import in_chunks
        from zoo.jobs.predict.files import READ_COLUMNS

        check_is_fitted(self)
        model, found = self.model_, {}
        with rows.value_errors():
            model.check_interval(interval)
            given = rows.converted(X, self.on_error)
            failed: dict[int, str] = {}
            predicted = in_chunks(given.crystals, partial(model.predict_each, interval=interval, memory=memory))
            for place, (crystal, row) in enumerate(zip(given.crystals, predicted, strict=True)):
                position = given.positions[place]
                if isinstance(row, InputError):
                    failed[position] = str(row)
                else:
                    content = {"formula": crystal.formula, "atoms": len(crystal)}
                    found[position] = {"id": given.ids[place], **row, **content}
            rows.refuse_or_skip(failed, len(given.crystals) + len(given.skipped), self.on_error)
        for position, reason in (given.skipped | failed).items():
            name = position if given.index is None else given.index[position]
            found[position] = {"id": str(name), "note": reason}
        names = [*model.columns(interval), *READ_COLUMNS]
        return pd.DataFrame([found[position] for position in sorted(found)], given.index, names)

    def save(self, folder: str | Path) -> Path:
        """Write the folder of a run, as ``zoo finetune`` does; :func:`zoo.load` reads it.

        Parameters
        ----------
        folder : str or Path
            Must not exist.

        Returns
        -------
        Path
        """
        check_is_fitted(self)
        folder = Path(folder)
        if folder.exists():
            raise InputError(f"{folder} exists; give another folder, or remove it")
        self._write(folder)
        return folder

    def _write(self, folder: Path) -> None:
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(parents=True)
        for name, content in self._files.items():
            (partial / name).write_bytes(content)
        partial.rename(folder)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_files")

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters and the files of the run: safetensors, JSON and text."""
        state = dict(super().__getstate__())
        if "_model" in state:
            state["_model"] = None
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


def _load(folder: Path, device: Any) -> Model:
    from zoo.jobs.predict.model import load

    return load(folder, device=device)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
