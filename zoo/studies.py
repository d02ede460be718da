"""Many methods, training-set sizes and seeds on one table.

Does transfer help, by how much, and is that luck?

Within a seed all methods and sizes have the same test rows, and the training rows of a size are among those of every
larger one. Each cell (method, size, seed) is written as it is finished, so that the same command goes on where a study
was cut off, and a study can be extended by sizes, methods and seeds.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo import checkpoints, extensions, hub, methods, sources, stats, transfer
from zoo.elements import atom_table
from zoo.errors import InputError
from zoo.graphs import GraphSettings
from zoo.models.cgcnn import CGCNN, Architecture
from zoo.progress import progress
from zoo.splits import Split, make_split
from zoo.study_plan import Cell, Method, StudyOptions, plan
from zoo.study_result import Study
from zoo.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo.contracts import Task
    from zoo.sources import Source
    from zoo.tables import Record, Table

FORMAT = 2
"""Raised when the same cell would come out differently."""


def run_study(
    options: StudyOptions,
    out: Path,
    *,
    workers: int | None = None,
    quiet: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> Study:
    """Run all cells that are not there yet, and gather them.

    Parameters
    ----------
    options : StudyOptions
    out : Path
        Folder; if it holds finished cells of the same table and settings, they are used.
    workers : int, optional
        Processes, one thread each; as many as there are cores, if not given.
    quiet : bool
    say : callable
        Told, in one line each, what is being done.

    Raises
    ------
    ZooError
        If the request or the data cannot be used, or `out` was made with other settings; names them.
    """
    from joblib import Parallel, cpu_count, delayed

    task = extensions.task(options.task)
    listed = plan(options)
    for name in options.baselines:
        extensions.baseline(name)
    pulled = {name: hub.pull(name) for name in options.backbones}
    folders = {name: each.directory for name, each in pulled.items()}
    for name, folder in folders.items():
        if checkpoints.read_config(folder).graph_settings != GraphSettings():
            raise InputError(f"{name} was trained on graphs of other settings; a study compares networks on one graph")
    table = read_table(
        options.data,
        task,
        target=options.target,
        structures=options.structures,
        max_rejected=options.max_rejected,
    )
    features_of = torch.from_numpy(atom_table().copy())
    known = frozenset(torch.nonzero(features_of.sum(dim=1)).flatten().tolist())
    table, records, graphs = methods.build(table, GraphSettings(), known, "zoo", options.max_rejected)
    problem = methods.Problem([], graphs, np.array([record.target for record in records]), task.transform)
    splits = {
        (size, seed): make_split(records, seed=seed, how=options.split, test=options.test, n_train=size)
        for size in options.sizes
        for seed in range(options.seed, options.seed + options.seeds)
    }
    fixed = {
        "format": FORMAT,
        "task": task.name,
        "transform": task.transform,
        "data_sha256": table.sha256,
        "rows": len(records),
        **{name: getattr(options, name) for name in ("split", "test", "epochs", "target")},
    }
    experts = {name: _experts(name) for name in options.backbones} if "mixture" in options.modes else {}
    used = folders | {each.name: each.pulled.directory for beside in experts.values() for each in beside}
    weights = {name: hub.sha256(folder / checkpoints.WEIGHTS) for name, folder in used.items()}
    _begin(out, fixed, weights)
    cells = [Cell(method, size, seed) for (size, seed) in splits for method in listed]
    missing = [cell for cell in cells if _read(out / "cells" / cell.file, say) is None]
    say(
        f"{options.data.name}: {len(records)} rows, {len(next(iter(splits.values())).test)} test rows a seed; "
        f"{len(cells)} cells, {len(missing)} to do"
    )
    features = _features([cell.method for cell in missing], records, quiet=quiet)
    jobs = workers or cpu_count()
    with progress("study", len(missing), "cells", quiet=quiet) as bar:
        work = (
            delayed(_run_cell)(
                cell,
                problem,
                splits[cell.size, cell.seed],
                None if cell.method.backbone is None else folders[cell.method.backbone],
                [each.pulled.directory for each in experts.get(cell.method.backbone or "", [])],
                features.get(cell.method.baseline or ""),
                options.epochs,
                threads=1 if jobs > 1 else None,
            )
            for cell in missing
        )
        for cell, result in Parallel(n_jobs=jobs, return_as="generator_unordered")(work):
            _put(out / "cells" / cell.file, result)
            bar.advance(
                1, f"{cell.method.name}, {cell.size} rows, seed {cell.seed}: MAE {result['mae']:.4g} {task.unit}"
            )
    study = _gather(options, task, table, records, splits, pulled, problem, out)
    _write(out / "splits.json", checkpoints.to_json(_ids(study)))
    _write(out / "options.json", checkpoints.to_json(json.loads(json.dumps(asdict(options), default=str))))
    study.results.to_parquet(out / "results.parquet", index=False)
    return study


def _experts(name: str) -> list[Source]:
    """Return what is read beside a backbone in a mixture."""
    found = sources.experts(sources.load(name))
    if not found:
        raise InputError(f"no mixture with {name}: no backbone of the shelf has a body like its own; leave it out")
    return found


def _begin(out: Path, fixed: dict[str, Any], weights: dict[str, str]) -> None:
    """Note the settings that every cell depends on; refuse a folder that was made with others."""
    path = out / "study.json"
    (out / "cells").mkdir(parents=True, exist_ok=True)
    now = json.loads(checkpoints.to_json({**fixed, "weights": weights}))
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in fixed if before.get(key) != now[key])
        changed += [name for name in weights if before["weights"].get(name, weights[name]) != weights[name]]
        if changed:
            raise InputError(f"{out} was made with other settings ({', '.join(changed)}); give another --out")
        now["weights"] = {**before["weights"], **weights}
    _write(path, checkpoints.to_json(now))


def _features(used: Sequence[Method], records: Sequence[Record], *, quiet: bool) -> dict[str, NDArray[np.float64]]:
    """Return the vectors that each baseline takes."""
    baselines = {method.baseline: extensions.baseline(method.baseline) for method in used if method.baseline}
    if not baselines:
        return {}
    crystals = [record.crystal for record in records]
    names = {baseline.featurizer for baseline in baselines.values()}
    with progress("featurizing", len(names) * len(crystals), "crystals", quiet=quiet) as bar:
        found = methods.featurize(list(baselines.values()), crystals, bar)
    return {name: found[baseline.featurizer] for name, baseline in baselines.items()}


def _run_cell(
    cell: Cell,
    problem: methods.Problem,
    split: Split,
    backbone: Path | None,
    experts: Sequence[Path],
    features: NDArray[np.float64] | None,
    epochs: int | None,
    *,
    threads: int | None,
) -> tuple[Cell, dict[str, Any]]:
    """Compute a cell; in a worker process."""
    if threads:
        torch.set_num_threads(threads)
    if cell.method.baseline is not None:
        assert features is not None
        outcome = methods.fit_baseline(problem, split, extensions.baseline(cell.method.baseline), features)
    else:
        source = None if backbone is None else sources.network(backbone)
        settings = methods.sized(methods.SCRATCH if source is None else methods.TRANSFER, len(split.train))
        with tempfile.TemporaryDirectory() as folder:
            outcome = methods.fit_network(
                problem,
                split,
                source,
                _blank,
                replace(settings, epochs=epochs or settings.epochs),
                mode=cell.method.mode,
                experts=[sources.network(folder) for folder in experts] if cell.method.mode == "mixture" else (),
                workdir=Path(folder),
                device="auto",
            )
    target, predicted = problem.targets[split.test], outcome.predictions[split.test]
    return cell, {
        "method": cell.method.name,
        "size": cell.size,
        "seed": cell.seed,
        **stats.errors(target, predicted, log10=problem.transform == "log10"),
        "seconds": outcome.seconds,
        "best_epoch": outcome.best_epoch,
        "parameters": outcome.parameters,
        "predictions": [float(value) for value in predicted],
    }


def _blank(seed: int) -> CGCNN:
    return transfer.scratch(Architecture(pooling="all"), torch.from_numpy(atom_table().copy()), seed)


def _read(path: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Read a finished cell; None if it must be computed."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if {"mae", "predictions", "seconds"} <= found.keys():
            return dict(found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError):
        pass
    say(f"{path} is damaged and is computed again")
    return None


def _put(path: Path, result: dict[str, Any]) -> None:
    # Undefined errors (R² of equal targets) have no JSON.
    _write(path, json.dumps({key: (None if value != value else value) for key, value in result.items()}))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _gather(
    options: StudyOptions,
    task: Task,
    table: Table,
    records: list[Record],
    splits: dict[tuple[int, int], Split],
    pulled: dict[str, hub.Pulled],
    problem: methods.Problem,
    out: Path,
) -> Study:
    """Read all cells back."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    predictions: dict[tuple[str, int], dict[int, NDArray[np.float64]]] = {}
    parameters: dict[tuple[str, int, int], dict[str, str]] = {}
    for size, seed in splits:
        for method in plan(options):
            found = json.loads((out / "cells" / Cell(method, size, seed).file).read_text(encoding="utf-8"))
            predictions.setdefault((method.name, size), {})[seed] = np.array(found.pop("predictions"))
            parameters[method.name, size, seed] = found.pop("parameters")
            head = {"method": method.name, "size": size, "seed": seed, "status": "ok", "reason": ""}
            rows.append({**head, **found})
    return Study(
        options=options,
        task=task,
        folder=out,
        table=table,
        records=records,
        targets=problem.targets,
        splits=splits,
        backbones=pulled,
        results=pd.DataFrame(rows),
        predictions=predictions,
        parameters=parameters,
        settings=json.loads((out / "study.json").read_text(encoding="utf-8")),
    )


def _ids(study: Study) -> dict[str, dict[str, list[str]]]:
    return {f"{size} rows, seed {seed}": split.as_ids(study.records) for (size, seed), split in study.splits.items()}
