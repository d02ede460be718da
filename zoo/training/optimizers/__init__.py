"""Optimisers without torch's compiler, which takes a second to import: `adamw`, the default, and `muon`."""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.training.optimizers.adamw import AdamW as AdamW
    from zoo.training.optimizers.adamw import warmup_cosine as warmup_cosine
    from zoo.training.optimizers.muon import MuonAdamW as MuonAdamW
    from zoo.training.optimizers.muon import matrices as matrices
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
