"""Fitting a network.

`fit` has the settings, the result and the function :func:`~zoo.training.fit.fit`, which fits any network; `loop` steps
over `batches` with `adamw`, a learning-rate `schedule` and the `losses`, keeps the `best` epoch, an `averaging` of the
weights and `snapshots` to resume from; `distributed` spreads a fit over several processes. `transfer` makes the network
that a fit starts from.
"""

__all__ = [
    "adamw",
    "averaging",
    "batches",
    "best",
    "distributed",
    "fit",
    "loop",
    "losses",
    "schedule",
    "settings",
    "snapshots",
    "transfer",
]
