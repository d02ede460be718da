"""Finished fits of a run or a study, stored on disk so that it resumes after an interruption.

A fit is one method on one split. It is written when finished: the tensors of its network as safetensors, the rest as
JSON. The JSON file is written last and marks the fit as finished.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from zoo._utils import files, resuming
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError, InputError
from zoo.jobs.methods import Outcome
from zoo.models.architecture import Architecture
from zoo.models.checkpoint import networks
from zoo.models.regression.blends import WeightedRegressor
from zoo.models.regression.classifiers import from_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.jobs.fit_store.history import LiveHistory

SETTINGS = "settings.json"

_log = logging.getLogger("zoo")


class FitStore:
    """Folder of finished fits, valid for the settings with which they were computed.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    settings : dict, optional
        JSON settings that determine every fit, written to ``settings.json``. None if the caller keeps them.
    resume : bool
        Continue with the existing fits. Otherwise existing fits are an error, so that none are lost by accident.
    history : LiveHistory, optional
        Where fits report their validations.

    Raises
    ------
    InputError
        If the folder holds fits and `resume` is false, or the fits were computed with other settings (the message
        names them).
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any] | None = None,
        *,
        resume: bool,
        history: LiveHistory | None = None,
    ) -> None:
        self.folder, self.history = folder, history
        note = folder / SETTINGS
        if any(path != note for path in folder.glob("*")):
            if not resume:
                raise InputError(f"{folder} holds an unfinished run; give --resume to continue it, or remove it")
        else:
            note.unlink(missing_ok=True)  # no fits depend on these settings yet
        folder.mkdir(parents=True, exist_ok=True)
        if settings is not None:
            resuming.check_settings(note, settings)
        if history:
            history.start()

    @staticmethod
    def count(folder: Path) -> int:
        """Return the number of finished fits in a folder, which need not exist."""
        return sum(path.name != SETTINGS for path in folder.glob("*.json"))

    @contextmanager
    def working(self, name: str) -> Iterator[Path]:
        """Provide a scratch folder for a fit, removed afterwards."""
        path = self.folder / f"{name}.work"
        path.mkdir(exist_ok=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def get_json(self, name: str) -> dict[str, Any] | None:
        """Read the values of a finished fit; None if it is missing or damaged (which is logged)."""
        path = self.folder / f"{name}.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            values = None
        if not isinstance(values, dict):
            _log.warning("%s is damaged and is computed again", path)
            return None
        return values

    def put_json(self, name: str, values: dict[str, Any]) -> None:
        """Write the values of a finished fit atomically; NaN and infinity, which JSON lacks, become null."""
        files.write_text(self.folder / f"{name}.json", networks.to_json(finite_json(values)))

    def get(self, name: str) -> Outcome | None:
        """Read a finished fit; None if it is missing or damaged (which is logged)."""
        values = self.get_json(name)
        if values is None:
            return None
        try:
            fitted = {key: values.pop(key) for key in ("architecture", "scaler", "others", "seed", "temperature")}
            regressor = values.pop("regressor")
            values["predictions"] = np.array(values["predictions"], dtype=np.float64)  # None becomes NaN
            return Outcome(
                **values,
                member=self._member(name, **fitted) if fitted["scaler"] else None,
                regressor=self._regressor(name, regressor) if regressor else None,
            )
        except (CheckpointError, SafetensorError, OSError, KeyError, TypeError, ValueError):
            _log.warning("%s is damaged and is computed again", self.folder / name)
            return None

    def put(self, name: str, outcome: Outcome) -> None:
        """Write a finished fit."""
        member, regressor = outcome.member, outcome.regressor
        if regressor:
            files.write_bytes(self.folder / f"{name}.safetensors", to_bytes(regressor.regressor.tensors()))
        if member:
            networks.write_network(member.network, self.folder / f"{name}.safetensors")
        values = {
            "predictions": outcome.predictions.tolist(),
            "history": outcome.history,
            "best_epoch": outcome.best_epoch,
            "seconds": outcome.seconds,
            "parameters": outcome.parameters,
            "architecture": member.network.architecture.model_dump() if member else None,
            "scaler": asdict(member.scaler) if member else None,
            "others": [asdict(each) for each in member.others] if member else [],
            "seed": member.seed if member else 0,
            "temperature": member.temperature if member else 1.0,
            "regressor": {
                "name": regressor.name,
                **regressor.regressor.described(),
                "scaler": asdict(regressor.scaler),
                "featurizers": regressor.featurizers,
                "experts": regressor.experts,
            }
            if regressor
            else None,
        }
        self.put_json(name, values)

    def _member(
        self, name: str, architecture: Any, scaler: Any, others: Any, seed: int, temperature: float
    ) -> networks.Member:
        network = networks.load_network(self.folder / f"{name}.safetensors", Architecture.model_validate(architecture))
        further = tuple(TargetScaler(**each) for each in others)
        return networks.Member(network, TargetScaler(**scaler), seed, further, temperature=temperature)

    def _regressor(self, name: str, kept: dict[str, Any]) -> WeightedRegressor:
        return WeightedRegressor(
            kept["name"],
            from_tensors(
                load_file(self.folder / f"{name}.safetensors"),
                kept["kind"],
                kept.get("parts", ()),
                kept.get("link", "softmax"),
            ),
            TargetScaler(**kept["scaler"]),
            0.0,
            tuple(kept["featurizers"]),
            tuple(kept["experts"]),
        )

    def discard(self) -> None:
        """Remove the folder with all fits."""
        shutil.rmtree(self.folder)


def finite_json(value: Any) -> Any:
    """Return a JSON value with None in place of every NaN and infinity, at any depth."""
    if isinstance(value, dict):
        return {name: finite_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
