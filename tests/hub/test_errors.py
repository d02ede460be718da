"""Errors of the Hub in words: one line, the next step, no secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from zoo.hub.errors import Asked, refusal, without_password, without_secrets

if TYPE_CHECKING:
    from support.hubmachine import Machine


@dataclass
class Response:
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("status", "headers", "writing", "said"),
    [
        (403, {"x-error-code": "GatedRepo"}, False, "a/b is gated: ask for access at"),
        (403, {"x-error-message": "Access to this resource is disabled."}, False, "a/b has been disabled by the Hub"),
        (404, {"x-error-code": "RevisionNotFound"}, False, "a/b has no revision v1; see"),
        (404, {"x-error-code": "EntryNotFound"}, False, "a/b has no file x at revision v1"),
        (404, {}, False, "there is no model a/b at"),
        (404, {}, True, "does not let you write to a/b"),
        (401, {}, False, "requires authentication"),
        (409, {}, True, "a/b has changed on"),
        (429, {"retry-after": "70"}, False, "wait 70 seconds, or log in"),
        (429, {"retry-after": "Wed, 21 Oct"}, False, "wait a few minutes"),
        (502, {}, False, "has a server error (status 502)"),
        (
            418,
            {"x-error-message": "tea\x1b[31m,\n hf_" + "a" * 20},
            False,
            "(status 418: tea[31m, (token))",
        ),
    ],
)
def test_each_refusal_has_its_words(
    here: Machine, status: int, headers: dict[str, str], writing: bool, said: str
) -> None:
    line = refusal(Response(status, headers), Asked("a/b", "v1", "x", writing=writing))
    assert said in line
    assert line.isprintable()


def test_secrets_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "my own token")
    assert (
        without_secrets("my own token, hf_" + "b" * 16 + " at https://me:pw@hub/") == "(token), (token) at https://hub/"
    )
    assert without_password("http://a@b/c@d") == "http://b/c@d"
