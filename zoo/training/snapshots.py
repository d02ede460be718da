"""Snapshots of an unfinished fit, written atomically every few minutes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from zoo._utils import files
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

SNAPSHOT = "snapshot.safetensors"
"""File name of a snapshot."""

MINUTES = 3.0
"""Minutes between two snapshots within an epoch."""

SECONDS = 10.0
"""Minimum seconds between snapshots after validations, for fits with frequent validations."""


class Clock:
    """Timer of snapshots.

    Parameters
    ----------
    minutes : float
        Between two snapshots within an epoch.
    """

    def __init__(self, minutes: float) -> None:
        self._seconds = 60 * minutes
        self._last = time.monotonic()

    def due(self, *, validated: bool) -> bool:
        """Return whether a snapshot is due, after a validation or within an epoch."""
        wait = min(self._seconds, SECONDS) if validated else self._seconds
        return time.monotonic() - self._last >= wait

    def restart(self) -> None:
        """Restart the timer."""
        self._last = time.monotonic()


def write_snapshot(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a snapshot to a temporary file, then replace the previous one.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to tensor
    values : mapping of str to JSON-able value

    Raises
    ------
    InputError
        If the disk is full, or the folder cannot be written; the previous snapshot is kept.
    """
    from safetensors.torch import save

    data = save(dict(tensors), {"values": json.dumps(values)})
    try:
        files.write_bytes(path, data)
    except OSError as error:
        kept = f"{path.name} still holds the previous snapshot; " if path.exists() else ""
        raise InputError(
            f"{path} cannot be written: {error.strerror}; {kept}free some space, then continue with --resume"
        ) from error


def read_snapshot(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and values of a snapshot.

    Raises
    ------
    InputError
        If it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            values: dict[str, Any] = json.loads(file.metadata()["values"])
            return {name: file.get_tensor(name) for name in file.keys()}, values  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged; remove {path.parent.parent} to start again") from error
