"""Many independent pieces of work, on this machine's cores or on a cluster, by joblib.

``local`` starts processes here; ``ray`` and ``dask`` hand the work to joblib's backends for them: to the cluster that
``RAY_ADDRESS`` or ``DASK_SCHEDULER_ADDRESS`` names, else to one that is started here for the purpose.

Results come as they are finished. A piece that raises has failed. A worker that dies (no memory left, a crash in a
library) takes the pieces that were being computed with it: each of them is tried again alone, when nothing else is
being computed, so that a second death says which one it was.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from zoo.errors import DependencyError, InputError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Engine = Literal["local", "ray", "dask"]

PATIENCE = 30
"""Seconds to wait for a scheduler's answer."""

IDLE = 60
"""Seconds after which a local worker without work ends, also where the process that started it was killed."""

_BACKENDS = {"local": "loky", "ray": "zoo-ray", "dask": "zoo-dask"}
_NEEDS = {"ray": ("ray", "Ray"), "dask": ("distributed", "Dask")}


@dataclass(frozen=True)
class Piece:
    """One piece of work.

    Parameters
    ----------
    name : str
        For messages.
    call : callable
        Without arguments; it, and what it returns, must be picklable.
    """

    name: str
    call: Callable[[], Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a piece.

    Parameters
    ----------
    index : int
        Its position among the pieces.
    value : object
        What it returned.
    failure : str
        Why there is no value, in a line; empty if there is one.
    """

    index: int
    value: Any = None
    failure: str = ""


@dataclass(frozen=True)
class _Death:
    """What takes the place of a piece's value where its worker's death does not stop the others."""

    kind: str


def check(engine: str, workers: int | None = None) -> Engine:
    """Return the engine if it can be used, with so many workers if a number is given.

    Raises
    ------
    InputError
        If there is none of that name, or no worker.
    DependencyError
        If it is not installed; says what to install.
    """
    if engine not in get_args(Engine):
        raise InputError(f"--engine {engine}: there is {', '.join(get_args(Engine))}")
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: at least one is needed")
    if engine in _NEEDS:
        module, title = _NEEDS[engine]
        if find_spec(module) is None:
            raise DependencyError(f'--engine {engine} needs {title}: pip install "crystal-zoo[{engine}]"')
    return cast("Engine", engine)


def compute(
    pieces: Sequence[Piece],
    engine: Engine = "local",
    workers: int | None = None,
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> Iterator[Outcome]:
    """Compute all pieces, and yield what became of each as soon as it is known.

    Parameters
    ----------
    pieces : sequence of Piece
    engine : {"local", "ray", "dask"}
    workers : int, optional
        Processes; one per core of this machine or of the cluster, if not given. One, on ``local``, computes in this
        process.
    say : callable
        Told in a line when a worker dies.

    Raises
    ------
    InputError, DependencyError
        If the engine is unknown, not installed, or its cluster cannot be reached.
    """
    check(engine, workers)
    if not pieces:
        return
    with _backend(engine, workers) as (jobs, deaths):
        waiting = dict(enumerate(pieces))
        suspects: list[int] = []
        while waiting:
            alone = bool(suspects)
            batch = [suspects.pop(0)] if alone else list(waiting)
            at_work: set[int] = set()
            dead: list[int] = []
            kind = ""
            # joblib computes in this process what it is given one worker for: a suspect is not to take us with it.
            parallel = _parallel(engine, max(2, jobs) if alone and jobs > 0 else jobs)
            try:
                for index, value, failure in parallel(_feed(batch, waiting, at_work)):
                    at_work.discard(index)
                    if isinstance(value, _Death):
                        dead.append(index)
                        kind = value.kind
                        continue
                    del waiting[index]
                    yield Outcome(index, value, failure)
            except deaths as error:
                logging.getLogger("zoo").debug("a worker died", exc_info=True)
                dead = sorted(at_work)
                kind = type(error).__name__
            if alone and dead:
                name = waiting.pop(batch[0]).name
                say(f"{name}: its worker process died again; given up")
                yield Outcome(batch[0], None, f"its worker process died twice ({kind})")
            elif dead:
                suspects = dead
                names = "; ".join(waiting[index].name for index in suspects)
                say(f"a worker process died, at work: {names}; tried again, one at a time")


def _parallel(engine: Engine, jobs: int) -> Any:
    from joblib import Parallel, parallel_config

    options = {"idle_worker_timeout": IDLE} if engine == "local" else {}
    # A new backend each time: after a death nothing of the old is trusted.
    with parallel_config(_BACKENDS[engine], **options):
        # No more is handed out than is being computed, so that a death has few suspects.
        return Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1)


def _feed(batch: Sequence[int], pieces: dict[int, Piece], at_work: set[int]) -> Iterator[Any]:
    from joblib import delayed

    for index in batch:
        at_work.add(index)
        yield delayed(_guarded)(index, pieces[index].call)


def _guarded(index: int, call: Callable[[], Any]) -> tuple[int, Any, str]:
    """Compute a piece in a worker; what it raises is no reason for the others to stop."""
    try:
        return index, call(), ""
    except (Exception, SystemExit) as error:  # plugins of strangers may raise anything
        reason = " ".join(str(error).split())
        return index, None, reason if isinstance(error, ZooError) else f"{type(error).__name__}: {reason}"


@contextmanager
def _backend(engine: Engine, workers: int | None) -> Iterator[tuple[int, tuple[type[BaseException], ...]]]:
    """Make an engine joblib's; yields the number of workers (-1: all of a cluster) and what deaths are raised as."""
    from joblib import cpu_count

    if engine == "local":
        yield workers or cpu_count(), (BrokenProcessPool,)
    elif engine == "ray":
        # With one worker joblib would compute in this process.
        with _ray(max(2, workers or cpu_count())):
            from ray.exceptions import RayError

            yield max(2, workers) if workers else -1, (RayError,)
    else:
        with _dask(workers or cpu_count()):
            yield workers or -1, ()


@contextmanager
def _ray(workers: int) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody asked for it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the future default; silences a warning
    import ray
    from joblib import register_parallel_backend
    from ray.util.joblib.ray_backend import RayBackend

    class Backend(RayBackend):  # type: ignore[misc]
        # Ray's own inherits "no" from multiprocessing's pool, whose reasons do not apply to Ray's.
        supports_return_generator = True

    register_parallel_backend(_BACKENDS["ray"], Backend)
    ours = not ray.is_initialized()
    if ours:
        address = os.environ.get("RAY_ADDRESS")
        local: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"--engine ray: {address or 'a local Ray'} cannot be used: {error}") from error
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _dask(workers: int) -> Iterator[None]:
    import dask
    from dask.distributed import Client, LocalCluster
    from joblib import register_parallel_backend
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """joblib's, which waits for ever for a piece whose workers died, and computes here if but one is left.

        The others go on after a death: to stop would leave them running unseen, and a suspect that is tried again on
        a worker that one of them then kills would be blamed for it.
        """

        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)
            (index, _call), _names = func.items[0][1:]

            def finish(done: Any) -> None:
                if done.exception() is not None:
                    callback((index, _Death(type(done.exception()).__name__), ""))

            future.add_done_callback(finish)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            died = isinstance(out, tuple) and isinstance(out[1], _Death)
            return [out] if died else super().retrieve_result_callback(out)

    register_parallel_backend(_BACKENDS["dask"], Backend)
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address:
        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(f"--engine dask: no scheduler answers at {address}: {error}") from error
        with client:
            yield
        return
    # A dead worker's piece comes back at once: trying again, and saying so, is done here.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster),
    ):
        yield
