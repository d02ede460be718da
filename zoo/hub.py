"""Pull backbones: from the Hugging Face Hub's cache, from the Hub, or from the bundle; and check every byte.

Downloads go through the unmodified ``huggingface_hub`` client into its own cache, so its environment
variables hold (``HF_HOME``, ``HF_HUB_CACHE``, ``HF_TOKEN``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, time-outs).
A registered backbone is pinned twice: by commit, and by the SHA-256 of each file on its card. What a
stranger's repository (``hf://owner/repo``) sends is pinned by nobody; its commit and digests are reported.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from zoo import _hubclient, registry
from zoo.card import REQUIRED_FILES, Card, File
from zoo.errors import CardError, HubError, InputError, IntegrityError, NotPublishedError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("zoo")

Source = Literal["auto", "hub", "bundled"]
Origin = Literal["bundled", "cache", "hub", "directory"]
Status = Literal["bundled", "cached", "on the Hub", "not published yet"]

OPTIONAL = ("README.md",)

_REF = re.compile(
    r"hf://(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w./-]{1,200}))?", re.A
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pulled:
    """A checkpoint that lies on this machine.

    Parameters
    ----------
    name : str
        Registered name, ``owner/repo``, or the directory's name.
    directory : Path
        Holds ``model.safetensors`` and ``config.json``.
    origin : {"bundled", "cache", "hub", "directory"}
        Where it was taken from.
    card : Card or None
        Its card; None if it came without a readable one.
    revision : str or None
        Commit on the Hub, if it came from there.
    note : str
        What the user should be told about the choice of origin; often empty.
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


def pull(ref: str | Path, *, source: Source = "auto", force: bool = False) -> Pulled:
    """Make a backbone available on this machine and say where it lies.

    Parameters
    ----------
    ref : str or Path
        A registered name, ``hf://owner/repo`` or ``hf://owner/repo@revision``, or a directory that holds
        ``config.json`` and ``model.safetensors``. A name goes before a directory of the same name.
    source : {"auto", "hub", "bundled"}
        For registered names. ``auto`` takes the pinned files from the Hub's cache, else from the Hub, else
        from the bundle; a Hub that cannot be reached is no error as long as there is a bundle.
    force : bool
        Download again even if the cache has the files.

    Raises
    ------
    UnknownNameError, CardError, PluginError
        As :func:`zoo.registry.get` does.
    NotPublishedError
        If there are no weights where `source` says.
    HubError
        If the Hub refuses or cannot be reached; names the next step.
    IntegrityError
        If a file's SHA-256 is not the pinned one. Such a file is deleted from the cache.
    InputError
        If `ref` is none of the three.
    """
    if source not in get_args(Source):
        raise InputError(f"source {source!r} is unknown; there is: {', '.join(get_args(Source))}")
    if isinstance(ref, Path):
        return _from_directory(ref)
    if ref.startswith("hf://"):
        if source == "bundled":
            raise InputError(f"{ref} is on the Hub and cannot be bundled; leave --source out")
        return _from_reference(ref, force=force)
    if ref.startswith((".", "/", "~")) or "\\" in ref or ref.endswith("/"):
        return _from_directory(Path(os.path.expanduser(ref)))  # noqa: PTH111 - never raises
    try:
        card = registry.get(ref)
    except UnknownNameError:
        if Path(ref).is_dir():
            return _from_directory(Path(ref))
        if "/" in ref and _REF.fullmatch(f"hf://{ref}"):
            raise InputError(
                f"{ref!r} is neither a backbone nor a directory here; a repository is written hf://{ref}"
            ) from None
        raise
    return _from_card(card, source=source, force=force)


def verify(directory: Path, card: Card) -> dict[str, str]:
    """Check every file of a card against its SHA-256.

    Parameters
    ----------
    directory : Path
        Where the files lie.
    card : Card
        Whose :attr:`~zoo.card.Card.files` pin them.

    Returns
    -------
    dict of str to str
        SHA-256 by file name.

    Raises
    ------
    IntegrityError
        Names the first file that is missing or differs, with both digests.
    """
    digests: dict[str, str] = {}
    for file in card.files:
        path = directory / file.name
        found = sha256(path)
        if found != file.sha256:
            raise IntegrityError(f"{card.name}: {path} has SHA-256 {found}, but its card pins {file.sha256}")
        digests[file.name] = found
    return digests


def status(card: Card) -> Status:
    """Say where a backbone's weights are, from names and sizes alone; :func:`pull` checks the bytes."""
    if card.published and _complete(_snapshot(card.repo_id, str(card.revision)), card):
        return "cached"
    if card.bundled and _complete(registry.weights_folder(card), card):
        return "bundled"
    return "on the Hub" if card.published else "not published yet"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; raises `IntegrityError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing; install or pull it again") from None
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror or error}") from error


def _from_directory(directory: Path) -> Pulled:
    """Take a checkpoint that somebody put there."""
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory; a checkpoint is one that holds {' and '.join(REQUIRED_FILES)}")
    missing = [name for name in REQUIRED_FILES if not (directory / name).is_file()]
    if missing:
        raise InputError(f"{directory} holds no {' and no '.join(missing)}; a checkpoint has both")
    return Pulled(directory.resolve().name, directory, "directory", _card_beside(directory), None)


def _from_card(card: Card, *, source: Source, force: bool) -> Pulled:
    """Take a registered backbone."""
    if source == "bundled" and not card.bundled:
        raise NotPublishedError(f"{card.name} is not bundled with zoo; {_available(bundled=True)}")
    if source == "bundled" or (source == "auto" and card.bundled and not card.published):
        return _bundle(card)
    if not card.published:
        raise NotPublishedError(
            f"{card.name} is bundled, but not on the Hub yet; leave --source out"
            if card.bundled
            else f"{card.name} is registered, but its weights are not published yet; {_available()}"
        )
    try:
        return _from_hub(card, force=force)
    except HubError as error:
        if not card.bundled:
            raise
        if source == "hub":
            raise HubError(f"{error}; or take the bundled weights with --source bundled") from error
        return _bundle(card, f"{error}. Took the bundled weights instead: the same bytes, by SHA-256.")


def _bundle(card: Card, note: str = "") -> Pulled:
    """Take the weights that lie beside the card."""
    folder = registry.weights_folder(card)
    return Pulled(card.name, folder, "bundled", card, None, note, verify(folder, card))


def _from_hub(card: Card, *, force: bool) -> Pulled:
    """Take the pinned files from the Hub's cache, and those that are missing there from the Hub."""
    commit = str(card.revision)
    folder = _snapshot(card.repo_id, commit)
    digests: dict[str, str] = {}
    wanted: list[File] = []
    for file in card.files:
        path = folder / file.name
        if force or not path.is_file():
            wanted.append(file)
        elif (found := sha256(path)) == file.sha256:
            digests[file.name] = found
        else:
            _log.warning("%s in the cache has changed since it was pulled; deleted, pulling it again", path)
            _hubclient.discard(path)
            wanted.append(file)
    if wanted:
        _hubclient.resolve(card.repo_id, commit)
    for file in wanted:
        path = _fetch(card.repo_id, commit, commit, file.name, force=force)
        found = sha256(path)
        if found != file.sha256:
            _hubclient.discard(path)
            raise IntegrityError(
                f"{card.name}: {file.name} from {card.repo_id} has SHA-256 {found}, but its card pins "
                f"{file.sha256}; the file was deleted. Pull again, and distrust the source if this stays"
            )
        digests[file.name] = found
    return Pulled(card.name, folder, "hub" if wanted else "cache", card, commit, digests=digests)


def _from_reference(ref: str, *, force: bool) -> Pulled:
    """Take a repository that no card pins."""
    match = _REF.fullmatch(ref)
    if match is None or ".." in ref:
        raise InputError(f"{ref!r} is no reference to the Hub; write hf://owner/repo or hf://owner/repo@revision")
    repo, revision = match["repo"], match["revision"]
    pinned = bool(revision and _COMMIT.fullmatch(revision))
    if pinned and not force and _whole(_snapshot(repo, revision)):
        return _as_pulled(repo, revision, "cache")
    try:
        remote = _hubclient.resolve(repo, revision)
    except HubError as error:
        commit = revision if pinned else _cached_commit(repo, revision or "main")
        if force or not commit or not _whole(_snapshot(repo, commit)):
            raise
        return _as_pulled(repo, commit, "cache", f"{error}. Took commit {commit[:12]} from the cache.")
    missing = [name for name in REQUIRED_FILES if name not in remote.files]
    if missing:
        raise HubError(f"{repo} holds no {' and no '.join(missing)}; zoo loads nothing else")
    names = [*REQUIRED_FILES, *(name for name in OPTIONAL if name in remote.files)]
    folder = _snapshot(repo, remote.commit)
    there = not force and all((folder / name).is_file() for name in names)
    for name in names:
        # By the revision's own name: the client then notes its commit, for the day without a network.
        _fetch(repo, revision or "main", remote.commit, name, force=force)
    if not pinned:
        _warn_unpinned(repo, remote.commit)
    return _as_pulled(repo, remote.commit, "cache" if there else "hub")


def _as_pulled(repo: str, commit: str, origin: Origin, note: str = "") -> Pulled:
    """Describe a repository in the cache, with the digests of what is there."""
    folder = _snapshot(repo, commit)
    digests = {name: sha256(folder / name) for name in (*REQUIRED_FILES, *OPTIONAL) if (folder / name).is_file()}
    for name, digest in digests.items():
        _log.info("%s@%s: %s has SHA-256 %s", repo, commit[:12], name, digest)
    return Pulled(repo, folder, origin, _card_beside(folder), commit, note, digests)


def _fetch(repo: str, revision: str, commit: str, name: str, *, force: bool) -> Path:
    """Download one file, and see that it is of the commit that was asked for."""
    path = _hubclient.download(repo, revision, name, force=force)
    if path.parent.name != commit:
        _hubclient.discard(path)
        raise HubError(
            f"{repo}: asked for commit {commit}, but got {path.parent.name}; pull again or check HF_ENDPOINT"
        )
    return path


@lru_cache(maxsize=256)
def _warn_unpinned(repo: str, commit: str) -> None:
    """Warn once that the bytes may be others tomorrow."""
    _log.warning("the bytes of %s are not pinned; hf://%s@%s always means these", repo, repo, commit)


def _snapshot(repo: str, commit: str) -> Path:
    """Return the folder of a commit in the Hub's cache."""
    return _repository(repo) / "snapshots" / commit


def _repository(repo: str) -> Path:
    return _hubclient.cache_root() / f"models--{repo.replace('/', '--')}"


def _cached_commit(repo: str, revision: str) -> str | None:
    """Return the commit that a branch or tag was when it was last pulled."""
    try:
        commit = (_repository(repo) / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in REQUIRED_FILES)


def _complete(folder: Path, card: Card) -> bool:
    """Whether all files of a card are there, by name and size."""
    try:
        return all((folder / file.name).stat().st_size == file.size for file in card.files)
    except OSError:
        return False


def _card_beside(folder: Path) -> Card | None:
    """Read the card of a checkpoint that needs none."""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    try:
        return Card.read(readme)
    except CardError as error:
        _log.debug("no card: %s", error)
        return None


def _available(*, bundled: bool = False) -> str:
    """Name the backbones that can be had."""
    there = [card.name for card in registry.cards() if card.bundled or (card.published and not bundled)]
    return f"there is: {', '.join(there)}" if there else "no other one is available either"
