"""Many independent jobs, on the cores of this machine (joblib) or on a Ray or Dask cluster.

``ray`` and ``dask`` use the cluster that ``RAY_ADDRESS`` or ``DASK_SCHEDULER_ADDRESS`` names, or start one on this
machine. Results come as jobs finish. A job that raises has failed. A worker process that dies (out of memory, a crash
in a library) takes its jobs with it: each of them is tried again while nothing else runs, so that a second death can be
attributed to one job. On Ray and Dask the engine's own futures are used rather than joblib's backends, which wait
forever for a job whose worker has died.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from zoo._utils.workers import end_with_parent
from zoo.errors import DependencyError, InputError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    Prepare = Callable[[], object] | None
    Run = Callable[[Mapping[int, "Job"]], Iterator["JobResult | _WorkerDeath"]]

Engine = Literal["local", "ray", "dask"]

SCHEDULER_TIMEOUT = 30
"""Seconds to wait for a Dask scheduler to answer."""

IDLE_WORKER_TIMEOUT = 60
"""Seconds after which an idle local worker exits, even if the process that started it was killed."""

_PACKAGES = {"ray": ("ray", "Ray"), "dask": ("distributed", "Dask")}


@dataclass(frozen=True)
class Job:
    """One job.

    Parameters
    ----------
    name : str
        For messages.
    call : callable
        Takes no arguments. It and its return value must be picklable.
    """

    name: str
    call: Callable[[], Any]


@dataclass(frozen=True)
class JobResult:
    """The result of a job, or the reason why there is none.

    Parameters
    ----------
    index : int
        Position among the jobs.
    value : object
        Return value.
    failure : str
        Why there is no value, in one line; empty if the job succeeded.
    system_error : OSError or None
        The error of the operating system behind the failure, such as that of a full disk, which is not the job's fault.
    """

    index: int
    value: Any = None
    failure: str = ""
    system_error: OSError | None = None


@dataclass(frozen=True)
class _WorkerDeath:
    """A job whose worker process died while running it, and the kind of error that reported the death."""

    index: int
    kind: str


def check(engine: str, workers: int | None = None) -> Engine:
    """Return the engine if it can be used with this number of workers.

    Raises
    ------
    InputError
        If there is no such engine, or fewer than one worker is requested.
    DependencyError
        If it is not installed; says what to install.
    """
    if engine not in get_args(Engine):
        raise InputError(f"--engine {engine}: use one of {', '.join(get_args(Engine))}")
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: at least one is needed")
    if engine in _PACKAGES:
        module, title = _PACKAGES[engine]
        if find_spec(module) is None:
            raise DependencyError(f'--engine {engine} needs {title}: pip install "crystal-zoo[{engine}]"')
    return cast("Engine", engine)


def compute(
    jobs: Sequence[Job],
    engine: Engine = "local",
    workers: int | None = None,
    *,
    say: Callable[[str], None] = lambda _line: None,
    prepare: Callable[[], object] | None = None,
) -> Iterator[JobResult]:
    """Run all jobs, and yield each result as soon as it is available.

    Parameters
    ----------
    jobs : sequence of Job
    engine : {"local", "ray", "dask"}
        One that :func:`check` has accepted.
    workers : int, optional
        Number of jobs at a time; by default one per core of this machine or of the cluster. With one, on ``local``,
        jobs run in this process.
    say : callable
        Receives a line when a worker dies.
    prepare : callable, optional
        Called in each worker of ``local`` before it receives a job, and by the others before each job; for example, it
        loads plugins. Picklable.

    Raises
    ------
    InputError
        If the engine's cluster cannot be reached.
    """
    if not jobs:
        return
    with _ENGINES[engine](workers, prepare) as run:
        waiting = dict(enumerate(jobs))
        suspects: list[int] = []
        while waiting:
            alone = bool(suspects)
            batch = [suspects.pop(0)] if alone else list(waiting)
            deaths: list[_WorkerDeath] = []
            for result in run({index: waiting[index] for index in batch}):
                if isinstance(result, _WorkerDeath):
                    deaths.append(result)
                else:
                    del waiting[result.index]
                    yield result
            if alone and deaths:
                name = waiting.pop(batch[0]).name
                say(f"{name}: its worker process died again; given up")
                yield JobResult(batch[0], failure=f"its worker process died twice ({deaths[0].kind})")
            elif deaths:
                suspects = sorted(death.index for death in deaths)
                names = "; ".join(waiting[index].name for index in suspects)
                say(f"a worker process died while running {names}; trying again, one at a time")


def _call(index: int, call: Callable[[], Any], prepare: Prepare = None) -> JobResult:
    """Run a job in a worker; an exception becomes a failure, so that other jobs continue."""
    try:
        if prepare:
            prepare()
        return JobResult(index, call())
    except BaseException as error:  # third-party plugins may raise anything
        if type(error) is KeyboardInterrupt:  # Ctrl-C, and no plugin's own kind of it
            raise
        reason = " ".join(str(error).split())
        reason = reason if isinstance(error, ZooError) else f"{type(error).__name__}: {reason}"
        return JobResult(index, failure=reason, system_error=_system_error(error))


def _system_error(error: BaseException) -> OSError | None:
    """Return the error of the operating system that an exception is, or reports; those of networks do not count."""
    found = error.__cause__ if isinstance(error, InputError) else error
    if not isinstance(found, OSError) or not found.errno or isinstance(found, ConnectionError | TimeoutError):
        return None
    return OSError(found.errno, found.strerror, found.filename)  # of Python's own classes, which can be pickled


def _begin(prepare: Prepare) -> None:
    """Begin a worker process of this machine."""
    end_with_parent()
    if prepare:
        prepare()


@contextmanager
def _local(workers: int | None, prepare: Prepare) -> Iterator[Run]:
    """Run jobs in processes of this machine."""
    from joblib import Parallel, cpu_count, delayed, parallel_config

    def run(jobs: Mapping[int, Job]) -> Iterator[JobResult | _WorkerDeath]:
        running: set[int] = set()

        def hand_out() -> Iterator[Any]:
            for index, job in jobs.items():
                running.add(index)
                yield delayed(_call)(index, job.call)

        with parallel_config("loky", idle_worker_timeout=IDLE_WORKER_TIMEOUT, initializer=_begin, initargs=(prepare,)):
            # No job is submitted before a worker is free, so that few jobs are affected if one dies.
            parallel = Parallel(
                workers or cpu_count(), return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
            )
        try:
            for result in parallel(hand_out()):
                running.discard(result.index)
                yield result
        except BrokenProcessPool as error:  # it does not say which job it was
            logging.getLogger("zoo").debug("a worker died", exc_info=True)
            yield from (_WorkerDeath(index, type(error).__name__) for index in running)

    yield run


@contextmanager
def _ray(workers: int | None, prepare: Prepare) -> Iterator[Run]:
    """Run jobs as tasks of Ray."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry unless the user opts in
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the future default; silences a warning
    import ray
    from joblib import cpu_count
    from ray.exceptions import RayError

    ours = not ray.is_initialized()
    if ours:
        address = os.environ.get("RAY_ADDRESS")
        local: dict[str, Any] = {"num_cpus": workers or cpu_count(), "include_dashboard": False}
        try:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **({} if address else local))
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"--engine ray: {address or 'a local Ray'} cannot be used: {error}") from error
    call = ray.remote(max_retries=0)(_call)

    def run(jobs: Mapping[int, Job]) -> Iterator[JobResult | _WorkerDeath]:
        slots = workers or int(ray.cluster_resources().get("CPU", 1))
        waiting = iter(jobs.items())
        running: dict[Any, int] = {}
        while True:
            for index, job in islice(waiting, slots - len(running)):
                running[call.remote(index, job.call, prepare)] = index
            if not running:
                return
            (done, *_), _ = ray.wait(list(running))
            index = running.pop(done)
            try:
                yield ray.get(done)
            except RayError as error:
                yield _WorkerDeath(index, type(error).__name__)

    try:
        yield run
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _dask(workers: int | None, prepare: Prepare) -> Iterator[Run]:
    """Run jobs as futures of Dask."""
    from dask.distributed import as_completed

    with _dask_client(workers) as client:

        def run(jobs: Mapping[int, Job]) -> Iterator[JobResult | _WorkerDeath]:
            slots = workers or sum(client.nthreads().values()) or 1
            waiting = iter(jobs.items())
            running: dict[Any, int] = {}
            finished = as_completed()

            def submit(count: int) -> None:
                for index, job in islice(waiting, count):
                    future = client.submit(_call, index, job.call, prepare, pure=False)
                    running[future] = index
                    finished.add(future)

            submit(slots)
            for future in finished:
                index = running.pop(future)
                submit(1)
                error = future.exception()
                yield future.result() if error is None else _WorkerDeath(index, type(error).__name__)

        yield run


@contextmanager
def _dask_client(workers: int | None) -> Iterator[Any]:
    import dask
    from dask.distributed import Client, LocalCluster
    from joblib import cpu_count

    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address:
        try:
            client = Client(address, timeout=SCHEDULER_TIMEOUT)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(f"--engine dask: no scheduler answers at {address}: {error}") from error
        with client:
            yield client
        return
    # The job of a dead worker comes back at once, to be tried again by `compute`.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=workers or cpu_count(),
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


_ENGINES: dict[Engine, Callable[[int | None, Prepare], AbstractContextManager[Run]]] = {
    "local": _local,
    "ray": _ray,
    "dask": _dask,
}
