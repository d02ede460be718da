"""Client of the Hub's HTTP API: resolve revisions, list models, create repositories, commit files.

Requests follow the Hub's documented HTTP interface. They are sent by :mod:`zoo.hub.session` rather than
``huggingface_hub``, which shares its connections with the rest of the program and whose downloads trust the server's
headers about names and transports.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zoo.errors import HubError
from zoo.hub import errors
from zoo.hub.errors import Asked
from zoo.hub.locations import COMMIT
from zoo.hub.session import Session
from zoo.registry.cards import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_bars_hidden: ContextVar[bool] = ContextVar("bars_hidden", default=False)

MAX_PAGES = 20
"""Pages of a list of models that are asked for at most; the Hub's own have a thousand models each."""

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """The Hub's metadata of a file; fields are None if missing or malformed."""

    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None

    def is_of(self, data: bytes, sha256: str) -> bool:
        """Return whether the Hub's file has these bytes, according to its metadata."""
        return self.sha256 == sha256 or (self.git_sha1 is not None and self.git_sha1 == git_sha1(data))


@dataclass(frozen=True)
class Remote:
    """State of a repository at one commit.

    Parameters
    ----------
    commit : str
        40 hexadecimal digits.
    files : mapping of str to RemoteFile
    private : bool or None
        None if the Hub does not say.
    """

    commit: str
    files: Mapping[str, RemoteFile]
    private: bool | None = None


class Client(Session):
    """The Hub's API; a context manager for use by one thread.

    Every method raises `HubError` if the Hub refuses, cannot be reached, or gives an invalid answer.
    """

    def resolve(self, repo: str, revision: str | None) -> Remote:
        """Return the commit and files of a revision."""
        at = f"/revision/{quote(revision, safe='')}" if revision else ""
        answer = self.ask("GET", f"{_api()}/models/{repo}{at}?blobs=true", what=Asked(repo, revision or ""))
        return _remote(answer.json())

    def models(self, *, limit: int) -> list[dict[str, Any]]:
        """Return the Hub's descriptions of at most `limit` models of our library.

        These are arbitrary JSON values, because the Hub takes them from cards that anybody can write.
        """
        found: list[dict[str, Any]] = []
        url: str | None = f"{_api()}/models?filter={LIBRARY}&limit={limit}&full=true&cardData=true"
        for _ in range(MAX_PAGES):
            if url is None or len(found) >= limit:
                break
            answer = self.ask("GET", url, what=Asked())
            page = answer.json(list, lenient=True)
            found += [each for each in page if isinstance(each, dict) and isinstance(each.get("id"), str)]
            following = re.search(r'<([^<>]+)>; *rel="next"', answer.headers.get("link", ""))
            url = following[1] if following and page else None
            if url and not url.startswith(f"{_api()}/"):
                raise HubError(errors.not_a_hub("the next page is said to be elsewhere"))
        return found[:limit]

    def ping(self, timeout: float) -> int:
        """Send one small request and return the status of its answer."""
        every = tuple(range(400, 600))
        return self.ask("HEAD", f"{_api()}/models", what=Asked(), timeout=timeout, ok=every).status

    def check_card(self, repo: str, text: str) -> None:
        """Check that the Hub accepts a model card; raises `HubError` otherwise."""
        body = {"content": text, "repoType": "model"}
        answer = self.ask("POST", f"{_api()}/validate-yaml", what=Asked(repo, writing=True), ok=(400,), json=body)
        if answer.status == 400:
            problems = answer.json().get("errors")
            said = [str(each.get("message")) for each in problems if isinstance(each, dict)] if problems else []
            words = errors.without_secrets(" ".join(" ".join(said).split()))[:300]
            raise HubError(f"{errors.endpoint()} does not accept the card of {repo}: {words}; correct its front matter")

    def create(self, repo: str, *, private: bool, branch: str | None) -> None:
        """Create a repository and a branch, unless they exist.

        Raises
        ------
        HubError
            If it is not allowed, or if a private repository is requested but a public one exists.
        """
        what = Asked(repo, branch or "", writing=True)
        owner, _, name = repo.partition("/")
        wish = {"name": name, "organization": owner, "type": "model"} | ({"visibility": "private"} if private else {})
        done = self.ask("POST", f"{_api()}/repos/create", what=what, ok=(403, 409), json=wish)
        if done.status == 403:  # a user who may not create repositories may still be able to write to an existing one
            self.resolve_for_writing(repo)
        if private and self.resolve_for_writing(repo).private is False:
            raise HubError(
                f"{repo} exists on {errors.endpoint()} and is public; nothing was sent. "
                "Make it private there, choose another name, or leave --private out"
            )
        if branch and branch != "main":
            self.ask("POST", f"{_api()}/models/{repo}/branch/{quote(branch, safe='')}", what=what, ok=(409,), json={})

    def resolve_for_writing(self, repo: str) -> Remote:
        """Return the current state of a repository before writing to it."""
        answer = self.ask("GET", f"{_api()}/models/{repo}", what=Asked(repo, writing=True))
        return _remote(answer.json())

    def commit(
        self, repo: str, files: Mapping[str, bytes], *, message: str, revision: str | None, create_pr: bool
    ) -> tuple[str, str, str | None]:
        """Send files as one commit; return the commit, its web address, and that of the pull request."""
        what = Asked(repo, revision or "", writing=True)
        branch = quote(revision or "main", safe="")
        query = "?create_pr=1" if create_pr else ""
        large = self._which_are_large(repo, branch, query, files, what)
        self._upload(repo, revision or "main", {name: files[name] for name in large}, what)
        lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": message, "description": ""}}]
        for name, data in files.items():
            if name in large:
                value = {"path": name, "algo": "sha256", "oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
                lines.append({"key": "lfsFile", "value": value})
            else:
                value = {"path": name, "content": base64.b64encode(data).decode(), "encoding": "base64"}
                lines.append({"key": "file", "value": value})
        done = self.ask(
            "POST",
            f"{_api()}/models/{repo}/commit/{branch}{query}",
            what=what,
            content=b"".join(json.dumps(line).encode() + b"\n" for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        ).json()
        commit, request = str(done.get("commitOid")), done.get("pullRequestUrl")
        if not COMMIT.fullmatch(commit):
            raise HubError(errors.not_a_hub("no commit in the answer"))
        return commit, f"{errors.endpoint()}/{repo}/commit/{commit}", str(request) if create_pr and request else None

    def _which_are_large(
        self, repo: str, branch: str, query: str, files: Mapping[str, bytes], what: Asked
    ) -> frozenset[str]:
        """Return which files the Hub stores with git LFS."""
        wish = [
            {"path": name, "sample": base64.b64encode(data[:512]).decode(), "size": len(data)}
            for name, data in files.items()
        ]
        url = f"{_api()}/models/{repo}/preupload/{branch}{query}"
        answer = self.ask("POST", url, what=what, json={"files": wish}).json()
        said = answer.get("files")
        modes = {
            each["path"]: each.get("uploadMode")
            for each in (said if isinstance(said, list) else [])
            if isinstance(each, dict) and isinstance(each.get("path"), str)
        }
        if any(modes.get(name) not in ("lfs", "regular") for name in files):
            raise HubError(errors.not_a_hub("it does not say how files are to be sent"))
        return frozenset(name for name, data in files.items() if modes[name] == "lfs" and data)

    def _upload(self, repo: str, revision: str, files: Mapping[str, bytes], what: Asked) -> None:
        """Upload large files to the storage named by the Hub; see git-lfs's docs/api/batch.md."""
        if not files:
            return
        by_digest = {hashlib.sha256(data).hexdigest(): data for data in files.values()}
        wish = {
            "operation": "upload",
            "transfers": ["basic"],
            "objects": [{"oid": digest, "size": len(data)} for digest, data in by_digest.items()],
            "hash_algo": "sha256",
            "ref": {"name": revision},
        }
        form = "application/vnd.git-lfs+json"
        batch = self.ask(
            "POST",
            f"{_hub()}/{repo}.git/info/lfs/objects/batch",
            what=what,
            json=wish,
            headers={"Accept": form, "Content-Type": form},
        ).json()
        said = batch.get("objects")
        for each in said if isinstance(said, list) else []:
            data = by_digest.get(str(each.get("oid"))) if isinstance(each, dict) else None
            if data is None or "error" in each:
                raise HubError(errors.not_a_hub("it does not take the weights"))
            actions = each.get("actions") or {}  # none if the object exists already
            for action in ("upload", "verify"):
                if action not in actions:
                    continue
                address = actions[action].get("href") if isinstance(actions[action], dict) else None
                if not isinstance(address, str):
                    raise HubError(errors.not_a_hub("no address to send weights to"))
                if action == "upload":
                    self.ask("PUT", address, what=what, content=data)
                else:
                    self.ask("POST", address, what=what, json={"oid": each["oid"], "size": len(data)})


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Hide download progress bars in this context, unless ``HF_HUB_DISABLE_PROGRESS_BARS=0`` is set."""
    token = _bars_hidden.set(True)
    try:
        yield
    finally:
        _bars_hidden.reset(token)


@contextlib.contextmanager
def progress(what: Asked, size: int | None) -> Iterator[Any]:
    """Yield a progress bar of ``huggingface_hub``, or None if disabled by its environment variables.

    A log gets no bar, unless ``HF_HUB_DISABLE_PROGRESS_BARS=0`` asks for it.
    """
    from huggingface_hub import constants

    if _bars_hidden.get() and constants.HF_HUB_DISABLE_PROGRESS_BARS is not False:
        yield None
        return
    utils: Any = import_module("huggingface_hub.utils")
    hidden = None if constants.HF_HUB_DISABLE_PROGRESS_BARS is None else False  # None: hidden unless on a terminal
    with utils.tqdm(desc=f"{what.repo}/{what.name}", total=size, unit="B", unit_scale=True, disable=hidden) as bar:
        yield bar


def git_sha1(data: bytes) -> str:
    """Return the git object name of a file with these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def file_address(repo: str, commit: str, name: str) -> str:
    """Return the address of a file at a commit."""
    return f"{_hub()}/{repo}/resolve/{commit}/{quote(name)}"


def _hub() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _api() -> str:
    return f"{_hub()}/api"


def _remote(info: dict[str, Any]) -> Remote:
    """Read the valid parts of the Hub's answer."""
    commit = info.get("sha")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise HubError(errors.not_a_hub("no commit in the answer"))
    files: dict[str, RemoteFile] = {}
    listed = info.get("siblings")
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and isinstance(name := each.get("rfilename"), str):
            large = each.get("lfs") if isinstance(each.get("lfs"), dict) else None
            size = each.get("size") if large is None else large.get("size", each.get("size"))
            files[name] = RemoteFile(
                size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
                _hexadecimal(large.get("sha256"), SHA256) if large else None,
                None if large else _hexadecimal(each.get("blobId"), COMMIT),
            )
    private = info.get("private")
    return Remote(commit, files, private if isinstance(private, bool) else None)


def _hexadecimal(value: object, form: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None
