"""Graphs kept on disk: equal to those built anew, shared, and never half there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from zoo.cli import main

from zoo.data.graphs import store
from zoo.data.graphs.neighbors import GraphSettings, build_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[3] / "examples" / "bulk_modulus.csv"
ARRAYS = ("numbers", "copies", "degrees", "neighbors", "distances", "counts", "offsets")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty bulk moduli, one of them with a structure that is none, and one twice."""
    rows = pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:60]
    rows.loc[7, "structure"] = "no crystal"
    pd.concat([rows, rows.iloc[:1]]).to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv"


def same(one: PackedGraphs, other: PackedGraphs) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def test_what_is_kept_is_what_would_be_built(table: Path) -> None:
    records = read_table(table, None, max_rejected=1.0).records
    built = PackedGraphs.pack([g for g in build_graphs(r.crystal for r in records) if not isinstance(g, InputError)])
    first, second = (store.table_graphs(table, GraphSettings(), quiet=True) for _ in range(2))
    for found in (first, second):
        assert found.ids == [record.id for record in records]
        assert same(found.graphs, built)
        assert [(each.row, each.file) for each in found.rejected] == [(8, str(table)), (61, str(table))]
    assert "duplicate id, first at row 1" in second.rejected[1].reason


def test_a_store_is_known_by_content_and_settings_alone(table: Path, tmp_path: Path, cache: Path) -> None:
    store.table_graphs(table, GraphSettings(), quiet=True)
    shutil.copy(table, tmp_path / "renamed.csv")
    moved = store.table_graphs(tmp_path / "renamed.csv", GraphSettings(), quiet=True)
    assert moved.rejected[0].file == str(tmp_path / "renamed.csv")
    assert len(list(cache.iterdir())) == 1
    store.table_graphs(table, GraphSettings(neighbors=6), quiet=True)
    pd.read_csv(table, dtype={"material_id": str}).iloc[:30].to_csv(table, index=False)
    assert len(store.table_graphs(table, GraphSettings(), quiet=True).ids) == 29
    assert len(list(cache.iterdir())) == 3


def test_clearing_leaves_what_another_process_builds(table: Path, cache: Path) -> None:
    store.table_graphs(table, GraphSettings(), quiet=True)
    for name in ("now", "of-a-killed-process"):
        (cache / f".building-{name}").mkdir()
    long_ago = time.time() - store.ABANDONED_AFTER - 1
    os.utime(cache / ".building-of-a-killed-process", (long_ago, long_ago))
    assert store.clear()[0] == 2
    assert [path.name for path in cache.iterdir()] == [".building-now"]


def test_workers_build_the_same(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = store.table_graphs(table, GraphSettings(), quiet=True)
    store.clear()
    monkeypatch.setattr(store, "MIN_PARALLEL_ROWS", 20)
    monkeypatch.setattr(store, "ROWS_PER_TASK", 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    together = store.table_graphs(table, GraphSettings(), quiet=True)
    assert together.ids == alone.ids
    assert [str(each) for each in together.rejected] == [str(each) for each in alone.rejected]
    assert [len(g) for g in (alone.graphs, together.graphs)] == [59, 59]
    for name in ARRAYS:
        assert getattr(together.graphs, name).shape == getattr(alone.graphs, name).shape
    assert np.allclose(together.graphs.distances, alone.graphs.distances, atol=1e-5)


def test_tables_that_name_files_are_not_kept(tmp_path: Path, cache: Path) -> None:
    """Their bytes say nothing of the crystals: a file may change and keep its name."""
    from zoo.testing.sample_crystals import crystals

    for name, structure in crystals().items():
        structure.to(str(tmp_path / f"{name}.cif"))
    (tmp_path / "data.csv").write_text("id,file\na,NaCl.cif\nb,Si.cif\n")
    before = store.table_graphs(tmp_path / "data.csv", GraphSettings(), quiet=True)
    shutil.copy(tmp_path / "ZnO.cif", tmp_path / "Si.cif")
    after = store.table_graphs(tmp_path / "data.csv", GraphSettings(), quiet=True)
    assert set(before.graphs.numbers.tolist()) == {11, 14, 17}
    assert set(after.graphs.numbers.tolist()) == {8, 11, 17, 30}
    assert not cache.exists()


def test_processes_that_build_at_once_both_succeed(table: Path, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from zoo.data.graphs import store; from zoo.data.graphs.neighbors import GraphSettings;"
        "print(len(store.table_graphs(Path(sys.argv[1]), GraphSettings(), quiet=True).ids))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(table)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in running] == ["59"] * 3
    assert [path.name.startswith(".") for path in cache.iterdir()] == [False]


def cut(folder: Path) -> None:
    path = folder / "distances.npy"
    path.write_bytes(path.read_bytes()[:-8])


def flip(folder: Path) -> None:
    path = folder / "neighbors.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 255
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "harm",
    [
        cut,
        flip,
        lambda folder: (folder / "counts.npy").unlink(),
        lambda folder: (folder / "store.json").write_text("{"),
        lambda folder: (folder / "store.json").write_text("{}"),
    ],
    ids=["short", "changed", "missing", "no JSON", "empty"],
)
def test_a_damaged_store_is_named_and_cleared(harm: Callable[[Path], None], table: Path, cache: Path) -> None:
    store.table_graphs(table, GraphSettings(), quiet=True)
    (folder,) = cache.iterdir()
    harm(folder)
    with pytest.raises(InputError, match=rf"graph store {folder} is damaged \(.*\); remove it: zoo cache clear"):
        store.table_graphs(table, GraphSettings(), quiet=True)
    cleared = CliRunner().invoke(main, ["cache", "clear"])
    assert cleared.exit_code == 0, cleared.output
    assert cleared.stdout.startswith("1 store removed")
    assert len(store.table_graphs(table, GraphSettings(), quiet=True).ids) == 59


def test_a_store_is_as_open_to_others_as_the_umask_allows(table: Path, cache: Path) -> None:
    before = os.umask(0o022)
    try:
        store.table_graphs(table, GraphSettings(), quiet=True)
    finally:
        os.umask(before)
    (folder,) = cache.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o644}


def test_a_cache_that_cannot_be_written_is_named(table: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"cannot be written: .*; free some space, or set ZOO_CACHE"):
        store.table_graphs(table, GraphSettings(), quiet=True)


@pytest.mark.parametrize("limit", [200, 2000])
def test_a_full_disk_leaves_nothing(limit: int, table: Path, cache: Path) -> None:
    """The system takes no more than the first bytes of a file, be it a small or a large one."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(InputError, match=r"graphs cannot be written: .*; free some space, or set") as caught:
            store.table_graphs(table, GraphSettings(), quiet=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "None" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []
    assert len(store.table_graphs(table, GraphSettings(), quiet=True).ids) == 59


def test_a_crystal_that_fails_is_reported_with_its_id(tmp_path: Path) -> None:
    rows = pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:3]
    rows.loc[1, "structure"] = "two on one site\n1.0\n3 0 0\n0 3 0\n0 0 3\nH\n2\ndirect\n0 0 0\n0 0 0\n"
    rows.to_csv(tmp_path / "data.csv", index=False)
    (one,) = store.table_graphs(tmp_path / "data.csv", GraphSettings(), quiet=True).rejected
    assert (one.id, one.row, one.column) == (rows.material_id[1], 2, "structure")
    assert one.reason == "two atoms occupy the same site (H and H, atoms 1 and 2)"


SCRIPT = """
import os
from pathlib import Path
from zoo.data.graphs import store
from zoo.errors import InputError
from zoo.data.graphs.neighbors import GraphSettings

store.MIN_PARALLEL_ROWS, store.ROWS_PER_TASK = 20, 7
os.sched_getaffinity = lambda _: {0, 1}
try:
    store.table_graphs(Path("data.csv"), GraphSettings(), quiet=True)
except InputError as error:
    print(error)
"""


def test_workers_that_die_are_explained(table: Path, tmp_path: Path) -> None:
    """A script that starts processes without the usual line: each of them would start others."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    (line,) = done.stdout.splitlines()
    assert "a process that builds graphs was killed" in line


def test_a_table_without_crystals_says_so(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("id,structure\na,nothing\n")
    with pytest.raises(InputError, match=r"data\.csv: there is no usable crystal; the first reason: "):
        store.table_graphs(tmp_path / "data.csv", GraphSettings(), quiet=True)


def test_info_says_what_there_is(table: Path, cache: Path) -> None:
    empty = CliRunner().invoke(main, ["cache", "info"])
    assert empty.stdout == f"0 stores, 0.0 MB, in {cache} (set ZOO_CACHE to change it)\n"
    graphs = store.table_graphs(table, GraphSettings(), quiet=True).graphs
    shown = json.loads(CliRunner().invoke(main, ["cache", "info", "--json"]).stdout)
    assert shown["folder"] == str(cache)
    (entry,) = shown["stores"]
    assert (entry["crystals"], entry["atoms"]) == (59, int(graphs.copies.sum()))
    assert entry["bytes"] == sum(path.stat().st_size for path in Path(entry["folder"]).iterdir())
    assert entry["settings"] == {"cutoff": 8.0, "neighbors": 12, "ties": "environment"}
    assert "59" in CliRunner().invoke(main, ["cache", "info"]).stdout


def test_without_zoo_cache_it_is_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert store.cache_folder() == Path("/somewhere/crystal-zoo/graphs")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert store.cache_folder() == Path("/home/ada/.cache/crystal-zoo/graphs")
