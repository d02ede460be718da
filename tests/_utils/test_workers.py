"""Threads and processes that work for others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

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
from zoo._utils import workers as pools

pools.in_threads(abs, 3, 2)
atexit.register(lambda: print(pools.in_threads(lambda piece: piece + 1, 3, 2)))
"""


def test_work_at_the_end_of_the_interpreter_is_done_by_one_thread() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    assert workers.in_threads(lambda piece: piece, 3, 2) == [0, 1, 2]
    program = (
        "import os; from zoo._utils import workers as pools; pools.in_threads(abs, 3, 2); child = os.fork()\n"
        "if not child: os._exit(pools.in_threads(lambda piece: piece, 3, 2) != [0, 1, 2])\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=False).returncode == 0
