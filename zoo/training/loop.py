"""The loop over epochs and steps, and the state from which it is resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from zoo.errors import InputError
from zoo.training.averaging import MovingAverage, weights
from zoo.training.batches import BatchMaker, ShuffledOrder, visits
from zoo.training.best import BestEpoch
from zoo.training.losses import cross_entropy, masked_l1
from zoo.training.optimizers.adamw import AdamW, warmup_cosine
from zoo.training.optimizers.muon import MuonAdamW, matrices
from zoo.training.snapshots import Clock, read_snapshot, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch
    from zoo.data.scaling import TargetScaler
    from zoo.models.network import CrystalNetwork
    from zoo.training.batches import LabelledGraphs
    from zoo.training.distributed import ProcessGroup
    from zoo.training.fit import FitSettings
    from zoo.training.losses import Balance

VALIDATIONS = 100
"""About how often a fit is validated: after every epoch of a short one, every few epochs of a long one."""


def rate_of(name: str, rates: Mapping[str, float]) -> float:
    """Return the learning-rate factor of a parameter: that of the longest prefix in `rates`, else 1."""
    fitting = [prefix for prefix in rates if name == prefix or name.startswith(prefix + ".")]
    return rates[max(fitting, key=len)] if fitting else 1.0


class _Opinions(nn.Module):
    """A module whose forward pass returns the network's opinions, because torch's DDP wraps only forward passes."""

    def __init__(self, network: CrystalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, graphs: GraphBatch) -> Tensor:
        return self.network.opinions(graphs)


class Loop:
    """A network, its batches and optimiser, and the progress of the fit.

    Parameters
    ----------
    network : CrystalNetwork
        On the device of the process group.
    train, validation : LabelledGraphs
    scalers : sequence of TargetScaler
    settings : FitSettings
    seed : int
    rates : mapping of parameter-name prefix to factor
    balance : {"equal", "relative"}
    group : ProcessGroup
    """

    def __init__(
        self,
        network: CrystalNetwork,
        train: LabelledGraphs,
        validation: LabelledGraphs,
        scalers: Sequence[TargetScaler],
        settings: FitSettings,
        seed: int,
        rates: Mapping[str, float],
        balance: Balance,
        group: ProcessGroup,
    ) -> None:
        self.network, self.settings, self._scalers = network, settings, scalers
        self._balance, self._group = balance, group
        every = None if settings.edges_per_visit is None else visits(train, settings.edges_per_visit)
        self._order = ShuffledOrder(len(train.rows), settings.batch_size, seed, group.rank, group.world_size, every)
        if not self._order.share:
            few = len(train.rows) < group.world_size
            why = f"cannot be shared by {group.world_size} processes" if few else "are too few for edges_per_visit"
            raise InputError(f"{len(train.rows)} training rows {why}")
        self._train, self._validation = (BatchMaker(data, scalers, group.device) for data in (train, validation))
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(rate_of(name, rates), []).append(parameter)
        rate, decay = settings.learning_rate, settings.weight_decay
        self._optimizer = (
            MuonAdamW(groups, matrices(network.body), rate, decay)
            if settings.optimizer == "muon"
            else AdamW(groups, rate, decay)
        )
        self._parameters = self._optimizer.parameters
        self._average = None if settings.average is None else MovingAverage(network, settings.average)
        self._opinions = group.parallel(_Opinions(network))
        kind = torch.device(group.device).type
        # Half precision on a CPU is bfloat16: torch has no float16 kernels there.
        half = settings.precision == "16-mixed" and kind == "cuda"
        self._scaler: Any = torch.amp.GradScaler(kind, enabled=half)  # of any optimiser that has `param_groups`
        self._autocast: dict[str, Any] = {
            "device_type": kind,
            "dtype": torch.float16 if half else torch.bfloat16,
            "enabled": settings.precision != "32-true",
        }
        self._steps = settings.epochs * len(self._order)
        self._warmup = max(1, round(settings.warmup * self._steps))
        self._optimizer.schedule(warmup_cosine(0, self._steps, self._warmup))
        self.best = BestEpoch(settings.patience)
        self.history: list[dict[str, float]] = []
        self._losses: list[Tensor] = []
        self._epoch = self._batch = 0
        self._began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether all validations are done."""
        return self.best.stop or self._epoch + self._interval > self.settings.epochs

    @property
    def _interval(self) -> int:
        return self.settings.epochs if self.settings.keep == "last" else max(1, self.settings.epochs // VALIDATIONS)

    def run(
        self,
        on_epoch: Callable[[dict[str, float], int], None] | None = None,
        snapshot: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Run the remaining epochs.

        Parameters
        ----------
        on_epoch : callable, optional
            Called after each validation with its row of the history and the number of epochs since the last.
        snapshot : Path, optional
            File for snapshots, written when `clock` says so.
        clock : Clock, optional
        """
        while self._epoch < self.settings.epochs and not self.best.stop:
            self.network.train()
            for positions in self._order.batches(self._epoch, self._batch):
                self._step(*self._train.make(positions))
                self._batch += 1
                if self._batch == len(self._order):
                    break
                if snapshot and clock and clock.due(validated=False):
                    self.save(snapshot)
                    clock.restart()
            self._epoch, self._batch = self._epoch + 1, 0
            if self._epoch % self._interval:
                continue
            row = self._validate()
            before = self.history[-1]["epoch"] if self.history else 0
            self.history.append(row)
            if on_epoch:
                on_epoch(row, int(row["epoch"] - before))
            if snapshot and clock and (self.done or clock.due(validated=True)):
                self.save(snapshot)
                clock.restart()

    def _step(self, graphs: GraphBatch, target: Tensor) -> None:
        with torch.autocast(**self._autocast):
            # Each opinion has a separate loss; their mean is validated.
            loss = self._loss(self._opinions(graphs), target)
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._parameters, self.settings.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        done = self._epoch * len(self._order) + self._batch + 1
        self._optimizer.schedule(warmup_cosine(done, self._steps, self._warmup))
        if self._average:
            self._average.update(done)
        self._losses.append(loss.detach())

    def _validate(self) -> dict[str, float]:
        """Validate the network, or its average; return the row of the history."""
        network = self._average.network if self._average else self.network
        mode = network.training
        network.eval()
        # As torch's DataLoader does, so that fits of earlier versions are reproduced exactly.
        torch.empty((), dtype=torch.int64).random_()
        with torch.inference_mode(), torch.autocast(**self._autocast):
            pairs = [(network.all_targets(graphs).float(), target) for graphs, target in self._validation.in_order()]
        network.train(mode)
        output, target = (torch.cat(parts).cpu().double() for parts in zip(*pairs, strict=True))
        # Batch statistics differ from process to process; the best epoch must not.
        loss, error = self._group.from_main(float(self._loss(output, target)), self._error(output, target))
        self.best.update(loss, weights(network))
        row = {
            "epoch": float(self._epoch),
            "learning_rate": self._optimizer.learning_rate,
            "train_loss": float(torch.stack(self._losses).mean()),
            "validation_loss": loss,
            self.error_name: error,
            "seconds": time.monotonic() - self._began,
        }
        self._losses.clear()
        return row

    @property
    def error_name(self) -> str:
        """Name of the error on validation rows in the history: of numbers, or of classes."""
        return "validation_error_rate" if self._classes else "validation_mae"

    @property
    def _classes(self) -> bool:
        return self.network.architecture.outputs > 1

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target) if self._classes else masked_l1(output, target, self._balance_now)

    @property
    def _balance_now(self) -> Balance:
        return self._balance if self._epoch >= self.settings.balance_from else "equal"

    def _error(self, output: Tensor, target: Tensor) -> float:
        """Return the mean absolute error of the first target in its unit, or the fraction of wrong classes."""
        if self._classes:
            return float((output.argmax(dim=1) != target[:, 0]).double().mean())
        labelled = target[:, 0].isfinite()
        first, truth = (self._scalers[0].unscale(values[labelled, 0].numpy()) for values in (output, target))
        return float(np.abs(first - truth).mean())

    def save(self, path: Path) -> None:
        """Write a snapshot."""
        tensors = dict(self._state())
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.weights.items()}
        tensors["random"] = torch.get_rng_state()
        if self._group.device != "cpu":
            tensors["random_cuda"] = torch.cuda.get_rng_state(self._group.device)
        tensors["losses"] = torch.stack(self._losses) if self._losses else torch.empty(0)
        values = {
            "epoch": self._epoch,
            "batch": self._batch,
            "best_loss": self.best.loss,
            "waited": self.best.waited,
            "stop": self.best.stop,
            "scaler": self._scaler.state_dict(),
            "history": self.history,
            "seconds": time.monotonic() - self._began,
        }
        write_snapshot(path, tensors, values)

    def resume(self, path: Path) -> None:
        """Restore the state of a snapshot.

        Raises
        ------
        InputError
            If it is damaged.
        """
        tensors, values = read_snapshot(path)
        for name, tensor in self._state():
            tensor.copy_(tensors[name])
        device = self._group.device
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random_cuda"], device)
        self._losses = list(tensors["losses"].to(device))
        self.best.weights = {
            name.removeprefix("best."): tensor.to(device)
            for name, tensor in tensors.items()
            if name.startswith("best.")
        }
        self.best.loss, self.best.waited, self.best.stop = (values[key] for key in ("best_loss", "waited", "stop"))
        self._epoch, self._batch, self.history = (values[key] for key in ("epoch", "batch", "history"))
        self._scaler.load_state_dict(values["scaler"])
        self._optimizer.schedule(warmup_cosine(self._epoch * len(self._order) + self._batch, self._steps, self._warmup))
        self._began = time.monotonic() - values["seconds"]

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors changed by a step; writing to them restores the state."""
        for name, tensor in weights(self.network).items():
            yield f"weights.{name}", tensor
        if self._average:
            for name, tensor in weights(self._average.network).items():
                yield f"average.{name}", tensor
        for name, tensor in self._optimizer.state():
            yield f"optimizer.{name}", tensor
