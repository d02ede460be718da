"""Checkpoints of unfinished training: every few minutes, whole or not at all."""

from __future__ import annotations

import io
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo._utils import files
from zoo.errors import InputError
from zoo.training._lightning import Checkpoint, ModelCheckpoint, TorchCheckpointIO

if TYPE_CHECKING:
    from lightning.fabric.utilities.types import _PATH

    from zoo.training._lightning import pl

LAST = "last.ckpt"
"""Where a run that was cut off goes on from."""

MINUTES = 3.0
"""Between two checkpoints within an epoch."""


SECONDS = 10.0
"""Between two checkpoints of short epochs, whose validations follow one another fast."""


class Best(ModelCheckpoint):
    """Keeps the best epoch, and goes on doing so where the folder of an unfinished run was moved to.

    Lightning forgets the best score if the folder is another than the one that was saved, and the next validation
    would pass for the best.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state for that of this folder."""
        folder = Path(str(self.dirpath))
        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {key: str(folder / Path(state_dict[key]).name) if state_dict[key] else "" for key in paths}
        best = {str(folder / Path(path).name): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "dirpath": self.dirpath, "best_k_models": best})


class SaveOften(Checkpoint):
    """Save the state of training after validations, and every few minutes wherever in an epoch that is.

    It must come behind the callback that keeps the best epoch, whose state it saves. Being a checkpoint callback, it
    comes behind all others.

    Parameters
    ----------
    folder : Path
    minutes : float
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.path, self.seconds = folder / LAST, 60 * minutes
        self._saved = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save if it is time; not after the last batch of an epoch, where Lightning would leave out the validation."""
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return
        # All devices take part in saving, and their clocks differ.
        if trainer.strategy.broadcast(time.monotonic() - self._saved >= self.seconds):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save what the validation has added, unless what would be lost is the work of a moment."""
        epochs, step = trainer.max_epochs or 0, trainer.check_val_every_n_epoch or 1
        final = trainer.should_stop or trainer.current_epoch + step >= epochs
        due = time.monotonic() - self._saved >= min(self.seconds, SECONDS)
        if trainer.strategy.broadcast(final or due):
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all; one that cannot be written leaves the one before it as it was.

    Lightning's own way goes through the system's folder of temporary files, which may lie on another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Write beside the file, then rename.

        Raises
        ------
        InputError
            If the disk is full, or the folder may not be written.
        """
        assert storage_options is None
        target, buffer = Path(path), io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            files.write_bytes(target, buffer.getbuffer())
        except OSError as error:
            kept = f"{target.name} is still the one before; " if target.exists() else ""
            raise InputError(
                f"{target} cannot be written: {error.strerror}; {kept}free some space, then go on with --resume"
            ) from error

    def load_checkpoint(self, path: _PATH, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint.

        Raises
        ------
        InputError
            If it is damaged.
        """
        try:
            checkpoint: dict[str, Any] = super().load_checkpoint(path, *args, **kwargs)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(f"{path} is damaged; remove {Path(path).parent.parent} to begin again") from error
        return checkpoint
