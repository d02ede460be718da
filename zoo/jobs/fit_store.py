"""Finished parts of a run, kept on disk so that a run that was cut off can go on.

A cell is one method on one seed. It is written whole when it is done: its tensors as safetensors, the rest as
JSON.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import files, resuming
from zoo.data.scaling import TargetScaler
from zoo.errors import InputError
from zoo.jobs.methods import Outcome
from zoo.models.architecture import Architecture
from zoo.models.checkpoint import networks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class CellStore:
    """A folder of finished cells, bound to the settings that they were computed with.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    settings : dict
        JSON-able settings of the run.
    resume : bool
        Go on with what is there. Otherwise an unfinished run is an error, so that nobody loses hours by accident;
        unless nothing of it is there, because no fit of it has begun, or the only one failed.

    Raises
    ------
    InputError
        If an unfinished run is there and `resume` is false, or its settings are others; names the settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], *, resume: bool) -> None:
        self.folder = folder
        note = folder / "settings.json"
        if [path for path in folder.glob("*") if path != note]:
            if not resume:
                raise InputError(f"{folder} holds an unfinished run; give --resume to go on with it, or remove it")
        else:
            note.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        resuming.check_settings(note, settings)

    @contextmanager
    def working(self, name: str) -> Iterator[Path]:
        """Give scratch space to a cell; it is gone afterwards, and what is left of it tells of a process killed."""
        path = self.folder / f"{name}.work"
        path.mkdir(exist_ok=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def get(self, name: str) -> Outcome | None:
        """Read a finished cell, or return None if it has not been computed."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
        scaler, seed, architecture = data.pop("scaler"), data.pop("seed"), data.pop("architecture")
        member = None
        if scaler:
            network = networks.load_network(path.with_suffix(".safetensors"), Architecture(**architecture))
            member = networks.Member(network, TargetScaler(**scaler), seed)
        predictions = np.array([np.nan if value is None else value for value in data.pop("predictions")])
        return Outcome(predictions=predictions, member=member, **data)

    def put(self, name: str, outcome: Outcome) -> None:
        """Write a finished cell; the JSON file, which marks it as finished, comes last."""
        member = outcome.member
        if member:
            networks.write_network(member.network, self.folder / f"{name}.safetensors")
        data = {
            "predictions": [None if np.isnan(value) else float(value) for value in outcome.predictions],
            "history": [
                {key: (value if np.isfinite(value) else None) for key, value in row.items()} for row in outcome.history
            ],
            "best_epoch": outcome.best_epoch,
            "seconds": outcome.seconds,
            "parameters": outcome.parameters,
            "architecture": member.network.architecture.to_dict() if member else None,
            "scaler": asdict(member.scaler) if member else None,
            "seed": member.seed if member else 0,
        }
        files.write_text(self.folder / f"{name}.json", networks.to_json(data))

    def discard(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder)
