"""Crystals → crystal graphs.

`neighbors` finds nearest neighbours, `packing` merges symmetric copies into `PackedGraphs`, `batch` makes the DGL graph
that a network sees, and `store` keeps the graphs of whole tables on disk. `kernels` has the compiled loops.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
