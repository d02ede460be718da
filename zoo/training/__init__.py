"""Fitting a network: the loop, its batches, loss and optimiser, several processes, snapshots to resume from, transfer.

:func:`zoo.training.fit.fit` fits any network; :mod:`zoo.training.transfer` makes the network that a fit starts from.
"""
