"""``zoo fetch``: what it prints, and that the key is never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("mp_api", reason="the extra mp is not installed")

from click.testing import CliRunner
from support.mpserver import KEY, VERSION, MPServer
from zoo.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "MP_API_KEY is not set; get yours at https://"),
        ("  ", "MP_API_KEY is not set; get yours at https://"),
        ("secret1234\nsecret5678", "MP_API_KEY is not a key: it contains spaces or other invalid characters"),
        ("secret1234secret", "the Materials Project refuses the key in MP_API_KEY (one has 32 characters); get yours"),
        ("secret12" * 4, "the Materials Project refuses the key in MP_API_KEY (status 401); get yours"),
    ],
    ids=["missing", "blank", "broken", "short", "refused"],
)
def test_a_key_that_is_no_good_is_one_line_and_never_shown(
    key: str | None, message: str, mp_server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is None:
        monkeypatch.delenv("MP_API_KEY")
    else:
        monkeypatch.setenv("MP_API_KEY", key)
    out = tmp_path / "mp.parquet"
    done = CliRunner().invoke(main, ["-v", "fetch", "materials-project", "--out", str(out)])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    assert "secret" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_key_goes_into_the_header_and_nowhere_else(mp_server: MPServer, tmp_path: Path) -> None:
    mp_server.faults = [None, "out of order"]
    done = CliRunner().invoke(
        main, ["-v", "fetch", "materials-project", "--out", str(tmp_path / "mp.parquet"), "--fields", "band_gap"]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"22 materials of the Materials Project, version {VERSION} (CC-BY-4.0), in {tmp_path / 'mp.parquet'}",
        f"1 without a usable structure, listed in {tmp_path / 'mp.rejected.csv'}",
    ]
    assert {headers["x-api-key"] for headers in mp_server.headers} == {KEY}
    assert KEY not in done.output + json.dumps(mp_server.requests)
    for path in tmp_path.rglob("*"):
        assert KEY.encode() not in path.read_bytes()
