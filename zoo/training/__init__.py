"""Fitting a network.

`fit` has the settings, the result and the function :func:`~zoo.training.fit.fit`, which fits any network. `loop` steps
over `batches` with one of the `optimizers` and the `losses`, keeps the `best` epoch, a moving average of the weights
(`averaging`) and `snapshots` to resume from; `distributed` spreads a fit over several processes. `transfer` makes the
network that a fit starts from; `settings` names the choices that commands offer. `kernel_regression` fits support
vector machines.
"""

__all__ = [
    "averaging",
    "batches",
    "best",
    "distributed",
    "fit",
    "kernel_regression",
    "loop",
    "losses",
    "optimizers",
    "settings",
    "snapshots",
    "transfer",
]
