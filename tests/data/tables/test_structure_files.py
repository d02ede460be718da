"""Structure files read by other processes: the same as by this one, in the same order, and none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.data.tables.inputs import iter_records
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.structure_files import FILES_PER_BATCH, ParallelReader, read_structure_file
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


def test_workers_change_nothing(folder: Path) -> None:
    files = sorted(folder.iterdir())
    named = [(path, path.stem) for path in files]
    here = as_plain([item for each in named for item in read_structure_file(*each)])
    # Two batches ahead, so that some are submitted while others are read.
    assert as_plain(list(ParallelReader(named, 2, ahead=2))) == here
    assert sum(isinstance(each, str) for each in here) == 3
    assert as_plain(list(iter_records([folder], workers=1, min_parallel=200))) == here
    mixed = iter_records([*files[:50], folder, files[0]], workers=1, min_parallel=200)
    assert as_plain(list(mixed)) == [*here[:50], *here, here[0]]


def test_few_files_start_no_process(folder: Path) -> None:
    before = multiprocessing.active_children()
    files = sorted(folder.iterdir())[:199]
    assert len(list(iter_records(files, workers=2, min_parallel=200))) == 199
    assert len(list(iter_records([folder], min_parallel=200))) == 230  # nor do many, if no worker is asked for
    assert set(multiprocessing.active_children()) <= set(before)


class Watched(list[tuple[Path, str]]):
    """Paths that remember how many of them have been asked for."""

    asked = 0

    def __getitem__(self, key: slice) -> list[tuple[Path, str]]:  # type: ignore[override]
        self.asked = max(self.asked, key.stop)
        return super().__getitem__(key)


def test_no_more_is_read_ahead_than_allowed(folder: Path) -> None:
    files = Watched((path, path.stem) for path in sorted(folder.iterdir()))
    reader = ParallelReader(files, 1, ahead=3)
    for count in range(1, 61):
        next(reader)
        begun = -(-count // FILES_PER_BATCH)
        assert files.asked <= (begun + 3) * FILES_PER_BATCH
    reader.close()


def test_a_worker_that_is_killed_is_an_error_not_a_hang(folder: Path) -> None:
    before = multiprocessing.active_children()
    reader = ParallelReader([(path, path.stem) for path in sorted(folder.iterdir())] * 20, 1)
    next(reader)
    (worker,) = (each for each in multiprocessing.active_children() if each not in before)
    worker.kill()
    with pytest.raises(InputError, match="a process that reads structure files was killed"):
        list(reader)
    reader.close()


ENDLESS = """
import multiprocessing, signal, sys, time
from pathlib import Path
from zoo.data.tables.inputs import iter_records
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
if __name__ == "__main__":
    rows = iter_records([Path(sys.argv[1])], workers=1, min_parallel=1)
    next(rows)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
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
