"""Push checkpoints to the Hugging Face Hub: one commit each, with a model card."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils import files
from zoo.analysis import known_crystals, periodic_table
from zoo.errors import HubError, InputError
from zoo.hub import card as hubcard
from zoo.hub import pull
from zoo.hub.cache import IDS, MAX_TEXT, OPTIONAL, limit_of
from zoo.hub.client import Client
from zoo.hub.errors import TOKEN, endpoint
from zoo.models.checkpoint import weights
from zoo.registry import backbones, plugins
from zoo.registry.backbones import CRYSTALS_FILE
from zoo.registry.cards import REQUIRED_FILES, Card, File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.models.checkpoint.schema import Config
    from zoo.registry.plugins import Plugin

_log = logging.getLogger("zoo")

README = "README.md"

METRICS = "metrics.json"
"""Results of a run, pushed along with the pictures of its card; ``pull`` does not fetch them."""

RECIPE = "recipe.toml"
"""Recipe of a backbone, pushed along; ``pull`` does not fetch it."""

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Item:
    """A file to push."""

    name: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Parcel:
    """The contents of a push.

    Parameters
    ----------
    repo : str
        ``owner/name``.
    card : Card
        The card to send, as read by zoo.
    items : tuple of Item
        All files, including the card.
    plugins : tuple of Plugin
        Networks and featurizers that the model needs and that are not zoo's own, as they are found here.
    """

    repo: str
    card: Card
    items: tuple[Item, ...]
    plugins: tuple[Plugin, ...] = ()

    @property
    def readme(self) -> str:
        """The card as Markdown."""
        return next(item.data for item in self.items if item.name == README).decode()


@dataclass(frozen=True)
class Pushed:
    """The result of a push.

    Parameters
    ----------
    repo : str
    commit : str
        40 hexadecimal digits.
    url : str
        Web address of the commit.
    pull_request : str or None
        Address of the pull request, if one was requested.
    changed : bool
        Whether a commit was made; False if the Hub had these bytes already.
    entry : Card
        The card that registers it.
    """

    repo: str
    commit: str
    url: str
    pull_request: str | None
    changed: bool
    entry: Card


def pack(ref: str | Path, repo: str, *, card: Card | None = None, license: str | None = None) -> Parcel:  # noqa: A002
    """Collect the files of a push and write its card; no network is used for local checkpoints.

    Parameters
    ----------
    ref : str or Path
        A run's folder or another checkpoint's, a registered name, or ``hf://owner/repo@revision``.
    repo : str
        ``owner/name`` on the Hub.
    card : Card, optional
        By default that of the checkpoint.
    license : str, optional
        Licence identifier as used by the Hub (``cc-by-4.0``); by default that of the checkpoint's card.

    Raises
    ------
    InputError
        If `repo` is not the name of a repository, a file is too large, or one seems to contain a token of the Hub.
    CheckpointError
        If the checkpoint cannot be loaded; such checkpoints are not pushed.
    """
    repo = repo.removeprefix("hf://")
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise InputError(
            f"{repo!r} is not the name of a repository; write owner/name with letters, digits, '.', '_' and '-'"
        )
    if license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", license):
        raise InputError(f"{license!r} is not an identifier of a licence; write cc-by-4.0, mit, apache-2.0, other, …")
    pulled = pull.pull(ref)
    checkpoint = weights.read(pulled.directory)
    for file in checkpoint.config.architecture.plugin_files:
        _log.warning("%s defines the network and is not sent; put it into a package, so that others can load it", file)
    required = [Item(name, (pulled.directory / name).read_bytes()) for name in REQUIRED_FILES]
    files = [File.model_validate({"name": each.name, "size": each.size, "sha256": each.sha256}) for each in required]
    known = card or pulled.card
    ids, recipe = _ids(pulled.directory, known), _recipe(known)
    described = hubcard.describe(
        checkpoint.config,
        known,
        repo,
        files,
        license,
        ids=ids.name if ids else None,
        recipe=recipe.name if recipe else None,
    )
    text = hubcard.render(described)
    crystals = _crystals(pulled.directory, known) if ids else None
    provenance = [item for item in (ids, crystals, recipe) if item is not None]
    items = [*required, Item(README, text.encode()), *provenance, *_extras(pulled.directory, described.body)]
    items = [item for item in items if item.name != hubcard.PICTURE]
    if checkpoint.config.elements:
        items.append(Item(hubcard.PICTURE, periodic_table.draw(checkpoint.config.elements)))
    for item in items:
        _check(item)
    return Parcel(repo, Card.parse(text, f"the card of {repo}"), tuple(items), _plugins(checkpoint.config))


def _plugins(config: Config) -> tuple[Plugin, ...]:
    needed = [each.offered_by for each in (config.architecture, *config.architecture.expert_bodies)]
    if config.blend:
        needed += [plugins.find("featurizer", each.name) for each in config.blend.featurizers]
    return tuple(dict.fromkeys(each for each in needed if not each.ours))


def push(parcel: Parcel, *, private: bool = False, create_pr: bool = False, revision: str | None = None) -> Pushed:
    """Send a parcel to the Hub in one commit, unless the Hub has the same bytes already.

    Parameters
    ----------
    parcel : Parcel
    private : bool
        Create a private repository; an existing public one is an error.
    create_pr : bool
        Make a pull request instead of changing the branch.
    revision : str, optional
        Branch, created if it does not exist; the main one by default.

    Raises
    ------
    HubError
        If the Hub refuses or cannot be reached; the message names the next step.
    InputError
        If `revision` is not the name of a branch, or a pull request is requested together with a branch.
    """
    if revision is not None and (not _BRANCH.fullmatch(revision) or ".." in revision):
        raise InputError(f"{revision!r} is not the name of a branch")
    if create_pr and revision not in (None, "main"):
        raise InputError("a pull request goes to the main branch: leave --revision out")
    with Client() as hub:
        hub.check_card(parcel.repo, parcel.readme)
        hub.create(parcel.repo, private=private, branch=revision)
        try:
            remote = hub.resolve(parcel.repo, revision)
        except HubError as error:  # a repository without commits; any other error will recur when committing
            _log.debug("%s", error)
            remote = None
        pinned = [item for item in parcel.items if item.name in (*REQUIRED_FILES, *OPTIONAL)]
        if remote and all(
            item.name in remote.files and remote.files[item.name].is_of(item.data, item.sha256) for item in pinned
        ):
            url = f"{endpoint()}/{parcel.repo}/tree/{remote.commit}"
            return Pushed(parcel.repo, remote.commit, url, None, False, hubcard.entry(parcel.card, remote.commit))
        commit, url, request = hub.commit(
            parcel.repo,
            {item.name: item.data for item in parcel.items},
            message=f"{parcel.card.name}: weights, configuration and card",
            revision=revision,
            create_pr=create_pr,
        )
    return Pushed(parcel.repo, commit, url, request, True, hubcard.entry(parcel.card, commit))


def write_package(card: Card, folder: Path, items: Sequence[Item] = ()) -> None:
    """Write a Python package that registers a backbone, ready to build and install.

    Parameters
    ----------
    card : Card
        The registry entry; see :attr:`Pushed.entry`.
    folder : Path
        Must not exist; written atomically.
    items : sequence of Item
        Pushed files. The lists of training ids and crystals and the recipe are copied next to the card.

    Raises
    ------
    InputError
        If the folder exists, or cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder} already exists; choose another folder for the package")
    name = f"zoo-{re.sub(r'[^a-z0-9]+', '-', card.name.lower()).strip('-')}"
    module = name.replace("-", "_")
    beside: dict[str, bytes] = {}
    named: dict[str, str] = {}
    for item in items:
        if item.name in (*IDS, RECIPE):
            kind, suffix = ("recipe", "toml") if item.name == RECIPE else ("ids", item.name.partition(".")[2])
            named[kind] = f"{kind}/{card.name}.{suffix}"
            beside[named[kind]] = item.data
        elif item.name == CRYSTALS_FILE:
            beside[f"ids/{CRYSTALS_FILE}"] = item.data
    card = card.model_copy(update={"training": card.training.model_copy(update=named)})
    data = json.dumps(["*.md", "ids/*", "recipe/*"])
    project = (
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{name}"\nversion = "0.1.0"\ndescription = {json.dumps(card.title)}\n'
        f'dependencies = ["crystal-zoo"]\n\n[project.entry-points."zoo.backbones"]\n{name} = "{module}"\n\n'
        f'[tool.setuptools]\npackages = ["{module}"]\n\n[tool.setuptools.package-data]\n{module} = {data}\n'
    )
    content = {
        "pyproject.toml": project.encode(),
        f"{module}/__init__.py": f'"""Registers {card.name} with zoo."""\n'.encode(),
        f"{module}/{card.name}.md": card.render().encode(),
        **{f"{module}/{path}": content_of for path, content_of in beside.items()},
    }
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        for path, written in content.items():
            files.write_bytes(partial / path, written)
        partial.rename(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from error


def publish_shelf(
    cards: Sequence[Card],
    org: str | None = None,
    *,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> Iterator[tuple[Card, Parcel, Pushed | None]]:
    """Push every backbone with bundled weights, and pin the commits in the cards.

    A card is rewritten as soon as its backbone is on the Hub, so an interrupted run can be continued. Unchanged
    backbones make no commit.

    Parameters
    ----------
    cards : sequence of Card
        As read from their files; those that ship with zoo are :func:`zoo.registry.backbones.shelf`.
    org : str, optional
        Owner of the repositories; by default as named in each card.
    dry_run : bool
        Send nothing and change nothing.
    say : callable
        Receives one line for each card that is skipped.

    Yields
    ------
    card : Card
        The original card.
    parcel : Parcel
        The files of the repository.
    pushed : Pushed or None
        The result; None in a dry run.
    """
    for card in cards:
        if not card.bundled:
            say(f"{card.name}: left out, it has no weights yet")
            continue
        repo = f"{org}/{card.name}" if org else card.repo_id
        folder = backbones.weights_folder(card)
        pull.verify(folder, card)
        parcel = pack(folder, repo, card=card)
        if dry_run:
            yield card, parcel, None
            continue
        pushed = push(parcel)
        path = Path(card.source)
        text = path.read_text(encoding="utf-8")
        pinned = hubcard.published(text, repo, pushed.commit)
        if pinned != text:
            Card.parse(pinned, str(path))
            files.write_text(path, pinned)
        yield card, parcel, pushed


def _extras(folder: Path, body: str) -> Iterator[Item]:
    pictures = re.findall(r"!\[[^\]\n]*\]\(([A-Za-z0-9_-]+\.png)\)", body)
    for name in dict.fromkeys([METRICS, *pictures]):
        path = folder / name
        if path.is_file():
            if path.stat().st_size > MAX_TEXT:
                _log.warning("%s is larger than %d MB and is not pushed", path, MAX_TEXT // 1_000_000)
                continue
            yield Item(name, path.read_bytes())


def _ids(folder: Path, card: Card | None) -> Item | None:
    """Return the list of training ids of a card, or of a run without a card; compressed if large."""
    path = folder / IDS[0]
    if card is not None and card.source and card.training.ids:
        backbones.training_ids(card)  # raises an error if it is not a list of ids
        path = backbones.card_folder(card) / card.training.ids
    if not path.is_file():
        return None
    data, packed = path.read_bytes(), path.suffix == ".gz"
    if len(data) > MAX_TEXT and not packed:
        data, packed = gzip.compress(data, mtime=0), True
    if len(data) > MAX_TEXT:
        _log.warning("%s is larger than %d MB, even packed, and is not pushed", path, MAX_TEXT // 1_000_000)
        return None
    return Item(IDS[packed], data)


def _crystals(folder: Path, card: Card | None) -> Item | None:
    """Return the list by which the crystals among the training ids are recognised, if there is one."""
    path = backbones.crystals_file(card) if card is not None else None
    found = known_crystals.read_cached(path or folder / CRYSTALS_FILE)
    if found is None:
        return None
    if path and card is not None:  # one list may serve several cards
        found = found.only(backbones.training_ids(card))
    item = Item(CRYSTALS_FILE, found.packed())
    if item.size > limit_of(item.name):
        _log.warning("%s is larger than %d MB and is not pushed", path or folder, limit_of(item.name) // 1_000_000)
        return None
    return item


def _recipe(card: Card | None) -> Item | None:
    """Return the recipe file named by a card, if it exists."""
    if card is None or not card.source or not isinstance(card.training.recipe, str):
        return None
    path = backbones.card_folder(card) / card.training.recipe
    return Item(RECIPE, path.read_bytes()) if path.is_file() and path.stat().st_size <= MAX_TEXT else None


def _check(item: Item) -> None:
    limit = limit_of(item.name)
    if item.size > limit:
        advice = "; fit it with fewer --seeds" if item.name.endswith(".safetensors") else ""
        raise InputError(
            f"{item.name} has {item.size:,} bytes; zoo pulls at most {limit:,}, so it does not push more{advice}"
        )
    if not item.name.endswith((".safetensors", ".png", ".gz")) and TOKEN.search(item.data.decode(errors="replace")):
        raise InputError(f"{item.name} seems to contain a token of the Hub (hf_…); remove it. Nothing was sent")
