r"""The layers of a GatedGCN, as DGL code.

The features :math:`v_i` of an atom start as a trained vector of its element, those of an edge :math:`e_{ij}` as
:math:`\mathrm{SiLU}(W_0\,g(d_{ij}))` of the distance expanded in Gaussians. A layer updates both:

.. math::

    n_i &= \mathrm{LN}(v_i) \\
    z_{ij} &= A\,n_i + B\,n_j + C\,e_{ij} \\
    m_i &= \sum_j w_{ij}\,\sigma(z_{ij}) \odot V n_j \Big/ \Big(\epsilon + \sum_j w_{ij}\,\sigma(z_{ij})\Big) \\
    e_{ij} &\leftarrow e_{ij} + \mathrm{SiLU}(z_{ij}) \\
    v_i &\leftarrow v_i + W_2\,\mathrm{SiLU}\big(W_1\,[n_i \oplus \mathrm{LN}(m_i)]\big)

:math:`w_{ij}` is the fraction of atom i's neighbours that an edge stands for, :math:`\mathrm{LN}` layer normalisation.
If atoms are wider than edges, each gate serves several of their features. The vector of a crystal holds the means over
its atoms of :math:`v_i` before the first layer and after each, and, if asked for, those of
:math:`\sum_j w_{ij}\,e_{ij}`.

Gated edges that are updated: X. Bresson & T. Laurent, "Residual gated graph ConvNets", arXiv:1711.07553; V. P. Dwivedi
et al., "Benchmarking graph neural networks", arXiv:2003.00982, who call it GatedGCN; for crystals, with SiLU, in the
atom graph of ALIGNN: K. Choudhary & B. DeCost, npj Comput. Mater. 7, 185 (2021). Different here: layer normalisation
before each map in place of batch normalisation after it, the perceptron on atom and message, and the pooling of all
layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional
from zoo.plugins.networks.common import at_least_single, gaussians_of
from zoo.plugins.networks.gatedgcn import accelerated
from zoo.plugins.networks.gatedgcn.torch_free import ELEMENTS, EPSILON

from zoo.data.graphs.dgl_import import dgl

if TYPE_CHECKING:
    from torch import Tensor
    from zoo.plugins.networks.gatedgcn.settings import Settings

    from zoo.data.graphs.batch import GraphBatch


class Layer(nn.Module):
    """One update of the edges and atoms; the module's documentation has the equations."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.groups = width // edge_width
        self.center = nn.Linear(width, edge_width)
        self.neighbor = nn.Linear(width, edge_width, bias=False)
        self.edge = nn.Linear(edge_width, edge_width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.norm_atoms = nn.LayerNorm(width)
        self.norm_messages = nn.LayerNorm(width)
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.out = nn.Linear(2 * width, width)

    def forward(self, graph: Any, atoms: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Update atoms of shape (M, width) and edges of shape (R, edge_width).

        Parameters
        ----------
        graph : DGLGraph or IndexedGraph or accelerated.CompiledGraph
            Of M atoms and R edges, with the edge data ``weight`` (R, 1), the fraction of the centre's neighbours.
        atoms, edges : tensor
        """
        atoms_in = self.norm_atoms(atoms)
        centers, of_edges = at_least_single(self.center(atoms_in)), at_least_single(self.edge(edges))
        neighbors = at_least_single(functional.linear(atoms_in, torch.cat([self.neighbor.weight, self.value.weight])))
        if isinstance(graph, accelerated.CompiledGraph):
            edges, totals = graph.update(centers, neighbors, of_edges, edges)
        else:
            edges, totals = self._update(graph, centers, neighbors, of_edges, edges)
        grouped = totals.reshape(len(atoms), self.groups + 1, -1)
        sums, gates = grouped[:, :-1], grouped[:, -1:]
        messages = self.norm_messages((sums / (gates + EPSILON)).flatten(1))
        hidden = functional.silu(self.hidden(torch.cat([atoms_in, messages], dim=1)))
        return atoms + at_least_single(self.out(hidden)), edges

    def _update(
        self, graph: Any, centers: Tensor, neighbors: Tensor, of_edges: Tensor, edges: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the edges' new features, and the atoms' sums of gated values and of gates, (M, width + edge_width)."""
        function, width = dgl().function, edges.shape[1]
        with graph.local_scope():
            graph.ndata["center"], graph.ndata["neighbor"] = centers, neighbors[:, :width]
            graph.ndata["value"] = neighbors[:, width:].reshape(-1, self.groups, width)
            graph.apply_edges(function.u_add_v("neighbor", "center", "ends"))
            sums = graph.edata["ends"] + of_edges
            gates = torch.sigmoid(sums)
            graph.edata["gate"] = (gates * graph.edata["weight"]).unsqueeze(1)
            graph.update_all(function.u_mul_e("value", "gate", "message"), function.sum("message", "values"))
            graph.update_all(function.copy_e("gate", "message"), function.sum("message", "gates"))
            return edges + sums * gates, torch.cat([graph.ndata["values"], graph.ndata["gates"]], dim=1).flatten(1)


class Body(nn.Module):
    """The network up to the vector of a crystal.

    Parameters
    ----------
    settings : Settings
    """

    centers: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(ELEMENTS, settings.width)
        centers = torch.linspace(0.0, settings.gaussian_end, settings.gaussians)
        self.register_buffer("centers", centers, persistent=False)
        self.expansion = nn.Linear(settings.gaussians, settings.edge_width)
        self.layers = nn.ModuleList(Layer(settings.width, settings.edge_width) for _ in range(settings.layers))

    @property
    def vector_size(self) -> int:
        """Length of a crystal's vector."""
        size: int = self.settings.vector_size
        return size

    @property
    def depths(self) -> tuple[tuple[str, ...], ...]:
        """Prefixes of the parameters' names, from the input to the output."""
        return ("embedding", "expansion"), *((f"layers.{layer}",) for layer in range(self.settings.layers))

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return the vectors of crystals, shape (B, vector_size).

        Parameters
        ----------
        batch : GraphBatch
        """
        outputs = [self.embedding(batch.numbers)]
        gaussians = gaussians_of(batch.distances, self.centers, self.settings.spacing)
        edges = functional.silu(at_least_single(self.expansion(gaussians)))
        neighbors = torch.zeros_like(batch.copies).index_add_(0, batch.centers, batch.counts)
        weights = batch.counts / neighbors[batch.centers]
        compiled = accelerated.possible(edges, batch)
        graph = accelerated.CompiledGraph(batch, weights) if compiled else batch.graph
        around = [self._around(batch, edges, weights)]
        with graph.local_scope():
            graph.edata["weight"] = weights
            for layer in cast("list[Layer]", list(self.layers)):
                atoms, edges = layer(graph, outputs[-1], edges)
                outputs.append(atoms)
                around.append(self._around(batch, edges, weights))
        if self.settings.pooling == "both":
            outputs += around
        vectors: Tensor = batch.mean(torch.cat(outputs, dim=1))
        return vectors

    def _around(self, batch: GraphBatch, edges: Tensor, weights: Tensor) -> Tensor:
        """Return the mean over the edges of each atom, shape (M, edge_width); nothing if they are not pooled."""
        if self.settings.pooling == "atoms":
            return edges[:0]
        means = edges.new_zeros(len(batch.numbers), edges.shape[1])
        return means.index_add_(0, batch.centers, edges * weights)
