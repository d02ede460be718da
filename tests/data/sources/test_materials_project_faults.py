"""Fetching from the Materials Project while its server, the network, the disk or the process fails."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mp_api", reason="the extra mp is not installed")

from support.mpserver import MPServer, get

from zoo.data.sources import materials_project
from zoo.errors import DependencyError, InputError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

# --- faults ---


@pytest.mark.parametrize("fault", ["busy", "out of order", "html", "cut", "closed"])
def test_what_passes_is_tried_again(fault: Any, mp_server: MPServer, tmp_path: Path) -> None:
    mp_server.faults = [fault, None, fault, None, fault, fault]
    assert get(tmp_path / "mp.parquet").rows == 22


@pytest.mark.parametrize("fault", ["busy", "out of order", "html", "cut", "closed"])
def test_what_does_not_pass_is_said_and_costs_no_page(fault: Any, mp_server: MPServer, tmp_path: Path) -> None:
    mp_server.faults = [None, None, *[fault] * 50]
    with pytest.raises(SourceError, match=r"does not answer: .*; run the same command again to continue") as caught:
        get(tmp_path / "mp.parquet")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mp.parquet").exists()
    mp_server.faults, mp_server.requests = [], []
    assert get(tmp_path / "mp.parquet").rows == 22
    assert mp_server.pages == ["2", "3"]
    assert not (tmp_path / "mp.parquet.partial").exists()


def test_a_field_that_every_table_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--fields material_id: every table has this column"):
        materials_project.fetch(tmp_path / "mp.parquet", ("band_gap", "material_id"), quiet=True)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there_is_said(
    mp_server: MPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MP_API_ENDPOINT", "http://127.0.0.1:9/")
    with pytest.raises(SourceError, match="does not answer"):
        get(tmp_path / "mp.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_client_is_named(tmp_path: Path, mp_server: MPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mp_api.client", None)
    with pytest.raises(DependencyError, match=r"pip install 'crystal-zoo\[mp\]'"):
        get(tmp_path / "mp.parquet")


# --- interruptions ---

FETCH = """
import sys
from pathlib import Path
from zoo.data.sources.materials_project import fetch
fetch(Path(sys.argv[1]), ("band_gap", "k_vrh"), page=10, quiet=True)
"""


def test_a_run_killed_between_pages_continues_there(mp_server: MPServer, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    get(whole)
    mp_server.requests = []
    mp_server.faults = [None, None, None, *["out of order"] * 50]
    with subprocess.Popen([sys.executable, "-c", FETCH, str(cut)]) as process:
        deadline = time.monotonic() + 60
        while "3" not in mp_server.pages and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert not cut.exists()
    mp_server.requests, mp_server.faults = [], []
    get(cut)
    assert mp_server.pages == ["3"]
    assert cut.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def begun(mp_server: MPServer, out: Path) -> None:
    mp_server.faults = [None, None, *["out of order"] * 4]
    with pytest.raises(SourceError):
        get(out)
    mp_server.faults = []


def test_unfinished_work_of_another_query_or_release_is_refused(mp_server: MPServer, tmp_path: Path) -> None:
    out = tmp_path / "mp.parquet"
    begun(mp_server, out)
    with pytest.raises(InputError, match=r"partial was started with other settings \(fields\); give the same"):
        get(out, fields=("band_gap",))
    mp_server.version = "2026.02.01"  # which a process asks for once
    done = subprocess.run([sys.executable, "-c", FETCH, str(out)], capture_output=True, text=True, check=False)
    (*_, line) = done.stderr.splitlines()
    assert "other settings (database version); " in line
    assert "remove it to start again" in line


def test_a_page_that_is_damaged_is_fetched_again(mp_server: MPServer, tmp_path: Path) -> None:
    out = tmp_path / "mp.parquet"
    begun(mp_server, out)
    page = tmp_path / "mp.parquet.partial" / "page-00001.parquet"
    page.write_bytes(page.read_bytes()[:-20])
    mp_server.requests = []
    assert get(out).rows == 22
    assert mp_server.pages == ["1", "2", "3"]


def test_a_material_that_comes_twice_is_no_silent_loss_of_another(mp_server: MPServer, tmp_path: Path) -> None:
    """The data changed between two pages: what was at their border is on both."""
    begun(mp_server, tmp_path / "mp.parquet")
    mp_server.documents.insert(0, {**mp_server.documents[0], "material_id": "mp-0"})
    with pytest.raises(SourceError, match=r"sent a material twice, .*; remove .*mp\.parquet\.partial to start again"):
        get(tmp_path / "mp.parquet")
    assert not (tmp_path / "mp.parquet").exists()


def test_a_full_disk_leaves_the_pages_before_it(mp_server: MPServer, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    begun(mp_server, tmp_path / "mp.parquet")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"page-00002\.parquet cannot be written: File too large; free") as caught:
            get(tmp_path / "mp.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in (tmp_path / "mp.parquet.partial").iterdir()) == [
        "begun.json",
        "page-00001.parquet",
    ]
    mp_server.requests = []
    assert get(tmp_path / "mp.parquet").rows == 22
    assert mp_server.pages == ["2", "3"]
