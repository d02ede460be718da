"""Resumable work: the settings it was started with, and a lock against other processes."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from zoo._utils import files
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Keep other processes from writing the same output while the block runs.

    The lock is a file next to the output; the operating system releases it when the process ends for any reason.

    Parameters
    ----------
    out : Path
        The file or folder to be written; it need not exist.

    Raises
    ------
    InputError
        If another process holds the lock, or the parent folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = out.with_name(f".{out.name}.lock")
    lock = FileLock(path, timeout=0)
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: another process is writing it; wait for it, or give another --out") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while the lock is held: afterwards the file may be another process's
        lock.release()
        with suppress(OSError):  # not empty
            for folder in made:
                folder.rmdir()


def check_settings(note: Path, settings: dict[str, Any]) -> None:
    """Record the settings at the start of some work; when it is resumed, require the same settings.

    Parameters
    ----------
    note : Path
        The file that holds the settings, in the folder of the work.
    settings : dict
        Serialisable as JSON; may be nested.

    Raises
    ------
    InputError
        If a setting differs (nested ones are named with dots), or the file is damaged.
    """
    now = json.loads(json.dumps(settings))
    if not note.exists():
        files.write_text(note, json.dumps(now, indent=1, ensure_ascii=False) + "\n")
        return
    try:
        before, flat = _flat(json.loads(note.read_text(encoding="utf-8"))), _flat(now)
    except (OSError, ValueError) as error:
        raise InputError(f"{note} is damaged ({error}); remove {note.parent} to start again") from None
    changed = sorted(key for key in before.keys() | flat.keys() if before.get(key) != flat.get(key))
    if changed:
        raise InputError(
            f"{note.parent} was started with other settings ({', '.join(changed)}); give the same ones to resume, "
            "remove it to start again, or give another --out"
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping from dotted keys."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: found
        for name, each in value.items()
        for key, found in _flat(each, f"{path}.{name}" if path else name).items()
    }
