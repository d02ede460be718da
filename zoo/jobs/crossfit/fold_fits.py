"""The fits of all members of a blend on all folds: in parallel processes, or read from the store of finished fits."""

from __future__ import annotations

import hashlib
import multiprocessing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils import engines, workers
from zoo._utils.devices import choose_device
from zoo.jobs.crossfit.members import NetworkMember, RegressorMember
from zoo.models.threads import threads
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.data.splits import Split
    from zoo.jobs.fit_store import FitStore
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.models.regression.blends import Inputs


def fit_all(
    members: Sequence[NetworkMember | RegressorMember],
    dataset: Dataset,
    splits: Sequence[Split],
    inputs: Inputs,
    store: FitStore | None,
    device: Device,
    processes: int | None,
    bar: Bar | None,
) -> tuple[dict[str, list[Outcome]], dict[str, str]]:
    """Fit every member without each fold, or read stored fits.

    Parameters
    ----------
    members, dataset, inputs, store, device, processes, bar
        As in :func:`zoo.jobs.crossfit.fit.cross_fit`.
    splits : sequence of K Split
        The validation rows of each are the rows of a fold.

    Returns
    -------
    fits : dict of str to list of Outcome
        The K fits of each member.
    failed : dict of str to str
        Members of which a fit failed, with the reason.

    Raises
    ------
    OSError
        If the operating system stopped a fit, for example because the disk is full; finished fits are in the store.
    """
    found: dict[tuple[int, int], Outcome] = {}
    missing: list[tuple[int, int]] = []
    failed: dict[str, str] = {}

    def live(m: int, k: int) -> Callable[..., None] | None:
        if store is None or store.history is None:
            return None
        return partial(store.history.add, f"{members[m].name}, fold {k + 1}", splits[k].fold or splits[k].seed)

    for m in range(len(members)):
        for k, split in enumerate(splits):
            shared = getattr(members[m], "fits", ())
            outcome = shared[k] if shared else store.get(_key(members[m], split, k)) if store else None
            if outcome is None:
                missing.append((m, k))
            else:
                found[m, k] = outcome
                if add := live(m, k):
                    for row in outcome.history:
                        add(row)
                if bar:
                    bar.skip(1, f"{members[m].name}, fold {k + 1}: done before")

    def keep(m: int, k: int, outcome: Outcome | None, failure: str) -> None:
        if outcome is not None and not failure:
            rows = np.concatenate([splits[k].val, splits[k].test])
            lost = int((~np.isfinite(outcome.predictions[rows])).sum())
            failure = f"{lost} of its predictions are not finite numbers" if lost else ""
        if failure or outcome is None:
            failed[members[m].name] = failure
        else:
            found[m, k] = outcome
            if store:
                store.put(_key(members[m], splits[k], k), outcome)
        if bar:
            bar.advance(1, f"{members[m].name}, fold {k + 1}")

    # Longest fits first, to balance the load of the processes.
    missing.sort(key=lambda cell: isinstance(members[cell[0]], NetworkMember), reverse=True)
    jobs = [
        engines.Job(
            f"{members[m].name}, fold {k + 1}", partial(_fit, members[m], dataset, splits[k], inputs, live(m, k))
        )
        for m, k in missing
    ]
    # On a GPU one after another; in a worker process, of a search for example, other processes use the other cores.
    here = choose_device(device) != "cpu" or multiprocessing.parent_process() is not None
    number = 1 if here else min(processes or workers.cores(), max(1, len(jobs)))
    for done in engines.compute(jobs, workers=number, prepare=plugins.adding_files()):
        if done.system_error:
            raise done.system_error
        keep(*missing[done.index], done.value, done.failure)
    fits = {
        member.name: [found[m, k] for k in range(len(splits))]
        for m, member in enumerate(members)
        if all((m, k) in found for k in range(len(splits)))
    }
    return fits, failed


def _key(member: NetworkMember | RegressorMember, split: Split, fold: int) -> str:
    kind, definition = (member.key, "") if isinstance(member, NetworkMember) else ("regressor", member.digest)
    name, where = (hashlib.sha256(text.encode()).hexdigest()[:8] for text in (member.name + definition, split.label))
    return f"member-{kind}-{name}-{where}-{fold + 1}"


def _fit(
    member: NetworkMember | RegressorMember,
    dataset: Dataset,
    split: Split,
    inputs: Inputs,
    on_epoch: Callable[..., None] | None,
) -> Outcome:
    """Fit one member without one fold, in a single thread: rounding depends on the number of threads."""
    with threads(1):
        if isinstance(member, NetworkMember):
            return member.outcome(dataset, split, inputs, on_epoch)
        return member.outcome(dataset, split, inputs)
