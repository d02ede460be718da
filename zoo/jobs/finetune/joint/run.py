"""Fine-tuning on several targets at once."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.data.tables.records import records_digest
from zoo.jobs.finetune.joint.fits import shared_fits
from zoo.jobs.finetune.joint.folder import FILES, write_folder
from zoo.jobs.finetune.joint.rows import read_rows
from zoo.jobs.finetune.start import of_formulas, prepare
from zoo.jobs.finetune.target import check, fit_rows, open_store, partial_folder
from zoo.jobs.predict.joint import TARGETS_FILE
from zoo.jobs.reports.saved_runs import JointResult
from zoo.registry import task_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zoo._utils.devices import Device
    from zoo.jobs.finetune.options import Options


OWN = ("cells", "settings", TARGETS_FILE, *FILES)
"""Names that no target's folder has, in lower case: those of the finished fits, of their settings, and of files."""


def finetune_jointly(
    options: Options,
    out: Path,
    device: Device,
    *,
    resume: bool,
    quiet: bool,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
) -> JointResult:
    """Fit models of several targets to one table, and write a folder with a run for each.

    Parameters
    ----------
    options : Options
        With several targets.
    out : Path
        As in :func:`zoo.jobs.finetune.run.finetune`, which calls this.
    device, resume, quiet
        As there.
    tell, warn : callable
        Called with messages and with warnings, one line each.

    Raises
    ------
    ZooError
        As there; also if a target has too few values.
    """
    name = options.chosen_backbone()
    every = [replace(each, backbone=name) for each in options.each()]
    for each in every:
        check(each, task_choice.chosen(each.choice))
    (start,) = prepare(every[0])
    rows = read_rows(options, every, start, out, tell, warn)
    start = of_formulas(options) if rows.of_target[0].formulas else start
    folder = partial_folder(out)
    digests = {f"rows of {each.table.target_column}": records_digest(each.table.records) for each in rows.of_target}
    first = replace(rows.of_target[0], splits=rows.splits)
    store = open_store(options, [start], first, out, resume=resume, also=digests)
    if rows.network is not None:
        tell(f"{rows.network}: one network, with a head for each of {len(every)} targets")
    shared = shared_fits(options, start, rows, store, device, quiet=quiet)
    folders = dict(zip(rows.names, _folders(rows.names), strict=True))
    told: set[str] = set()
    for one, own, fits, (column, below) in zip(every, rows.of_target, shared, folders.items(), strict=True):
        if store.get_json(below) is None:  # else it was finished before an interruption
            shutil.rmtree(folder / below, ignore_errors=True)
            others = tuple(name for name in rows.names if name != column) if rows.network else ()
            once = [_once(each, f"{column}: ", told) for each in (tell, warn)]
            fit_rows(
                one,
                [start],
                replace(own, shared=fits, learned_with=others),
                folder / below,
                device,
                resume=resume,
                quiet=quiet,
                tell=once[0],
                warn=once[1],
            )
            store.put_json(below, {"target": column})
    write_folder(rows, folders, folder)
    store.discard()
    folder.rename(out)
    return replace(JointResult.load(out), rejected=rows.rejected)


def _folders(columns: Sequence[str]) -> list[str]:
    """Return the names of the targets' folders: the columns, in letters that any file system takes.

    The names of the run's own files and folders are avoided.
    """
    names: list[str] = []
    for column in columns:
        name = stem = re.sub(r"[^A-Za-z0-9_.+-]+", "-", column).strip("-.")[:60] or "target"
        number = 2
        while name.casefold() in {*OWN, *map(str.casefold, names)}:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def _once(say: Callable[[str], None], prefix: str, told: set[str]) -> Callable[[str], None]:
    """Return a function that says a line with a prefix, unless it was said of another target before."""

    def say_once(line: str) -> None:
        if line not in told:
            told.add(line)
            say(prefix + line)

    return say_once
