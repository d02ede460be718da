"""Work that can be gone on with: what it was begun with, and that one process alone does it."""

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
def alone(out: Path) -> Iterator[None]:
    """Hold the name of what is being made, by a lock beside it; it goes with the process, however that ends.

    Raises
    ------
    InputError
        If another process makes the same, or nothing can be written there.
    """
    from filelock import FileLock, Timeout

    path = out.with_name(f".{out.name}.lock")
    lock = FileLock(path, timeout=0)
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: another process is at work on it; wait for it, or give another --out") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held, so that nobody's new one is removed
        lock.release()
        with suppress(OSError):  # something is in it
            for folder in made:
                folder.rmdir()


def agree(note: Path, inputs: dict[str, Any]) -> None:
    """Write down what some work is begun with; if it was begun before, refuse to go on with something else.

    Parameters
    ----------
    note : Path
        The file, in the folder of the work.
    inputs : dict
        JSON-able; may be nested.

    Raises
    ------
    InputError
        Naming what differs, nested keys with dots; or that the note is damaged.
    """
    now = json.loads(json.dumps(inputs))
    if not note.exists():
        files.write_text(note, json.dumps(now, indent=1, ensure_ascii=False) + "\n")
        return
    try:
        before, flat = _flat(json.loads(note.read_text(encoding="utf-8"))), _flat(now)
    except (OSError, ValueError) as error:
        raise InputError(f"{note} is damaged ({error}); remove {note.parent} to begin again") from None
    changed = sorted(key for key in before.keys() | flat.keys() if before.get(key) != flat.get(key))
    if changed:
        raise InputError(
            f"{note.parent} was begun with other settings ({', '.join(changed)}); give the same ones to resume, "
            "remove it to begin again, or give another --out"
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
