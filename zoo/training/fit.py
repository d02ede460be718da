"""The fit loop: Lightning does the looping, this module says what is looped over."""

from __future__ import annotations

import logging
import math
import os
import signal
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo._utils.devices import choose_device
from zoo.errors import TrainingError
from zoo.models.accelerated import threads_for
from zoo.models.inference import expert_vectors
from zoo.training._lightning import EarlyStopping, SIGTERMException, pl
from zoo.training.averaging import Averaging
from zoo.training.interruptions import LAST, Best, SaveOften, WholeFiles
from zoo.training.loader import EpochShuffle, Samples, training_loader, validation_loader
from zoo.training.losses import masked_l1
from zoo.training.optimizing import AdamW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor
    from torch.utils.data import DataLoader

    from zoo._utils.devices import Device
    from zoo.data.graphs.batch import GraphBatch
    from zoo.data.scaling import TargetScaler
    from zoo.models.cgcnn import CGCNN
    from zoo.training.loader import TrainingLoader
    from zoo.training.losses import Balance
    from zoo.training.settings import Precision

VALIDATIONS = 100
"""About how often a fit is validated: every epoch of a short one, every so many epochs of a long one."""


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Parameters
    ----------
    epochs : int
        Most epochs; early stopping may end sooner.
    batch_size : int
        Crystals per step.
    learning_rate : float
        Peak of the schedule: linear warm-up, then a cosine down to zero.
    warmup : float
        Fraction of all steps spent warming up.
    weight_decay : float
        AdamW's decoupled weight decay.
    average : float or None
        Decay per step of the exponential moving average of the weights that is validated and kept; it is reached
        gradually.
    patience : int or None
        Validations without a better error after which to stop; None never stops early.
    clip : float
        Largest norm of the gradient.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Number type of the forward and backward pass.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 1e-4
    average: float | None = None
    patience: int | None = None
    clip: float = 1.0
    precision: Precision = "32-true"


@dataclass(frozen=True)
class FitResult:
    """What a fit left behind: the network holds the weights of the best epoch."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_error: float = math.nan
    seconds: float = 0.0


class _Fit(pl.LightningModule):
    """A network, its loss, its optimiser."""

    def __init__(
        self,
        network: CGCNN,
        train: Samples,
        validation: Samples,
        scalers: Sequence[TargetScaler],
        settings: FitSettings,
        seed: int,
        rates: Mapping[str, float],
        balance: Balance,
        on_epoch: Callable[[dict[str, float], int], None] | None,
    ) -> None:
        super().__init__()
        self.network, self.settings, self.scalers = network, settings, scalers
        self.train_samples, self.validation_samples, self.seed = train, validation, seed
        self.rates, self.balance, self.on_epoch = rates, balance, on_epoch
        self.history: list[dict[str, float]] = []
        self._loader: TrainingLoader | None = None
        self._skip = 0
        self._loss: list[Tensor] = []
        self._outputs: list[tuple[Tensor, Tensor]] = []
        self._began = time.monotonic()

    def train_dataloader(self) -> DataLoader[int]:
        n = len(self.train_samples.rows)
        sampler = EpochShuffle(n, self.seed, self.trainer.global_rank, self.trainer.world_size)
        size, skip = self.settings.batch_size, self._skip
        self._loader = training_loader(self.train_samples, self.scalers, size, sampler, skip)
        return self._loader

    def val_dataloader(self) -> DataLoader[int]:
        return validation_loader(self.validation_samples, self.scalers)

    def training_step(self, batch: tuple[GraphBatch, Tensor], _index: int) -> Tensor:
        graphs, target = batch
        # Each opinion learns by itself; their mean is what is validated.
        loss = self._error(self.network.opinions(graphs), target)
        self._loss.append(loss.detach())
        return loss

    def validation_step(self, batch: tuple[GraphBatch, Tensor], _index: int) -> None:
        graphs, target = batch
        self._outputs.append((self.network.all_targets(graphs).float(), target))

    def on_validation_epoch_end(self) -> None:
        output, target = (torch.cat(parts).cpu().double() for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        scaled = float(self._error(output, target))
        labelled = target[:, 0].isfinite()
        first, truth = (self.scalers[0].unscale(values[labelled, 0].numpy()) for values in (output, target))
        error = float(np.abs(first - truth).mean())
        # For those who choose the epoch: this is the trainer's own dict. `self.log`, which writes there as well, first
        # asks hundreds of kinds of metrics whether they are meant.
        self.trainer.callback_metrics["validation"] = torch.tensor(scaled)
        row = {
            "epoch": float(self.current_epoch + 1),
            "learning_rate": float(self.optimizers().param_groups[0]["lr"]),
            "train_loss": float(self._losses().mean()),  # of no step: NaN
            "validation_loss": scaled,
            "validation_mae": error,
            "seconds": time.monotonic() - self._began,
        }
        self._loss.clear()
        self.history.append(row)
        if self.on_epoch and self.trainer.is_global_zero:
            before = self.history[-2]["epoch"] if len(self.history) > 1 else 0
            self.on_epoch(row, int(row["epoch"] - before))

    def transfer_batch_to_device(
        self, batch: tuple[GraphBatch, Tensor], device: torch.device, _index: int
    ) -> tuple[GraphBatch, Tensor]:
        return batch[0].to(device), batch[1].to(device)

    def configure_optimizers(self) -> Any:
        groups: dict[float, list[torch.nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(rate_of(name, self.rates), []).append(parameter)
        peak = self.settings.learning_rate
        optimizer = AdamW(
            [{"params": parameters, "lr": peak * rate} for rate, parameters in groups.items()],
            weight_decay=self.settings.weight_decay,
            # One call instead of a few hundred small ones; it does not go with clipping in mixed precision.
            fused=self.settings.precision == "32-true",
        )
        total = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = max(1, round(self.settings.warmup * total))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history
        checkpoint["seconds"] = time.monotonic() - self._began
        checkpoint["losses"] = self._losses()
        checkpoint["batches"] = self._loader.had if self._loader else 0

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]
        self._began = time.monotonic() - checkpoint["seconds"]
        self._loss = list(checkpoint["losses"])
        self._skip = checkpoint["batches"]

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        return masked_l1(output, target, self.balance)

    def _losses(self) -> Tensor:
        """Return the losses of all steps since the last validation, (S,); those of a checkpoint come from the CPU."""
        return torch.stack([loss.to(self.device) for loss in self._loss]) if self._loss else torch.empty(0)


def rate_of(name: str, rates: Mapping[str, float]) -> float:
    """Return the learning-rate factor of a parameter: that of the longest prefix in `rates`, else 1."""
    fitting = [prefix for prefix in rates if name == prefix or name.startswith(prefix + ".")]
    return rates[max(fitting, key=len)] if fitting else 1.0


def fit(
    network: CGCNN,
    train: Samples,
    validation: Samples,
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
    network : CGCNN
    train, validation : Samples
        Training rows, and the rows that choose the epoch: the one with the smallest mean of the targets' scaled errors.
    scalers : sequence of TargetScaler
        One per target, fitted on `train`.
    settings : FitSettings
    seed : int
        Seed of the order of batches.
    workdir : Path
        Folder for Lightning's checkpoints; with `resume` a run that was cut off goes on from there.
    save_minutes : float, optional
        Between checkpoints within an epoch; after a validation there is one as well. If not given, there is none that
        `resume` could go on from: a short fit is sooner done anew.
    rates : mapping of parameter-name prefix to factor, optional
        Learning rates by depth: the factor of the longest fitting prefix multiplies the learning rate.
    balance : {"equal", "relative"}
        How several targets share the loss; see :func:`zoo.training.losses.masked_l1`.
    device : {"auto", "cpu", "cuda"}
    devices, nodes : int
        Devices on each of so many machines, each with a process of its own (Lightning's DDP): a step is then made of
        `batch_size` crystals on every device. Each of them validates all rows.
    on_epoch : callable, optional
        Called after each validation with its row of the history and the number of epochs since the last.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If a checkpoint cannot be written, for example because the disk is full; the one before it is left whole.
    TrainingError
        If no validation gave a number: the training diverged from its first steps on.
    """
    chosen = choose_device(device)
    train, validation = (
        replace(samples, vectors=expert_vectors(network, samples.graphs, samples.rows, device=chosen))
        if samples.vectors is None
        else samples
        for samples in (train, validation)
    )
    module = _Fit(network, train, validation, scalers, settings, seed, rates or {}, balance, on_epoch)
    best = Best(
        workdir,
        filename="best",
        monitor="validation",
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    callbacks: list[pl.Callback] = [best]
    if settings.patience is not None:
        callbacks.append(EarlyStopping("validation", patience=settings.patience, check_on_train_epoch_end=False))
    if settings.average is not None:
        callbacks.append(Averaging(settings.average))
    if save_minutes is not None:
        callbacks.append(SaveOften(workdir, save_minutes))
    last = workdir / LAST
    began = time.monotonic()
    edges = settings.batch_size * float(train.graphs.edges[train.rows].mean())
    with _quiet(), _signals_passed_on(), _experts_aside(network), threads_for(edges), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # what is left out at random in training depends on the seed alone
        trainer = pl.Trainer(
            accelerator="gpu" if chosen == "cuda" else "cpu",
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            use_distributed_sampler=False,
            max_epochs=settings.epochs,
            precision=settings.precision,
            gradient_clip_val=settings.clip,
            callbacks=callbacks,
            plugins=[WholeFiles()],
            logger=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            check_val_every_n_epoch=max(1, settings.epochs // VALIDATIONS),
            default_root_dir=workdir,
        )
        trainer.fit(
            module,
            ckpt_path=last if resume and last.exists() else None,
            weights_only=True,
        )
        state = torch.load(best.best_model_path, weights_only=True, map_location="cpu")["state_dict"]
        network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})
    trainer.strategy.barrier()  # all have read the file before anybody removes it
    # As ModelCheckpoint does, which kept the weights: a loss that is no number is no minimum.
    losses = np.nan_to_num([row["validation_loss"] for row in module.history], nan=np.inf)
    row = module.history[int(np.argmin(losses))]
    if not math.isfinite(row["validation_mae"]):
        raise TrainingError(
            f"the training came to no numbers at a learning rate of {settings.learning_rate:g}; give a smaller one, "
            "and look for absurd targets"
        )
    return FitResult(module.history, int(row["epoch"]), row["validation_mae"], time.monotonic() - began)


@contextmanager
def _experts_aside(network: CGCNN) -> Iterator[None]:
    """Fit a network without its frozen experts, to average and to save in every step: their vectors are known."""
    experts, network.experts = network.experts, torch.nn.ModuleList()
    try:
        yield
    finally:
        network.experts = experts


@contextmanager
def _signals_passed_on() -> Iterator[None]:
    """Let an interrupt reach the caller, and a request to end the process; Lightning makes an exit of both."""
    try:
        yield
    except SIGTERMException:
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:  # a handler of the user's was called already
            os.kill(os.getpid(), signal.SIGTERM)
        raise
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advertisements and advice off the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
