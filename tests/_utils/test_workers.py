"""Threads and processes within one job."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zoo._utils import workers


def test_results_are_in_the_order_of_the_pieces_whatever_the_threads() -> None:
    for threads in (0, 1, 2, 9):
        assert workers.in_threads(lambda piece: piece**2, 5, threads) == [0, 1, 4, 9, 16]
    assert workers.in_threads(lambda piece: piece, 0, 2) == []


def test_as_many_threads_as_asked_for_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=60)
    assert sorted(workers.in_threads(lambda _piece: meeting.wait(), 3, 3)) == [0, 1, 2]


def test_pieces_are_shared_by_all_threads_to_the_end() -> None:
    """Two at a time, each waits for another: with all but the first left to one thread it would wait for ever."""
    meeting = threading.Barrier(2, timeout=60)
    assert len(workers.in_threads(lambda _piece: meeting.wait(), 8, 2)) == 8


def test_what_fails_in_any_thread_is_raised() -> None:
    def run(piece: int) -> None:
        if piece == 5:
            raise ValueError("piece 5")

    for threads in (1, 2, 3):
        with pytest.raises(ValueError, match="piece 5"):
            workers.in_threads(run, 8, threads)


@pytest.mark.parametrize(
    ("asked", "expected"), [("3", 3), ("2,1", 2), ("", None), ("0", None), ("many", None), (None, None)]
)
def test_threads_are_as_many_as_cores_or_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, expected: int | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert workers.threads() == (expected or workers.cores())


AT_THE_END = """
import atexit
from zoo._utils import workers

workers.in_threads(abs, 3, 2)
atexit.register(lambda: print(workers.in_threads(lambda piece: piece + 1, 3, 2)))
"""


def test_work_at_the_end_of_the_interpreter_is_done_by_one_thread() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    assert workers.in_threads(lambda piece: piece, 3, 2) == [0, 1, 2]
    program = (
        "import os; from zoo._utils import workers; workers.in_threads(abs, 3, 2); child = os.fork()\n"
        "if not child: os._exit(workers.in_threads(lambda piece: piece, 3, 2) != [0, 1, 2])\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=False).returncode == 0


POOL = """
import os, time
from zoo._utils.workers import guarded, interrupts_ignored

if __name__ == "__main__":
    pool = guarded(1)
    with interrupts_ignored():
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
    time.sleep(600)
"""


ENGINE = """
import os, time
from functools import partial
from zoo._utils.engines import Job, compute

def report(number):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(compute([Job(str(number), partial(report, number)) for number in range(2)], "local", 2))
"""


@pytest.mark.parametrize("program", [POOL, ENGINE], ids=["pool", "engine"])
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_a_busy_worker_ends_when_its_parent_is_killed(tmp_path: Path, program: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(program)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").is_dir():
        assert time.monotonic() < deadline, f"{worker} still runs"
        time.sleep(0.1)
