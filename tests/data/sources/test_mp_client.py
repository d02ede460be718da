"""The client of the Materials Project: the key it takes, what it retries, and the pages it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.data.sources.mp_client import KEY, Client
from zoo.errors import InputError, SourceError

if TYPE_CHECKING:
    from support.mpserver import MPServer


@pytest.mark.parametrize(
    ("key", "message"),
    [("", "is not set"), (" \n", "is not set"), ("a b", "is not a key"), ("schlüssel", "is not a key")],
)
def test_a_malformed_key_is_refused_before_anything_is_sent(key: str, message: str) -> None:
    with pytest.raises(InputError, match=f"{KEY} {message}.*; get yours at https://") as caught:
        Client(key)
    assert not key.strip() or key not in str(caught.value)


def test_pages_are_sorted_and_hold_the_fields_asked_for(mp_server: MPServer) -> None:
    pytest.importorskip("mp_api", reason="the extra mp is not installed")
    from support.mpserver import KEY as GOOD
    from support.mpserver import VERSION

    client = Client(GOOD)
    assert (client.version, client.name.partition(" ")[0]) == (VERSION, "mp-api")
    pages = [client.page(number, 10, ["k_vrh"]) for number in (1, 2, 3)]
    names = [document["material_id"] for page in pages for document in page]
    assert names == sorted(names)
    assert len(names) == client.total
    assert all(document.keys() >= {"structure", "bulk_modulus"} for page in pages for document in page)


def test_a_failure_that_passes_is_retried_and_one_that_stays_is_an_error(mp_server: MPServer) -> None:
    pytest.importorskip("mp_api", reason="the extra mp is not installed")
    from support.mpserver import KEY as GOOD

    client = Client(GOOD)
    mp_server.faults = ["html", "out of order"]
    assert len(client.page(1, 10, ["band_gap"])) == 10
    mp_server.faults = ["html"] * 50
    with pytest.raises(SourceError, match=r"does not answer: .*; run the same command again to continue"):
        client.page(1, 10, ["band_gap"])
