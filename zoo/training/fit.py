"""Fitting a network: settings, result and the one function that does it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from zoo._utils.devices import choose_device
from zoo.errors import TrainingError
from zoo.models.inference import expert_vectors
from zoo.models.threads import threads_for
from zoo.training.averaging import weights
from zoo.training.distributed import process_group
from zoo.training.loop import Loop
from zoo.training.snapshots import SNAPSHOT, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zoo._utils.devices import Device
    from zoo.data.scaling import TargetScaler
    from zoo.models.network import CrystalNetwork
    from zoo.training.batches import LabelledGraphs
    from zoo.training.losses import Balance
    from zoo.training.settings import Precision


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Parameters
    ----------
    epochs : int
        Maximum number of epochs; early stopping may end sooner.
    batch_size : int
        Crystals per step.
    learning_rate : float
        Peak of the schedule: linear warm-up, then a cosine down to zero.
    warmup : float
        Fraction of all steps spent warming up.
    weight_decay : float
        AdamW's decoupled weight decay.
    average : float or None
        Decay per step of the exponential moving average of the weights, which is validated and kept; it is
        approached gradually.
    patience : int or None
        Number of validations without improvement before stopping; None never stops early.
    clip : float
        Largest norm of the gradient.
    keep : {"best", "last"}
        Which epoch's weights are kept: those of the smallest validation loss, or the last ones, validated once.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Precision of the forward and backward pass. On a CPU, where torch has no float16, half precision is bfloat16.
    optimizer : {"adamw", "muon"}
        With Muon, the matrices of the body take Muon's steps and all other parameters AdamW's.
    edges_per_visit : int or None
        A crystal with more than k times as many distinct edges takes part in every (k + 1)-th epoch only, though in
        every fourth at least. Most of the time goes into few large cells otherwise.
    balance_from : int
        Number of epochs in which all targets weigh the same, before `balance` applies.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 1e-4
    average: float | None = None
    patience: int | None = None
    clip: float = 1.0
    keep: Literal["best", "last"] = "best"
    precision: Precision = "32-true"
    optimizer: Literal["adamw", "muon"] = "adamw"
    edges_per_visit: int | None = None
    balance_from: int = 0


@dataclass(frozen=True)
class FitResult:
    """The course of a fit; the network holds the weights of the best epoch.

    Parameters
    ----------
    history : list of dict
        One row per validation: epoch, learning rate, mean training loss since the last validation, validation loss
        (scaled), mean absolute error of the first target (in its unit), or of classes the fraction that is wrong, and
        seconds since the start of the fit.
    best_epoch : int
    best_error : float
        Mean absolute error of the first target in the best epoch, in its unit, or the fraction of wrong classes.
    seconds : float
        Wall-clock time of this process.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_error: float = math.nan
    seconds: float = 0.0


def fit(
    network: CrystalNetwork,
    train: LabelledGraphs,
    validation: LabelledGraphs,
    scalers: Sequence[TargetScaler],
    settings: FitSettings,
    *,
    seed: int,
    workdir: Path,
    rates: Mapping[str, float] | None = None,
    balance: Balance = "equal",
    device: Device = "auto",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    save_minutes: float | None = None,
    on_epoch: Callable[[dict[str, float], int], None] | None = None,
) -> FitResult:
    """Fit a network in place and leave the weights of the best validation epoch in it.

    Parameters
    ----------
    network : CrystalNetwork
    train, validation : LabelledGraphs
        Training rows, and the rows that choose the epoch: the one with the smallest mean of the targets' scaled errors.
    scalers : sequence of TargetScaler
        One per target, fitted on `train`.
    settings : FitSettings
    seed : int
        Seed of the order of batches.
    workdir : Path
        Folder for snapshots, from which `resume` continues an interrupted fit.
    rates : mapping of parameter-name prefix to factor, optional
        Learning rates by depth: the factor of the longest matching prefix multiplies the learning rate.
    balance : {"equal", "relative"}
        How several targets share the loss; see :func:`zoo.training.losses.masked_l1`.
    device : {"auto", "cpu", "cuda"}
    devices, nodes : int
        Number of devices on each machine, and of machines. A launcher must have started a process for every device
        (:mod:`zoo.training.distributed`). A step then has `batch_size` crystals on every device, and each device
        validates all rows.
    resume : bool
        Continue from the snapshot in `workdir`, if there is one.
    save_minutes : float, optional
        Time between snapshots within an epoch; there are others after validations. By default there are none, because
        short fits are quickly repeated.
    on_epoch : callable, optional
        Called in the main process after each validation, with its row of the history and the number of epochs since
        the last.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If a snapshot cannot be written, for example because the disk is full; the previous one is kept.
    TrainingError
        If no validation loss is finite, that is, training diverged from the start.
    """
    began = time.monotonic()
    chosen = choose_device(device)
    train, validation = (
        replace(data, vectors=expert_vectors(network, data.graphs, data.rows, device=chosen))
        if data.vectors is None
        else data
        for data in (train, validation)
    )
    edges = settings.batch_size * float(train.graphs.edges[train.rows].mean())
    with (
        process_group(devices * nodes, chosen) as group,
        threads_for(edges),
        torch.random.fork_rng(devices=[]),
    ):
        torch.manual_seed(seed)  # dropout depends only on the seed
        network.to(group.device)
        loop = Loop(network, train, validation, scalers, settings, seed, rates or {}, balance, group)
        snapshot = workdir / SNAPSHOT
        if resume and snapshot.exists():
            loop.resume(snapshot)
        if group.rank:
            loop.run()
        else:
            loop.run(on_epoch, snapshot, None if save_minutes is None else Clock(save_minutes))
    network.cpu()
    for name, tensor in weights(network).items():
        tensor.copy_(loop.best.weights[name])
    losses = np.nan_to_num([row["validation_loss"] for row in loop.history], nan=np.inf)
    row = loop.history[int(np.argmin(losses))]
    if not math.isfinite(row["validation_loss"]) or not math.isfinite(row[loop.error_name]):
        raise TrainingError(
            f"the training diverged at a learning rate of {settings.learning_rate:g}; give a smaller one, "
            "and check the targets for outliers"
        )
    return FitResult(loop.history, int(row["epoch"]), row[loop.error_name], time.monotonic() - began)
