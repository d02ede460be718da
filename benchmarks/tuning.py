"""Compare fine-tuning settings on validation rows: how the defaults of ``zoo finetune`` were chosen.

    python benchmarks/tuning.py --task bulk-modulus examples/bulk_modulus.csv --n-train 500 \
        '{"mode": "scratch", "learning_rate": 5e-3}' '{"mode": "full", "learning_rate": 3e-3}'

Each argument is one setting: ``mode`` (scratch, mixture, full, head, layerwise), fields of
``zoo.training.fit.FitSettings``, and of these experiments: ``pooling`` ("all" or "last" layer), ``statistics``
("frozen" or "batch": what batch normalisation uses while fine-tuning), ``body`` (learning-rate factor of all before
the head), ``zero_last`` (the last layer begins at zero), ``bound`` (of the tanh standardisation; null for a
z-score). Only rows take part that no study with seeds 0 to 9 tests on; each seed draws from them `n-train` training
rows, rows that choose the epoch (a fifth as many), and up to 600 on which the error that is printed is measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.data.splits import MIN_VALIDATION_ROWS, VALIDATION_FRACTION, make_split
from zoo.data.tables.table import read_table
from zoo.jobs import methods, pretrained
from zoo.models.inference import predict_scaled
from zoo.models.network import CrystalNetwork
from zoo.registry import plugins
from zoo.training import transfer
from zoo.training.batches import LabelledGraphs
from zoo.training.fit import FitSettings, fit

TESTED = range(10)
"""Seeds of the studies whose test rows are left alone."""

MEASURED = 600


def run(
    setting: dict[str, Any],
    seed: int,
    n_train: int,
    graphs: PackedGraphs,
    targets: np.ndarray,
    transform: Any,
    source: CrystalNetwork,
    experts: list[CrystalNetwork],
    untested: np.ndarray,
) -> tuple[float, float]:
    """Return the errors of one setting on one seed's tuning rows: in log10 (or the unit), and in the unit."""
    setting = dict(setting)
    pooling = setting.pop("pooling", "all")
    mode, statistics = setting.pop("mode"), setting.pop("statistics", "frozen")
    body, bound, zero_last = setting.pop("body", None), setting.pop("bound", 3.0), setting.pop("zero_last", False)
    order = np.random.default_rng(seed).permutation(untested)
    few = max(MIN_VALIDATION_ROWS, round(VALIDATION_FRACTION * n_train))
    if len(order) <= n_train + few:
        raise SystemExit(
            f"{len(order)} rows are tested on by no study, and {n_train + few} are needed to train and choose"
        )
    training, choosing, measured = np.split(order[: n_train + few + MEASURED], [n_train, n_train + few])
    scaler = TargetScaler.fit(targets[training], transform, bound)
    rates: dict[str, float] = {}
    if mode == "scratch":
        network = transfer.scratch(source.architecture.changed(pooling=pooling), source.atom_table, seed)
    else:
        network, rates = transfer.transfer(
            source, mode, seed, experts=experts, settings=source.architecture.pooled(pooling).settings
        )
        if statistics == "batch":
            network._frozen = [module for module in network._frozen if not isinstance(module, nn.BatchNorm1d)]
        if body:
            rates = {"embedding": body, "convs": body}
        if zero_last:
            nn.init.zeros_(network.heads[0].fc_out.weight)
            nn.init.zeros_(network.heads[0].fc_out.bias)
    base = methods.SCRATCH if mode == "scratch" else methods.TRANSFER
    settings: FitSettings = replace(methods.sized(base, n_train), **setting)
    samples = [LabelledGraphs(graphs, targets, rows) for rows in (training, choosing)]
    with tempfile.TemporaryDirectory() as folder:
        fit(network, *samples, [scaler], settings, seed=seed, workdir=Path(folder), rates=rates, device="cpu")
    predicted = scaler.unscale(predict_scaled(network, graphs, measured))
    absolute = float(np.abs(predicted - targets[measured]).mean())
    if transform != "log10":
        return absolute, absolute
    return float(np.abs(np.log10(predicted) - np.log10(targets[measured])).mean()), absolute


def main() -> None:
    """Parse, run, print a Markdown table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("settings", nargs="+", type=json.loads)
    parser.add_argument("--task", required=True)
    parser.add_argument("--backbone", default="dEf-10k")
    parser.add_argument("--n-train", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plugins.add_file(Path(__file__).with_name("tasks_plugin.py"))
    task = plugins.task(arguments.task)
    records = read_table(arguments.data, task, max_rejected=0.5).records
    graphs = PackedGraphs.pack([build_graph(record.crystal) for record in records])
    targets = np.array([record.target for record in records], dtype=np.float64)
    source = pretrained.load(arguments.backbone)
    experts = [each.network for each in pretrained.experts(source)]
    tested = [make_split(records, seed=seed).test for seed in TESTED]
    left = np.setdiff1d(np.arange(len(records)), np.concatenate(tested))
    print(
        f"| {arguments.n_train} training rows, {arguments.seeds} seeds | MAE log10 | MAE ({task.unit}) |\n|---|---|---|"
    )
    for setting in arguments.settings:
        errors = np.array(
            [
                run(setting, seed, arguments.n_train, graphs, targets, task.transform, source.network, experts, left)
                for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            ]
        ).mean(axis=0)
        text = ", ".join(f"{name} {value}" for name, value in setting.items())
        print(f"| {text} | {errors[0]:.4f} | {errors[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
