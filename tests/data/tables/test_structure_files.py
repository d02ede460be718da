"""Structure files read by other processes: the same as by this one, in the same order, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo._utils import workers
from zoo.data.tables import structure_files, table
from zoo.data.tables.structure_files import Files, read_structure_file
from zoo.data.tables.table import Record, Rejection, iter_inputs
from zoo.errors import InputError
from zoo.testing import sample_crystals


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """230 files, three of them broken in different ways."""
    made = tmp_path_factory.mktemp("cifs")
    texts = [structure.to(fmt="cif") for structure in sample_crystals.crystals().values()]
    for i in range(230):
        (made / f"c{i:03d}.cif").write_text(texts[i % len(texts)])
    (made / "c007.cif").write_text("data_\nnothing here")
    (made / "c100.cif").write_bytes(b"\0\1\2")
    (made / "c229.cif").write_text("")
    return made


def as_plain(items: list[Record | Rejection]) -> list[object]:
    return [(each.id, each.crystal.digest) if isinstance(each, Record) else str(each) for each in items]


def test_workers_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MANY", 200)
    monkeypatch.setattr(structure_files, "AHEAD", 2)  # so that batches are asked for while others are read
    files = sorted(folder.iterdir())
    here = as_plain([read_structure_file(path) for path in files])
    assert as_plain(list(Files(files, 2))) == here
    assert sum(isinstance(each, str) for each in here) == 3
    assert as_plain(list(iter_inputs([folder], workers=1))) == here
    assert as_plain(list(iter_inputs([*files[:50], folder, files[0]], workers=1))) == [*here[:50], *here, here[0]]


def test_few_files_start_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MANY", 200)
    monkeypatch.setattr(workers, "guarded", None)
    files = sorted(folder.iterdir())[:199]
    assert len(list(iter_inputs(files, workers=2))) == 199
    assert len(list(iter_inputs([folder]))) == 230  # nor do many, if none is asked for


def test_no_more_is_read_ahead_than_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_files, "AHEAD", 3)
    files = Files(sorted(folder.iterdir()), 1)
    for count, _ in enumerate(files, 1):
        assert len(files._pending) <= 3
        if count == 60:
            break
    files.close()


def test_a_worker_that_is_killed_is_an_error_not_a_hang(folder: Path) -> None:
    files = Files(sorted(folder.iterdir()) * 20, 1)
    next(files)
    (worker,) = files._pool._processes.values()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(InputError, match="a process that reads structure files was killed"):
        list(files)
    files.close()


ENDLESS = """
import signal, sys, time
from pathlib import Path
from zoo.data.tables import table as tables
from zoo.data.tables.table import iter_inputs
tables.MANY = 1
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
if __name__ == "__main__":
    rows = iter_inputs([Path(sys.argv[1])], workers=1)
    next(rows)
    print(*rows._pool._pool._processes, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(folder: Path, tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        worker = int(process.stdout.readline())
        os.kill(worker, signal.SIGINT)  # as a terminal does: to both. The worker leaves it to its parent
        process.send_signal(how)
        process.wait(60)
        said = process.stderr.read()
    assert said.count("Traceback") == (1 if how == signal.SIGINT else 0), said
    for _ in range(600):
        if not _runs(worker):
            return
        time.sleep(0.1)
    raise AssertionError(f"{worker} still runs")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
