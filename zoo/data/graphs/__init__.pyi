# The public names, each once: __init__.py reads this file.
from zoo.data.graphs.batch import GraphBatch as GraphBatch
from zoo.data.graphs.neighbors import CrystalGraph as CrystalGraph
from zoo.data.graphs.neighbors import GraphSettings as GraphSettings
from zoo.data.graphs.neighbors import build_graph as build_graph
from zoo.data.graphs.neighbors import build_graphs as build_graphs
from zoo.data.graphs.packing import PackedGraphs as PackedGraphs
from zoo.data.graphs.store import TableGraphs as TableGraphs
from zoo.data.graphs.store import table_graphs as table_graphs
