"""Side-by-side measurement: workers that wait for their turn, and whole processes, one after the other.

A worker is a program in its peer's own environment that sets itself up and then, each time it is asked, does its work
once and says how many seconds that took. Workers take turns, A B A B …, and the ratio is that of the medians.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".bench"


def python_of(peer: str) -> Path | None:
    """Return the interpreter of a peer's environment, or None if it was not set up."""
    path = ROOT / ".venv/bin/python" if peer in ("zoo", "naive", "plain") else ENVIRONMENTS / peer / "bin/python"
    return path if path.exists() else None


def environment(threads: int) -> dict[str, str]:
    """Return the variables that every measured process runs with."""
    count = str(threads)
    return {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "PYTHONWARNINGS": "ignore"}


class Worker:
    """A peer's process, which sets itself up at once; ``once()`` lets it work once and returns seconds."""

    def __init__(self, peer: str, task: str, data: Path, threads: int) -> None:
        interpreter = python_of(peer)
        if interpreter is None:
            raise FileNotFoundError(peer)
        program = Path(__file__).parent / "workers" / f"with_{peer}.py"
        self.process = subprocess.Popen(
            [str(interpreter), str(program), task, str(data), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(threads),
        )
        self.ready = False

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError(f"a worker ended: {self.process.args}")

    def once(self) -> float:
        """Work once."""
        if not self.ready:
            self._answer()
            self.ready = True
        assert self.process.stdin is not None
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self._answer()["seconds"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Comparison:
    """Seconds of both sides, in the order in which they were measured."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times longer the peer takes: of the medians."""
        return median(self.theirs) / median(self.ours)

    @property
    def spread(self) -> str:
        """Smallest and largest ratio of neighbouring measurements."""
        ratios = [b / a for a, b in zip(self.ours, self.theirs, strict=True)]
        return f"{min(ratios):.3g} to {max(ratios):.3g}"


def rounds() -> int:
    """Return how often each comparison is repeated: ``ROUNDS`` in the environment, or 5."""
    return int(os.environ.get("ROUNDS", "5"))


def compare(peer: str, task: str, data: Path, threads: int) -> Comparison:
    """Let zoo and a peer take turns at a task, after one round that is not counted."""
    result = Comparison()
    with Worker("zoo", task, data, threads) as ours, Worker(peer, task, data, threads) as theirs:
        ours.once()
        theirs.once()
        for _ in range(rounds()):
            result.ours.append(ours.once())
            result.theirs.append(theirs.once())
    return result


def run(command: list[str], cwd: Path, threads: int) -> float:
    """Run a whole process; return its wall-clock seconds."""
    began = time.perf_counter()
    _finish(command, cwd, threads)
    return time.perf_counter() - began


def peak(command: list[str], cwd: Path, threads: int) -> float:
    """Run a whole process; return the most memory that it had, in MB.

    It is started by a small process of its own: what a process had before it became another program is counted to
    that one as well, and this one may be large.
    """
    starter = "import resource, subprocess, sys; subprocess.check_call(sys.argv[1:], stdout=subprocess.DEVNULL); "
    starter += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    return int(_finish([sys.executable, "-c", starter, *command], cwd, threads)) / 1024


def _finish(command: list[str], cwd: Path, threads: int) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(threads), check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-500:]}")
    return done.stdout


def forget(folder: Path) -> None:
    """Let the system forget what it holds of a folder's files, so that they are read from the disk again."""
    os.sync()  # pages that are not yet written are not forgotten
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def compare_processes(
    ours: list[str],
    theirs: list[str],
    cwd: Path,
    *,
    threads: int = 2,
    warm_up: bool = True,
    clean: Path | None = None,
    cold: tuple[Path, ...] = (),
) -> Comparison:
    """Run two whole processes in turn.

    `clean` is a folder that ours makes and must not find; `cold` are folders that are forgotten before each run.
    """
    result = Comparison()
    if warm_up:
        run(ours, cwd, threads)
        run(theirs, cwd, threads)
    for _ in range(rounds()):
        if clean:
            shutil.rmtree(clean, ignore_errors=True)
        for command, seconds in ((ours, result.ours), (theirs, result.theirs)):
            for folder in cold:
                forget(folder)
            seconds.append(run(command, cwd, threads))
    return result
