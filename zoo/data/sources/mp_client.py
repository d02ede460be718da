"""The Materials Project's official client, with retries and error messages that never contain the key."""

from __future__ import annotations

import os
import re
import time
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import DependencyError, InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

KEY = "MP_API_KEY"
"""Environment variable that holds the user's key."""

KEY_PAGE = "https://materialsproject.org/api"

RETRY_DELAYS = (1, 2, 4, 8, 16, 32)
"""Delays in seconds before retries of a request."""

API_FIELDS = {"k_vrh": "bulk_modulus.vrh", "g_vrh": "shear_modulus.vrh", "eps_total": "e_total"}
"""Columns of zoo's tasks → fields of the API."""

_STATUS = re.compile(r"status code (\d+)")


class Client:
    """The official client with retries; no error message contains the key.

    Parameters
    ----------
    key : str
        The user's key.

    Raises
    ------
    InputError
        If there is no key, or it is malformed.
    DependencyError
        If the official client is not installed.
    SourceError
        If the API refuses the key or the request, or does not answer after several attempts. The methods raise it, too.
    """

    def __init__(self, key: str) -> None:
        key = key.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            malformed = f"{KEY} is not a key: it contains spaces or other invalid characters"
            problem = malformed if key else f"{KEY} is not set"
            raise InputError(f"{problem}; get yours at {KEY_PAGE} and export it")
        try:
            import requests
            from mp_api.client import MPRester
            from mp_api.client.core.exceptions import MPRestError
        except ImportError as error:
            raise DependencyError(
                "fetching from the Materials Project needs mp-api; run: pip install 'crystal-zoo[mp]'"
            ) from error
        self._key = key
        # ValueError and KeyError: a proxy's error page instead of JSON, or an unexpected response.
        self._failures = (MPRestError, requests.RequestException, ValueError, KeyError)
        self.name = f"mp-api {version('mp-api')}"
        endpoint = os.environ.get("MP_API_ENDPOINT") or None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rester = self._retry(lambda: MPRester(key, endpoint, use_document_model=False, mute_progress_bars=True))
            self._summary = rester.materials.summary
            self.version = str(rester.db_version)
            listed = {"deprecated": False, "batch_id_not_eq": "gnome_r2scan_statics"}
            self.total = int(self._retry(lambda: self._summary.count(listed)))
        if not self.version:
            raise SourceError(
                "the Materials Project does not say the version of its data; see https://status.materialsproject.org"
            )

    def page(self, number: int, size: int, fields: Sequence[str]) -> list[dict[str, Any]]:
        """Return a page of documents, sorted by identifier; pages count from 1."""
        top = [API_FIELDS.get(field, field).partition(".")[0] for field in fields]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            documents: list[dict[str, Any]] = self._retry(
                lambda: self._summary.search(
                    deprecated=False,
                    include_gnome=False,
                    fields=list(dict.fromkeys(["material_id", "structure", "deprecated", *top])),
                    chunk_size=size,
                    num_chunks=1,
                    _page=number,
                    _sort_fields="material_id",
                )
            )
        return documents

    def _retry(self, request: Callable[[], T]) -> T:
        for delay in (*RETRY_DELAYS, None):
            try:
                return request()
            except self._failures as error:
                text = " ".join(str(error).split()).replace(self._key, "***")[:300]
                found = _STATUS.search(text)
                status = int(found[1]) if found else 0
                # Raised without a cause, because the client's exception may contain the request and thus the key.
                if status in (401, 403) or "valid API key" in text:
                    why = f"status {status}" if status else "one has 32 characters"
                    raise SourceError(
                        f"the Materials Project refuses the key in {KEY} ({why}); get yours at {KEY_PAGE} and export it"
                    ) from None
                if "invalid fields requested" in text:
                    names = text.partition("[")[2].partition("]")[0]
                    raise InputError(f"the Materials Project has no field {names}; see its summary document") from None
                if 400 <= status < 500 and status not in (408, 429):
                    raise SourceError(f"the Materials Project refuses the request: {text}") from None
                if delay is None:
                    raise SourceError(
                        f"the Materials Project does not answer: {text}; run the same command again to continue"
                    ) from None
                time.sleep(delay)
        raise AssertionError("unreachable")
