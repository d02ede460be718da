"""Jobs on local processes, Ray and Dask: all of them are done, whichever worker dies."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from zoo._utils.engines import Engine, Job, check, compute
from zoo.errors import DependencyError, InputError

if TYPE_CHECKING:
    from pathlib import Path


def work(number: int, folder: Path) -> int:
    """Square a number; 3 kills its process once, while 5 is at work, which always kills its own, and 6 raises."""
    mark = folder / str(number)
    first = not mark.exists()
    mark.touch()
    if number == 3 and first:
        for _wait in range(200):  # Ray may have put 5 behind 3
            if (folder / "5").exists():
                break
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 6:
        raise InputError("six\nis not liked")
    return number * number


@pytest.mark.parametrize("engine", ["local", "dask", "ray"])
def test_deaths_and_errors_cost_their_own_job_alone(engine: Engine, tmp_path: Path) -> None:
    jobs = [Job(f"job {number}", partial(work, number, tmp_path)) for number in range(9)]
    said: list[str] = []
    found = {result.index: result for result in compute(jobs, engine, 2, say=said.append)}
    assert {index: result.value for index, result in found.items()} == {
        number: None if number in (5, 6) else number * number for number in range(9)
    }
    assert "its worker process died twice" in found[5].failure
    assert found[6].failure == "six is not liked"
    assert sorted(index for index, result in found.items() if result.failure) == [5, 6]
    assert any("a worker process died while running " in line and "job 3" in line for line in said)
    assert "job 5: its worker process died again; given up" in said


@pytest.mark.parametrize("reported", [False, True], ids=["raised", "reported"])
def test_errors_of_the_system_are_told_apart(reported: bool) -> None:
    (done,) = compute([Job("a", partial(_fill_the_disk, reported=reported))], workers=1)
    assert done.failure.endswith("No space left on device: 'x'")
    again = pickle.loads(pickle.dumps(done)).system_error
    assert (again.errno, again.filename) == (errno.ENOSPC, "x")
    (other,) = compute([Job("a", partial(int, "x"))], workers=1)
    assert other.system_error is None


def _fill_the_disk(*, reported: bool) -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device", "x")
    except OSError as error:
        if reported:
            raise InputError(f"cannot write: {error}") from error
        raise


def test_one_worker_is_this_process() -> None:
    assert [result.value for result in compute([Job("pid", os.getpid)], "local", 1)] == [os.getpid()]
    assert list(compute([], "local")) == []


def test_engines_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--engine slurm: use one of local, ray, dask"):
        check("slurm")
    with pytest.raises(InputError, match="--workers 0: at least one"):
        check("local", 0)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DependencyError, match=r'--engine dask needs Dask: pip install "crystal-zoo\[dask\]"'):
        check("dask")


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:9")
    monkeypatch.setattr("zoo._utils.engines.SCHEDULER_TIMEOUT", 1)
    with pytest.raises(InputError, match=r"--engine dask: no scheduler answers at tcp://127\.0\.0\.1:9"):
        list(compute([Job("pid", os.getpid)], "dask", 2))


def test_a_dask_cluster_that_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    from dask.distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        pids = {result.value for result in compute([Job("pid", os.getpid)] * 3, "dask")}
        assert pids == {worker.pid for worker in cluster.workers.values()}
