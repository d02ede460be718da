"""The moving average of a network's weights, which is validated and kept in place of the weights themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.optim.swa_utils import get_ema_multi_avg_fn

from zoo.training._lightning import WeightAveraging

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zoo.training._lightning import pl


class Averaging(WeightAveraging):
    """Lightning's callback with an exponential average that begins fast, so that the random start is soon forgotten.

    Lightning walks through all modules in every step, which takes six times as long as averaging their tensors. Here
    they are looked up once; all else, such as what is saved, is Lightning's.

    Parameters
    ----------
    decay : float
        Per step; it is reached gradually.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self._average)
        self.decay = decay
        self._latest_update_step: int
        self._pairs: list[tuple[list[Tensor], list[Tensor]]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *others: Any) -> None:
        """Average after a step, unless the batch only added to one."""
        if not self._pairs:
            super().on_train_batch_end(trainer, pl_module, *others)
            self._pairs = self._of_one_kind(pl_module)
        elif trainer.global_step > self._latest_update_step:
            assert self._average_model is not None
            for averaged, current in self._pairs:
                self._average(averaged, current, self._average_model.n_averaged)
            self._average_model.n_averaged += 1
            self._latest_update_step = trainer.global_step

    def _of_one_kind(self, module: pl.LightningModule) -> list[tuple[list[Tensor], list[Tensor]]]:
        """Return averaged tensors and current ones, by their type."""
        assert self._average_model is not None
        models = self._average_model.module, module
        averaged, current = ([each.detach() for each in (*m.parameters(), *m.buffers())] for m in models)
        kinds: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for one, other in zip(averaged, current, strict=True):
            ones, others = kinds.setdefault(one.dtype, ([], []))
            ones.append(one)
            others.append(other)
        return list(kinds.values())

    def _average(self, averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        weight = 1 - min(self.decay, (1 + float(updates)) / (10 + float(updates)))
        if averaged[0].is_floating_point():  # tensors come grouped by their type
            get_ema_multi_avg_fn(1 - weight)(averaged, current, updates)  # type: ignore[no-untyped-call]
        else:
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)
