"""Body of a crystal graph convolutional network, which maps a batch of graphs to one vector per crystal.

Xie & Grossman, PRL 120, 145301 (2018), with the edge gate of its equation 5, as used for transfer by Lee &
Asahi, Comput. Mater. Sci. 190, 110314 (2021)::

    z_ij = v_i ⊕ v_j ⊕ u_ij
    v_i ← g(v_i + BN(Σ_j σ(BN(z_ij W_f + b_f)) ⊙ g(BN(z_ij W_s + b_s))))

with g the softplus, σ the sigmoid, u_ij Gaussians of the distance and BN batch normalisation, placed as in the
original authors' code. Parameters have the authors' names and shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional
from zoo.plugins.networks.cgcnn import accelerated, accelerated_batchnorm
from zoo.plugins.networks.common import at_least_single, gaussians_of

from zoo.data.graphs.dgl_import import dgl
from zoo.models.architecture import EPSILON

if TYPE_CHECKING:
    from torch import Tensor
    from zoo.plugins.networks.cgcnn.settings import Settings

    from zoo.data.graphs.batch import GraphBatch


def mean_max_min(batch: GraphBatch, values: Tensor) -> Tensor:
    """Return mean, largest and smallest value over the atoms of each cell: (M, F) → (B, 3 F)."""
    return torch.cat([batch.mean(values), batch.largest(values), batch.smallest(values)], dim=1)


class WeightedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of rows with multiplicities; statistics have at least single precision.

    Ioffe & Szegedy, ICML 2015.
    """

    def forward(self, values: Tensor, weights: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise values of shape (n, F), with row multiplicities `weights` of shape (n, 1)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.autocast(values.device.type, enabled=False):
            values = at_least_single(values)
            if not self.training:
                scale = self.weight * torch.rsqrt(self.running_var + self.eps)
                return torch.addcmul(self.bias - self.running_mean * scale, values, scale)
            total = weights.sum()
            mean = (weights * values).sum(dim=0) / total
            excess = values - mean
            variance = (weights * excess.square()).sum(dim=0) / total
            self.track(mean, variance, total)
            return torch.addcmul(self.bias, excess, self.weight * torch.rsqrt(variance + self.eps))

    @torch.no_grad()
    def track(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        """Update the running statistics by the mean and the biased variance, (F,), of `total` rows."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (total / (total - 1)), self.momentum)
        self.num_batches_tracked.add_(1)


class Convolution(nn.Module):
    """One gated graph convolution.

    The linear map acts on z = v_i ⊕ v_j ⊕ u_ij, so it splits: z W = v_i W_1 + v_j W_2 + u_ij W_3. The first two
    products are computed once per atom instead of once per edge.
    """

    def __init__(self, width: int, gaussians: int) -> None:
        super().__init__()
        self.width = width
        self.fc_full = nn.Linear(2 * width + gaussians, 2 * width)
        self.bn1 = WeightedBatchNorm(2 * width, eps=EPSILON)
        self.bn2 = WeightedBatchNorm(width, eps=EPSILON)

    def forward(self, graph: Any, atoms: Tensor) -> Tensor:
        """Update atoms of shape (M, width).

        Parameters
        ----------
        graph : DGLGraph or IndexedGraph
            Of M atoms and R edges. Node data ``copies`` (M, 1); edge data ``count`` (R, 1), ``weight`` (R, 1), the
            count times the copies of the centre, and ``gaussians`` (R, G), the expanded distances.
        atoms : tensor of shape (M, width)
        """
        function = dgl().function
        weight, width = self.fc_full.weight, self.width
        of_center, of_neighbor, of_bond = weight[:, :width], weight[:, width : 2 * width], weight[:, 2 * width :]
        with graph.local_scope():
            graph.ndata["center"] = at_least_single(functional.linear(atoms, of_center, self.fc_full.bias))
            graph.ndata["neighbor"] = at_least_single(functional.linear(atoms, of_neighbor))
            graph.apply_edges(function.u_add_v("neighbor", "center", "ends"))
            edges = torch.addmm(graph.edata["ends"], graph.edata["gaussians"], of_bond.T)
            gate, core = self.bn1(edges, graph.edata["weight"]).chunk(2, dim=1)
            graph.edata["message"] = torch.sigmoid(gate) * functional.softplus(core) * graph.edata["count"]
            graph.update_all(function.copy_e("message", "message"), function.sum("message", "total"))
            return functional.softplus(atoms + self.bn2(graph.ndata["total"], graph.ndata["copies"]))


class Body(nn.Module):
    """The layers before pooling.

    Parameters
    ----------
    settings : Settings
    atom_table : tensor of shape (elements, atom_features)
        Row z holds the features of atomic number z. It is a buffer, never trained.
    """

    atom_table: Tensor
    centers: Tensor

    def __init__(self, settings: Settings, atom_table: Tensor) -> None:
        super().__init__()
        size = settings
        self.settings = size
        table = atom_table.to(torch.get_default_dtype(), copy=True)  # weight averaging writes into buffers
        self.register_buffer("atom_table", table)
        centers = torch.linspace(0.0, size.gaussian_end, size.gaussians)
        self.register_buffer("centers", centers, persistent=False)
        self.embedding = nn.Linear(size.atom_features, size.width)
        self.convs = nn.ModuleList(Convolution(size.width, size.gaussians) for _ in range(size.convolutions))
        self.vector_size: int = size.vector_size
        self.depths = (("embedding",), *((f"convs.{layer}",) for layer in range(size.convolutions)))

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return the crystal vectors, shape (B, vector_size)."""
        pooling = self.settings.pooling
        atoms = functional.embedding(batch.numbers, self.embedding(self.atom_table))
        convolutions = cast("list[Convolution]", list(self.convs))
        layers = [(each.fc_full, each.bn1, each.bn2) for each in convolutions]
        compiled = accelerated.possible(atoms, batch)
        if compiled and accelerated.fixed(layers):
            if pooling == "mean-max-min":
                return mean_max_min(batch, accelerated.convolve(atoms, batch, self.settings, layers, pooled=False))
            averages: Tensor = accelerated.convolve(atoms, batch, self.settings, layers)
            return averages if pooling == "all" else averages[:, -self.settings.width :]
        outputs = [atoms]
        gaussians = self.expand(batch.distances)
        if compiled:
            bonds = accelerated_batchnorm.Bonds(batch, self.settings, gaussians)
            for layer in layers:
                outputs.append(accelerated_batchnorm.convolve(outputs[-1], bonds, layer))
        else:
            graph = batch.graph
            with graph.local_scope():
                graph.edata["weight"], graph.edata["gaussians"] = batch.weights, gaussians
                for convolution in convolutions:
                    outputs.append(convolution(graph, outputs[-1]))
        if pooling == "mean-max-min":
            return mean_max_min(batch, torch.cat(outputs, dim=1))
        vectors: Tensor = batch.mean(torch.cat(outputs, dim=1) if pooling == "all" else outputs[-1])
        return vectors

    def expand(self, distances: Tensor) -> Tensor:
        """Expand distances of shape (R,) in Å into Gaussians, shape (R, gaussians)."""
        found: Tensor = gaussians_of(distances, self.centers, self.settings.spacing)
        return found
