"""The input graph of a single crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.python_api import public
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.structures.conversion import as_crystal

if TYPE_CHECKING:
    from zoo.jobs.predict.model import Model


@public("zoo.graph")
def graph(structure: object, model: Model | None = None) -> Any:
    """Return the input graph of a crystal as a DGLGraph.

    Atoms with the same environment are merged into one node, and equal edges of an atom into one edge: a node
    represents ``copies`` atoms of the cell, an edge ``count`` neighbours. Edges point from the neighbour to the central
    atom. ``dgl.batch`` combines several graphs into a batch.

    Parameters
    ----------
    structure : object
        An ordered crystal: a pymatgen Structure, ASE Atoms, Crystal or dictionary, the text of a CIF or POSCAR, or the
        path of a structure file.
    model : Model, optional
        Model whose graph settings are used; by default those of zoo's backbones: 12 neighbours within 8 Å.

    Returns
    -------
    DGLGraph, or IndexedGraph where there is no DGL for this Python, of M nodes and R edges
        Node data ``number`` (M,), atomic numbers, and ``copies`` (M, 1); edge data ``distance`` (R,) in Å and ``count``
        (R, 1).

    Raises
    ------
    InputError
        If the structure cannot be used; the message gives the reason.

    Examples
    --------
    >>> import zoo
    >>> from pymatgen.core import Lattice, Structure
    >>> salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])
    >>> graph = zoo.graph(salt)
    >>> graph.ndata["number"].tolist(), graph.ndata["copies"].flatten().tolist()
    ([11, 17], [4.0, 4.0])
    """
    from zoo.data.graphs.batch import GraphBatch

    settings = model.config.graph_settings if model else GraphSettings()
    packed = PackedGraphs.pack([build_graph(as_crystal(structure), settings)])
    return GraphBatch.gather(packed, np.array([0])).graph
