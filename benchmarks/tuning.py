"""Compare fine-tuning settings on validation rows: how the defaults of ``zoo finetune`` were chosen.

    python benchmarks/tuning.py --task bulk-modulus examples/bulk_modulus.csv --n-train 500 \
        '{"mode": "scratch", "learning_rate": 5e-3}' '{"mode": "full", "learning_rate": 3e-3}'

Each argument is one setting: ``mode`` (scratch, full, head, layerwise), fields of ``zoo.training.FitSettings``, and
of these experiments: ``statistics`` ("frozen" or "batch": what batch normalisation uses while fine-tuning),
``kept`` ("body", or "all but the last layer" of the backbone), ``body`` (learning-rate factor of all before the
head), and ``zero_last`` (the last layer begins at zero), ``head_first`` (epochs of training the head alone first),
``bound`` (of the tanh standardisation; null for a z-score). Every seed has a split of its own: 400 test rows, which
are not looked at here, 100 rows that choose the epoch, and `n-train` training rows. What is printed is the error on
the rows that choose the epoch and on up to 181 more that no fit saw.
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

from zoo import checkpoints, extensions, hub, methods, transfer
from zoo.graphs import build_graph
from zoo.inference import predict_scaled
from zoo.loading import Samples
from zoo.packing import PackedGraphs
from zoo.scaling import TargetScaler
from zoo.tables import read_table
from zoo.training import FitSettings, fit


def run(
    setting: dict[str, Any],
    seed: int,
    n_train: int,
    graphs: PackedGraphs,
    targets: np.ndarray,
    transform: Any,
    source: transfer.CGCNN,
) -> tuple[float, float]:
    """Return the errors of one setting on one seed's tuning rows: in log10 (or the unit), and in the unit."""
    setting = dict(setting)
    mode, statistics = setting.pop("mode"), setting.pop("statistics", "frozen")
    kept, body, bound = setting.pop("kept", "body"), setting.pop("body", None), setting.pop("bound", 3.0)
    zero_last, head_first = setting.pop("zero_last", False), setting.pop("head_first", 0)
    order = np.random.default_rng(seed).permutation(len(targets))
    choosing, training = order[400:500], order[500 : 500 + n_train]
    measured = np.concatenate([choosing, order[500 + n_train : 681 + n_train]])
    scaler = TargetScaler.fit(targets[training], transform, bound)
    rates: dict[str, float] = {}
    if mode == "scratch":
        network = transfer.scratch(source.architecture, source.atom_table, seed)
    else:
        network, rates = transfer.transfer(source, mode, seed)
        if kept == "all but the last layer":
            state = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("fc_out")}
            network.load_state_dict(state, strict=False)
        if statistics == "batch":
            network._frozen = [module for module in network._frozen if not isinstance(module, nn.BatchNorm1d)]
        if body:
            rates = {"embedding": body, "convs": body}
        if zero_last:
            nn.init.zeros_(network.fc_out.weight)
            nn.init.zeros_(network.fc_out.bias)
    base = methods.SCRATCH if mode == "scratch" else methods.TRANSFER
    settings: FitSettings = replace(methods.sized(base, n_train), **setting)
    samples = [Samples(graphs, targets, rows) for rows in (training, choosing)]
    if head_first:
        head, _ = transfer.transfer(source, "head", seed)
        alone = replace(settings, epochs=head_first, learning_rate=5e-3)
        with tempfile.TemporaryDirectory() as folder:
            fit(head, *samples, [scaler], alone, seed=seed, workdir=Path(folder), device="cpu")
        network.load_state_dict(head.state_dict())
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
    task = extensions.task(arguments.task)
    records = read_table(arguments.data, task).records
    graphs = PackedGraphs.pack([build_graph(record.crystal) for record in records])
    targets = np.array([record.target for record in records], dtype=np.float64)
    source = checkpoints.load(hub.pull(arguments.backbone).directory).members[0].network
    print(
        f"| {arguments.n_train} training rows, {arguments.seeds} seeds | MAE log10 | MAE ({task.unit}) |\n|---|---|---|"
    )
    for setting in arguments.settings:
        errors = np.array(
            [
                run(setting, seed, arguments.n_train, graphs, targets, task.transform, source)
                for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            ]
        ).mean(axis=0)
        text = ", ".join(f"{name} {value}" for name, value in setting.items())
        print(f"| {text} | {errors[0]:.4f} | {errors[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
