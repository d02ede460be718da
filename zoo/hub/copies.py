"""Pulling several checkpoints at once, and copying them to folders."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils.files import write_bytes
from zoo.errors import InputError, IntegrityError, ZooError
from zoo.hub import pull
from zoo.hub.client import no_bars
from zoo.models.checkpoint import weights
from zoo.registry import backbones
from zoo.registry.cards import REQUIRED_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.hub.pull import OriginChoice, Pulled

AT_ONCE = 4
"""Number of checkpoints pulled at the same time."""


def available() -> list[str]:
    """Return the names of all registered backbones with available weights."""
    return [name for name, card in backbones.named().items() if pull.status(card) != "not published yet"]


def pull_all(
    refs: Sequence[str],
    *,
    source: OriginChoice = "auto",
    force: bool = False,
    to: Path | None = None,
    quiet: bool = False,
) -> Iterator[tuple[str, Pulled | ZooError]]:
    """Pull several checkpoints at the same time; one that fails does not stop the others.

    Parameters
    ----------
    refs : sequence of str
        As for :func:`zoo.hub.pull.pull`.
    source, force
        As for :func:`zoo.hub.pull.pull`.
    to : Path, optional
        Also copy the checkpoint into this folder; several checkpoints go into subfolders with their names.
    quiet : bool
        Show no progress bars.

    Yields
    ------
    ref : str
        In the order of `refs`.
    pulled : Pulled or ZooError
        The local checkpoint, or the error.
    """
    refs = list(dict.fromkeys(refs))
    with no_bars() if quiet else contextlib.nullcontext(), ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(contextvars.copy_context().run, _pull, ref, source, force) for ref in refs]
        for ref, future in zip(refs, futures, strict=True):
            try:
                pulled = future.result()
                if to is not None:
                    folder = to / pulled.name.replace("/", "--") if len(refs) > 1 else to
                    pulled = copy(pulled, folder, force=force)
                yield ref, pulled
            except ZooError as error:
                yield ref, error


def copy(pulled: Pulled, folder: Path, *, force: bool = False) -> Pulled:
    """Copy a checkpoint and its card into a folder, each file atomically.

    Parameters
    ----------
    pulled : Pulled
    folder : Path
        Created if it does not exist.
    force : bool
        Overwrite another checkpoint in the folder.

    Raises
    ------
    InputError
        If the folder holds another checkpoint, or cannot be written.
    IntegrityError
        If a file has changed since it was checked.
    """
    files = {name: _read(pulled, name) for name in (*REQUIRED_FILES, "README.md")}
    if pulled.card is not None and pulled.card.source:
        files["README.md"] = Path(pulled.card.source).read_bytes()
    for name in REQUIRED_FILES:
        path = folder / name
        if not force and path.exists() and path.read_bytes() != files[name]:
            raise InputError(f"{folder} holds another checkpoint; choose another folder, or overwrite it with --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The configuration comes last: a folder without it is not a checkpoint.
        for name in sorted(files, key=lambda name: name == "config.json"):
            data = files[name]
            if data is not None:
                write_bytes(folder / name, data)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from error
    return replace(pulled, directory=folder)


def _pull(ref: str, source: OriginChoice, force: bool) -> Pulled:
    pulled = pull.pull(ref, source=source, force=force)
    if ref.startswith("hf://"):  # configuration and tensors have not been checked yet
        weights.read(pulled.directory)
    return pulled


def _read(pulled: Pulled, name: str) -> bytes | None:
    path = pulled.directory / name
    if not path.is_file():
        return None
    data = path.read_bytes()
    pinned = pulled.digests.get(name)
    if pinned and hashlib.sha256(data).hexdigest() != pinned:
        raise IntegrityError(f"{path} has changed since it was checked; pull it again with --force")
    return data
