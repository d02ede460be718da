"""Fine-tune a backbone on a table and compare it with alternatives on the same test rows."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils import resuming
from zoo._utils.python_api import public
from zoo._utils.wording import counted
from zoo.errors import InputError
from zoo.jobs.finetune.joint.run import finetune_jointly
from zoo.jobs.finetune.start import of_formulas, prepare
from zoo.jobs.finetune.target import check, fit_rows, partial_folder, read_rows
from zoo.jobs.fit_store import FitStore
from zoo.registry import task_choice

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo._utils.devices import Device
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.result import Result
    from zoo.jobs.reports.saved_runs import JointResult

_log = logging.getLogger("zoo")


@public("zoo.finetune")
def finetune(
    options: Options,
    out: Path | str,
    *,
    device: Device = "auto",
    resume: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] | None = None,
) -> Result | JointResult:
    """Fine-tune a model and write its run folder; with several targets, one for each.

    Parameters
    ----------
    options : Options
    out : Path
        Folder of the run, which must not exist. It is created only once the run is complete; intermediate files are
        in ``OUT.partial``, from which `resume` continues.
    device : {"auto", "cpu", "cuda"}
    resume : bool
        Continue an interrupted run.
    quiet : bool
        Show no progress.
    say : callable, optional
        Called with one line per step. By default, only warnings that limit the meaning of the errors, such as test
        rows seen in pretraining, are reported, through the logger ``zoo``.

    Raises
    ------
    ZooError
        A subclass, raised before any training, if the options or the data cannot be used.
    """
    out = Path(out)
    with resuming.exclusive(out):
        try:
            if out.exists():
                raise InputError(f"{out} exists; give another --out, or remove it")
            tell, warn = say or _log.info, say or _log.warning
            if len(options.each()) > 1:
                return finetune_jointly(options, out, device, resume=resume, quiet=quiet, tell=tell, warn=warn)
            task = task_choice.chosen(options.choice)
            check(options, task)
            candidates = [replace(each, outputs=max(1, len(task.classes))) for each in prepare(options)]
            rows = read_rows(options, task, candidates, out, tell, warn)
            candidates = [of_formulas(options, candidates[0].outputs)] if rows.formulas else candidates
            return fit_rows(options, candidates, rows, out, device, resume=resume, quiet=quiet, tell=tell, warn=warn)
        except BaseException as error:
            folder, what = partial_folder(out), "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"
            told = isinstance(error, KeyboardInterrupt | OSError)  # other errors say what to do
            if kept := sum(map(FitStore.count, folder.rglob("cells"))):
                again = f"the same command with --resume continues, {folder} removed starts again"
                if told:
                    _log.warning("%s; %s kept in %s: %s", what, counted(kept, "finished fit"), folder, again)
            else:
                if (folder / "cells").is_dir():
                    shutil.rmtree(folder, ignore_errors=True)
                if told and not folder.exists():
                    _log.warning("%s before a fit was finished; nothing is kept: run the same command again", what)
            raise
