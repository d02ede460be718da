"""The Hub's cache on this machine.

Files have the same paths as with ``huggingface_hub``, ``models--OWNER--REPO/snapshots/COMMIT/NAME``, so each finds what
the other has fetched. These paths consist of a validated reference, a commit of 40 digits and a name from the lists
below; nothing is taken from an answer. Files are written under a temporary name next to the snapshots, verified there,
and then renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zoo._utils.files import write_text
from zoo.errors import CardError, HubError, IntegrityError
from zoo.hub import client, errors
from zoo.hub.errors import Asked
from zoo.hub.locations import COMMIT, cache_root, repository, snapshot
from zoo.registry.backbones import CRYSTALS_FILE
from zoo.registry.cards import REQUIRED_FILES, Card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_log = logging.getLogger("zoo")

Origin = Literal["bundled", "cache", "hub", "directory"]

IDS = ("splits.json", "splits.json.gz")
"""List of training ids, plain or compressed: fine-tuning counts the test rows among them."""

OPTIONAL = ("README.md", *IDS, CRYSTALS_FILE)

MAX_WEIGHTS = 200_000_000
"""Largest size of weights in bytes; zoo's backbones have half a million."""

MAX_TEXT = 1_000_000
"""Largest size of any other file in bytes."""

MAX_CRYSTALS = 10_000_000
"""Largest size of a list of training crystals in bytes; 100,000 crystals take a million."""

ABANDONED = 86_400
"""Seconds after which a partial download is attributed to a killed process."""


@dataclass(frozen=True)
class Pulled:
    """A checkpoint on this machine.

    Parameters
    ----------
    name : str
        Registered name, ``owner/repo``, or the directory's name.
    directory : Path
        Holds ``model.safetensors`` and ``config.json``.
    origin : {"bundled", "cache", "hub", "directory"}
        Where it comes from.
    card : Card or None
        Its card; None if there is no readable one.
    revision : str or None
        Commit on the Hub, if it came from there.
    note : str
        Remark for the user about the choice of origin; often empty.
    digests : mapping of str to str
        SHA-256 of each file; empty for a local directory.
    """

    name: str
    directory: Path
    origin: Origin
    card: Card | None
    revision: str | None
    note: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Expected:
    """Properties of a file known before it is fetched; None if unknown.

    Parameters
    ----------
    size : int or None
        In bytes.
    sha256, git_sha1 : str or None
        Its digest, or its git object name.
    pinned : str
        Name of the card that pins it; empty if only the Hub states the digest.
    """

    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    pinned: str = ""


def fetch(hub: client.Client, repo: str, commit: str, name: str, expected: Expected) -> str:
    """Download one file of a commit into the cache, and return its SHA-256.

    Parameters
    ----------
    hub : Client
    repo : str
        ``owner/repo``.
    commit : str
        40 hexadecimal digits.
    name : str
        One of `REQUIRED_FILES` or `OPTIONAL`.
    expected : Expected

    Raises
    ------
    HubError
        If it cannot be fetched, has another commit or length, or cannot be written.
    IntegrityError
        If its bytes are not the expected ones. They are discarded, as is any earlier file.
    """
    what = Asked(repo, commit, name)
    # A pinned file may exceed the limits for unpinned ones, but never its announced size.
    limit = limit_of(name) if expected.size is None else expected.size
    if not expected.pinned:
        limit = min(limit, limit_of(name))
    target = snapshot(repo, commit) / name
    with _beside(repo) as partial:
        _receive(hub, what, partial, limit, expected.size)
        found = sha256(partial)
        if expected.sha256 not in (None, found):
            discard(target)
            raise IntegrityError(_differs(what, found, expected))
        if expected.git_sha1 is not None and client.git_sha1(partial.read_bytes()) != expected.git_sha1:
            discard(target)
            raise IntegrityError(
                f"{repo}: {name} has SHA-256 {found}, which is not the file that the Hub announces (git's "
                f"{expected.git_sha1}); it was deleted. Pull again, and do not trust the source if this happens again"
            )
        with _cache_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(target)
    return found


def _differs(what: Asked, found: str, expected: Expected) -> str:
    end = "; the file was deleted. Pull again, and do not trust the source if this happens again"
    if expected.pinned:
        return (
            f"{expected.pinned}: {what.name} from {what.repo} has SHA-256 {found}, but its card pins "
            f"{expected.sha256}{end}"
        )
    return f"{what.repo}: {what.name} has SHA-256 {found}, but the Hub announces {expected.sha256}{end}"


def _receive(hub: client.Client, what: Asked, partial: Path, limit: int, size: int | None) -> None:
    """Download to `partial`."""
    named = False

    def check(redirected: bool, headers: Mapping[str, str]) -> None:
        nonlocal named
        commit = headers.get("x-repo-commit")
        named = named or commit is not None
        if commit not in (None, what.revision):
            got = commit if COMMIT.fullmatch(str(commit)) else "another one"
            raise HubError(f"{what.repo}: asked for commit {what.revision}, but got {got}; check HF_ENDPOINT")
        if not named and not redirected:
            raise HubError(errors.not_a_hub("it names no commit"))
        said = str(headers.get("x-linked-size", ""))
        if said.isdecimal() and len(said) < 20 and int(said) > limit:
            raise HubError(errors.too_large(what, int(said), limit))

    def start() -> int:
        return partial.stat().st_size

    with client.progress(what, size) as bar:

        def write(position: int, blocks: Iterator[bytes]) -> None:
            with _cache_errors(), partial.open("r+b") as file:
                file.seek(position)
                file.truncate()
                for block in blocks:
                    file.write(block)
                    if bar is not None:
                        bar.update(len(block))

        address = client.file_address(what.repo, what.revision, what.name)
        hub.download(address, what=what, limit=limit, write=write, check=check, start=start)
    if size is not None and start() != size:
        raise HubError(f"the download of {what.name} from {what.repo} broke off or has the wrong length; pull it again")


@contextlib.contextmanager
def _beside(repo: str) -> Iterator[Path]:
    """Yield an empty temporary file, removed at the end; also remove those left by killed processes."""
    folder = repository(repo)
    partial = folder / f".zoo-{os.urandom(8).hex()}.incomplete"
    with _cache_errors():
        for _ in range(100):
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another process has just removed the empty folder
                partial.touch(exist_ok=False)
                break
        for left in folder.glob(".zoo-*.incomplete"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > ABANDONED:
                    left.unlink()
    try:
        yield partial
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()


@contextlib.contextmanager
def _cache_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HubError(
            f"cannot use the cache {cache_root()}: {error.strerror or error}; make room there or set HF_HOME"
        ) from error


def note_commit(repo: str, revision: str, commit: str) -> None:
    """Record the commit of a branch or tag as ``huggingface_hub`` does, for offline use."""
    with _cache_errors():
        write_text(repository(repo) / "refs" / revision, commit)


def discard(path: Path) -> None:
    """Delete a cached file, and the blob that it points to if ``huggingface_hub`` made it a link.

    Raises
    ------
    HubError
        If it cannot be deleted.
    """
    repo, commit = path.parents[2], path.parent  # REPO/snapshots/COMMIT/NAME
    try:
        target = Path(os.path.normpath(commit / path.readlink())) if path.is_symlink() else None
        path.unlink(missing_ok=True)
        if target is not None and target.parent == repo / "blobs":
            target.unlink(missing_ok=True)
    except OSError as error:
        raise HubError(f"{path} is damaged and cannot be deleted: {error.strerror}; delete it") from error
    with contextlib.suppress(OSError):  # other files are left in it
        commit.rmdir()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; raises `IntegrityError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing; install or pull it again") from None
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror or error}") from error


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a checkpoint in a folder."""
    return {name: sha256(folder / name) for name in (*REQUIRED_FILES, *OPTIONAL) if (folder / name).is_file()}


def limit_of(name: str) -> int:
    """Return the size limit in bytes of a file without a pinned size."""
    if name == CRYSTALS_FILE:
        return MAX_CRYSTALS
    return MAX_WEIGHTS if name.endswith(".safetensors") else MAX_TEXT


def is_whole(folder: Path) -> bool:
    """Return whether a folder holds all files of a checkpoint."""
    return all((folder / name).is_file() for name in REQUIRED_FILES)


def card_beside(folder: Path) -> Card | None:
    """Read the card of a checkpoint, which is optional."""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    try:
        return Card.read(readme)
    except CardError as error:
        _log.debug("no card: %s", error)
        return None
