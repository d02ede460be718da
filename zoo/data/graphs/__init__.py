"""Crystals → crystal graphs.

`neighbors` finds nearest neighbours, `packing` merges symmetric copies into `PackedGraphs`, `batch` makes the DGL graph
that a network sees, and `message_passing` replaces it where DGL has no kernels. `store` keeps the graphs of whole
tables on disk, and `memory` what was computed in this process. `kernels` has the compiled loops.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.data.graphs.batch import GraphBatch as GraphBatch
    from zoo.data.graphs.memory import CrystalMemory as CrystalMemory
    from zoo.data.graphs.memory import memory as memory
    from zoo.data.graphs.memory import recalled_graphs as recalled_graphs
    from zoo.data.graphs.neighbors import CrystalGraph as CrystalGraph
    from zoo.data.graphs.neighbors import GraphSettings as GraphSettings
    from zoo.data.graphs.neighbors import build_graph as build_graph
    from zoo.data.graphs.neighbors import build_graphs as build_graphs
    from zoo.data.graphs.packing import PackedGraphs as PackedGraphs
    from zoo.data.graphs.store import TableGraphs as TableGraphs
    from zoo.data.graphs.store import table_graphs as table_graphs
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
