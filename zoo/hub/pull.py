"""A reference → a verified folder, from a bundle, the Hub's cache, the Hub, or a local folder.

The environment variables of ``huggingface_hub`` hold (``HF_HOME``, ``HF_HUB_CACHE``, ``HF_TOKEN``, ``HF_ENDPOINT``,
``HF_HUB_OFFLINE``, time-outs). A registered backbone is pinned twice: by commit, and by the SHA-256 of each file on its
card. The contents of ``hf://owner/repo`` are not pinned; see :mod:`zoo.hub.unpinned`.
"""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from zoo._utils.progress import log_step
from zoo._utils.python_api import public
from zoo.errors import HubError, InputError, IntegrityError, NotPublishedError, UnknownNameError
from zoo.hub.cache import Expected, Pulled, card_beside, discard, fetch, sha256
from zoo.hub.client import Client
from zoo.hub.locations import WeightsLocation, settings, snapshot
from zoo.hub.unpinned import from_reference
from zoo.registry import backbones
from zoo.registry.cards import REQUIRED_FILES, Card, File

if TYPE_CHECKING:
    from zoo.hub.locations import Status

__all__ = ["Pulled", "pull", "sha256", "status", "verify"]

_log = logging.getLogger("zoo")

OriginChoice = Literal["auto", "hub", "bundled"]
"""Possible origins of a registered backbone."""

_REF = re.compile(
    r"hf://(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w-][\w./-]{0,199}))?", re.A
)


@public("zoo.pull")
def pull(ref: str | Path, *, source: OriginChoice = "auto", force: bool = False) -> Pulled:
    """Make a backbone available on this machine and return its location.

    Parameters
    ----------
    ref : str or Path
        A registered name, ``hf://owner/repo`` or ``hf://owner/repo@revision``, or a directory that holds
        ``config.json`` and ``model.safetensors``. A name takes precedence over a directory of the same name.
    source : {"auto", "hub", "bundled"}
        For registered names. ``auto`` uses the bundle if there is one, without network access (the card pins the same
        digests for both), else the Hub's cache, else the Hub.
    force : bool
        Download again even if the bundle or the cache has the files.

    Raises
    ------
    UnknownNameError, CardError, PluginError
        As :func:`zoo.registry.backbones.get` does.
    NotPublishedError
        If there are no weights at `source`.
    HubError
        If the Hub refuses or cannot be reached; names the next step.
    IntegrityError
        If a file's SHA-256 is not the pinned one, or the bytes of a commit have changed. Such files are deleted from
        the cache.
    InputError
        If `ref` is none of these.
    """
    start = time.monotonic()
    pulled = _pulled(ref, source, force=force)
    commit = f", commit {pulled.revision[:12]}" if pulled.revision else ""
    log_step(start, f"{pulled.name}: origin {pulled.origin}{commit}, in {pulled.directory}")
    return pulled


def _pulled(ref: str | Path, source: OriginChoice, *, force: bool) -> Pulled:
    if source not in get_args(OriginChoice):
        raise InputError(f"source {source!r} is unknown; there is: {', '.join(get_args(OriginChoice))}")
    if isinstance(ref, Path):
        return _from_directory(ref)
    if ref.startswith("hf://"):
        if source == "bundled":
            raise InputError(f"{ref} is on the Hub and cannot be bundled; leave out --source")
        match = _REF.fullmatch(ref)
        if match is None or ".." in ref:
            raise InputError(
                f"{ref!r} is not a reference to the Hub; write hf://owner/repo or hf://owner/repo@revision"
            )
        return from_reference(match["repo"], match["revision"], force=force)
    if ref.startswith((".", "/", "~")) or "\\" in ref or ref.endswith("/"):
        return _from_directory(Path(os.path.expanduser(ref)))  # noqa: PTH111 - never raises
    try:
        card = backbones.get(ref)
    except UnknownNameError:
        if os.path.isdir(ref):  # noqa: PTH112 - never raises
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
        Folder of the files.
    card : Card
        Card whose :attr:`~zoo.registry.cards.Card.files` pin them.

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
    """Return where a backbone's weights are, judged by names and sizes; :func:`pull` checks the bytes."""
    folder = backbones.weights_folder(card) if card.bundled else None
    return WeightsLocation(card.repo_id, card.revision, folder, {file.name: file.size for file in card.files}).status()


def _from_directory(directory: Path) -> Pulled:
    """Use a checkpoint in a local folder."""
    if not directory.is_dir():
        raise InputError(
            f"{directory} is not a directory; a checkpoint is one that holds {' and '.join(REQUIRED_FILES)}"
        )
    missing = [name for name in REQUIRED_FILES if not (directory / name).is_file()]
    below = sorted(path.parent.name for path in directory.glob("*/config.json"))
    if missing and below:
        raise InputError(
            f"{directory} holds one model for each of {', '.join(below)}; name one: {directory / below[0]}"
        )
    if missing:
        raise InputError(f"{directory} holds no {' and no '.join(missing)}; a checkpoint has both")
    return Pulled(directory.resolve().name, directory, "directory", card_beside(directory), None)


def _from_card(card: Card, *, source: OriginChoice, force: bool) -> Pulled:
    """Pull a registered backbone."""
    if source == "bundled" and not card.bundled:
        raise NotPublishedError(f"{card.name} is not bundled with zoo; {_available(bundled=True)}")
    if source == "bundled" or (source == "auto" and card.bundled and not (force and card.published)):
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
        raise HubError(f"{error}; or take the bundled weights, which are the same, with --source bundled") from error


def _bundle(card: Card) -> Pulled:
    """Use the weights bundled with the card."""
    folder = backbones.weights_folder(card)
    return Pulled(card.name, folder, "bundled", card, None, digests=verify(folder, card))


def _from_hub(card: Card, *, force: bool) -> Pulled:
    """Use the pinned files in the Hub's cache, and fetch missing ones from the Hub."""
    commit = str(card.revision)
    folder = snapshot(card.repo_id, commit)
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
            discard(path)
            wanted.append(file)
    if not wanted:
        return Pulled(card.name, folder, "cache", card, commit, digests=digests)
    if settings().HF_HUB_OFFLINE:
        raise HubError(f"HF_HUB_OFFLINE is set and {card.repo_id} is not in the cache; unset it to go online")
    with Client() as hub:
        for file in wanted:
            expected = Expected(file.size, file.sha256, pinned=card.name)
            digests[file.name] = fetch(hub, card.repo_id, commit, file.name, expected)
    return Pulled(card.name, folder, "hub", card, commit, digests=digests)


def _available(*, bundled: bool = False) -> str:
    """Return a phrase that lists the available backbones."""
    there = [card.name for card in backbones.cards() if card.bundled or (card.published and not bundled)]
    return f"there is: {', '.join(there)}" if there else "no other backbone is available either"
