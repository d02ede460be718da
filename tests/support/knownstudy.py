"""A study of real crystals whose predictions are off by known factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.splits import make_split
from zoo.data.tables.table import read_table
from zoo.hub import pull
from zoo.jobs.study import cells as study_cells
from zoo.jobs.study.options import StudyOptions
from zoo.jobs.study.result import FailedCell, Study
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

EXAMPLE = Path(__file__).parents[2] / "examples" / "bulk_modulus.csv"


INTERVALS = {
    ("rf", 60, 0): {"coverage": 0.8, "half_width": 0.1},
    ("rf", 60, 1): {"coverage": 0.9, "half_width": 0.2},
}


FACTORS = {FROM_SCRATCH: 1.0, "dEf-10k": 0.8, "rf": 0.9, "mean": 3.0}


def make_study(folder: Path, *, seeds: int = 5, sizes: tuple[int, ...] = (30, 60), backbones: bool = True) -> Study:
    """Real crystals and splits; predictions that are off by known factors, 0.3/√size in log10 from scratch."""
    table = folder / "moduli.csv"
    pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:150].to_csv(table, index=False)
    task = plugins.task("bulk-modulus")
    read = read_table(table, task)
    options = StudyOptions(
        "bulk-modulus",
        table,
        sizes=sizes,
        backbones=("dEf-10k",) if backbones else (),
        modes=("full",),
        baselines=("rf", "mean"),
        seeds=seeds,
    )
    splits = {(n, seed): make_split(read.records, seed=seed, n_train=n) for n in sizes for seed in range(seeds)}
    targets = np.array([record.target for record in read.records])
    rng = np.random.default_rng(0)
    predictions: dict[tuple[str, int], dict[int, np.ndarray]] = {}
    for (size, seed), split in splits.items():
        shape = rng.normal(size=len(split.test))
        for method, factor in FACTORS.items():
            if method == "dEf-10k" and not backbones:
                continue
            error = factor * (1 + 0.02 * rng.normal()) * size**-0.5 * shape
            predictions.setdefault((method, size), {})[seed] = targets[split.test] * 10**error
    del predictions["mean", sizes[0]][0]
    rows = [
        {
            "method": method,
            "size": size,
            "seed": seed,
            "status": "ok",
            "reason": "",
            **study_cells.errors(targets[splits[size, seed].test], predicted, task.transform),
            **INTERVALS.get((method, size, seed), {}),
        }
        for (method, size), by_seed in predictions.items()
        for seed, predicted in by_seed.items()
    ]
    reason = "a worker died three times: <out of memory>"
    rows.append({"method": "mean", "size": sizes[0], "seed": 0, "status": "failed", "reason": reason})
    return Study(
        options=options,
        task=task,
        folder=folder,
        table=read,
        records=read.records,
        targets=targets,
        splits=splits,
        backbones={"dEf-10k": pull.pull("dEf-10k")} if backbones else {},
        results=pd.DataFrame(rows),
        predictions=predictions,
        failed=[FailedCell("mean", sizes[0], 0, reason)],
        settings={"weights": {"dEf-10k": "f" * 64}},
    )
