"""The crystal graph convolutional network.

Xie & Grossman, PRL 120, 145301 (2018), with the edge gate of its equation 5, as used for transfer by Lee &
Asahi, Comput. Mater. Sci. 190, 110314 (2021)::

    z_ij = v_i ⊕ v_j ⊕ u_ij
    v_i ← g(v_i + BN(Σ_j σ(BN(z_ij W_f + b_f)) ⊙ g(BN(z_ij W_s + b_s))))

with g the softplus, σ the sigmoid, u_ij Gaussians of the distance and BN batch normalisation, placed as in the
original authors' code. Parameters have the authors' names and shapes, so their checkpoints load by name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

from zoo.models import fused, stacked
from zoo.models.architecture import EPSILON, of_target
from zoo.models.bonds import Bonds
from zoo.models.message_passing import gated_sum, mean_atoms, sum_neighbors
from zoo.models.moments import EdgeMoments, over_atoms
from zoo.models.normalization import full, normalization, single_precision

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch
    from zoo.models.architecture import Architecture, Pooling


DROPOUT = 0.3
"""Part of the experts' vectors that their reader does without in training (docs/tuning.md)."""


def leave_out(values: Tensor, part: float) -> Tensor:
    """Set a part of the values to zero at random, and enlarge the others by what that takes from their sum.

    torch's own ``dropout`` draws other random numbers on an Intel processor than on an AMD one, from the same seed.
    Here each number that is drawn, of 64 bits, serves four values.
    """
    left_out = round(part * 2**16)
    drawn = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[: values.numel()].view(values.shape)
    kept = bits.float().ge_(left_out - 2**15).mul_(1 / (1 - left_out / 2**16))
    return values * kept.to(values.dtype)


class Convolution(nn.Module):
    """One gated graph convolution.

    The linear map acts on z = v_i ⊕ v_j ⊕ u_ij, so it splits: z W = v_i W_1 + v_j W_2 + u_ij W_3. The first two
    products are computed once per atom instead of once per edge, which is 12 times less work for them. The batch
    normalisation after it is folded into the three, whose mean and variance over the edges follow from sums over atoms:
    so nothing of the size of the edges is made but the messages.
    """

    def __init__(self, width: int, gaussians: int) -> None:
        super().__init__()
        self.width = width
        self.fc_full = nn.Linear(2 * width + gaussians, 2 * width)
        self.bn1 = nn.BatchNorm1d(2 * width, eps=EPSILON)
        self.bn2 = nn.BatchNorm1d(width, eps=EPSILON)

    def forward(self, atoms: Tensor, bonds: Bonds) -> Tensor:
        """Update atoms of shape (M, width)."""
        if fused.possible(atoms):
            return fused.convolve(atoms, bonds, self.fc_full, self.bn1, self.bn2)
        message = self._messages(atoms, bonds)
        scale, shift = normalization(self.bn2, over_atoms(bonds.batch, message) if self.bn2.training else None)
        return functional.softplus(atoms + torch.addcmul(shift, message, scale))

    def _messages(self, atoms: Tensor, bonds: Bonds) -> Tensor:
        weight, width = self.fc_full.weight, self.width
        of_center, of_neighbor, of_bond = weight[:, :width], weight[:, width : 2 * width], weight[:, 2 * width :]
        center = full(functional.linear(atoms, of_center, self.fc_full.bias))
        neighbor = full(functional.linear(atoms, of_neighbor))
        statistics = None
        if self.bn1.training:
            with single_precision(center.device):
                summed = partial(sum_neighbors, bonds.batch)
                statistics = EdgeMoments.of(bonds, of_bond, center, neighbor, summed).statistics
        scale, shift = normalization(self.bn1, statistics)
        scaled = torch.addcmul(shift, center, scale), neighbor * scale
        return gated_sum(*scaled, bonds, of_bond * scale.unsqueeze(1))


class Head(nn.Module):
    """The fully connected layers after pooling, for one property.

    Parameters
    ----------
    size : Architecture
    inputs : int
        Length of the vectors that they read.
    normalize : bool
        Bring each of their components to mean 0 and variance 1 first, in place of the authors' softplus.
    dropout : float
        Part of the components that is left out at random in training.
    """

    norm: nn.BatchNorm1d | None

    def __init__(self, size: Architecture, inputs: int, *, normalize: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self._add_layers(size, inputs, normalize=normalize, dropout=dropout)

    def _add_layers(self, size: Architecture, inputs: int, *, normalize: bool, dropout: float = 0.0) -> None:
        self.norm = nn.BatchNorm1d(inputs, eps=EPSILON, affine=False) if normalize else None
        self.dropout = dropout
        self.conv_to_fc = nn.Linear(inputs, size.head)
        self.fcs = nn.ModuleList(nn.Linear(size.head, size.head) for _ in range(size.head_layers - 1))
        self.fc_out = nn.Linear(size.head, 1)

    def read_out(self, crystals: Tensor) -> Tensor:
        """Map crystal vectors of shape (B, inputs) to scaled predictions, shape (B,)."""
        crystals = functional.softplus(crystals) if self.norm is None else self.norm(crystals)
        if self.training and self.dropout:
            crystals = leave_out(crystals, self.dropout)
        hidden = functional.softplus(self.conv_to_fc(crystals))
        for layer in self.fcs:
            hidden = functional.softplus(layer(hidden))
        output: Tensor = self.fc_out(hidden)
        return output.squeeze(1)


class Body(nn.Module):
    """The layers before pooling: a crystal graph → one vector.

    Parameters
    ----------
    architecture : Architecture
    atom_table : tensor of shape (elements, atom_features)
        Row z holds the features of atomic number z. It is a buffer, never trained.
    keep_table : bool
        Whether the table is saved with the weights.
    """

    atom_table: Tensor
    centers: Tensor

    def __init__(self, architecture: Architecture, atom_table: Tensor, *, keep_table: bool = True) -> None:
        nn.Module.__init__(self)  # not that of the head, which is a parent of a network as well
        size = architecture
        self.architecture = size
        table = atom_table.to(torch.get_default_dtype(), copy=True)  # weight averaging writes into buffers
        self.register_buffer("atom_table", table, persistent=keep_table)
        centers = torch.linspace(0.0, size.gaussian_end, size.gaussians)
        self.register_buffer("centers", centers, persistent=False)
        self.embedding = nn.Linear(size.atom_features, size.width)
        self.convs = nn.ModuleList(Convolution(size.width, size.gaussians) for _ in range(size.convolutions))

    def embed(self, batch: GraphBatch, pooling: Pooling | None = None) -> Tensor:
        """Return the pooled crystal vectors, of the architecture's pooling or of the one that is asked for.

        Returns
        -------
        tensor of shape (B, width), or (B, width × (convolutions + 1)) for all layers, the embedding's output first
        """
        bonds = Bonds(batch, self.architecture, self.centers)
        atoms = functional.embedding(batch.numbers, self.embedding(self.atom_table))
        everything = (pooling or self.architecture.pooling) == "all"
        convolutions = cast("list[Convolution]", list(self.convs))
        if stacked.possible(atoms, convolutions):
            pooled = stacked.convolve(atoms, bonds, convolutions)
            return pooled if everything else pooled[:, -self.architecture.width :]
        layers = [atoms]
        for convolution in convolutions:
            layers.append(convolution(layers[-1], bonds))
        return mean_atoms(batch, torch.cat(layers, dim=1) if everything else layers[-1])


class CGCNN(Body, Head):
    """Crystal graph → one scaled number, or several.

    The network is its own first head, so that its parameters have the authors' names; further targets have theirs in
    ``others``. Frozen bodies of other networks may stand beside it (``experts``), with a head of their own
    (``reader``): a mixture of experts in the sense of Chang, Wang & Ertekin, npj Comput. Mater. 8, 242 (2022), but one
    that reads all experts at once instead of weighing them.

    Parameters
    ----------
    architecture : Architecture
    atom_table : tensor of shape (elements, atom_features)
        Row z holds the features of atomic number z. It is a buffer: saved with the weights, never trained.
    """

    def __init__(self, architecture: Architecture, atom_table: Tensor) -> None:
        Body.__init__(self, architecture, atom_table)
        # The layers of the head come last: random weights are drawn in this order.
        size, everything = architecture, architecture.pooling == "all"
        self._add_layers(size, size.pooled, normalize=everything)
        self.others = nn.ModuleList(Head(size, size.pooled, normalize=everything) for _ in range(size.targets - 1))
        self._frozen: list[nn.Module] = []
        self.experts = nn.ModuleList(Body(size, atom_table, keep_table=False) for _ in range(size.experts))
        if size.experts:
            read = size.experts * size.pooled_by("all")
            self.reader = Head(size, read, normalize=True, dropout=DROPOUT)
            self.freeze("experts")

    def freeze(self, *names: str) -> None:
        """Stop training parts of the network, their batch-norm statistics included.

        Parameters
        ----------
        *names : str
            Names of submodules, for example ``"embedding"``, ``"convs"`` or ``"convs.0"``.
        """
        for name in names:
            module = self.get_submodule(name)
            module.requires_grad_(False)
            self._frozen.append(module)
        self.train(self.training)

    def freeze_statistics(self) -> None:
        """Keep the batch-norm statistics of the convolutions, and normalise with them in training too."""
        self._frozen += [module for module in self.convs.modules() if isinstance(module, nn.BatchNorm1d)]
        self.train(self.training)

    def train(self, mode: bool = True) -> CGCNN:
        """Set training mode; what is frozen stays in evaluation mode, or its statistics would drift."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def expert_vectors(self, batch: GraphBatch) -> Tensor:
        """Return what the experts make of each crystal, all layers of all of them side by side."""
        with torch.no_grad():
            return torch.cat([cast("Body", expert).embed(batch, "all") for expert in self.experts], dim=1)

    def opinions(self, batch: GraphBatch) -> Tensor:
        """Return the scaled predictions that the final one is the mean of, shape (opinions, B, targets).

        One opinion, or that of the network and that of its experts' reader; in training each learns by itself.
        """
        crystals = self.embed(batch)
        own = torch.stack([head.read_out(crystals) for head in (self, *self.others)], dim=1)
        if not self.architecture.experts:
            return own.unsqueeze(0)
        vectors = self.expert_vectors(batch) if batch.vectors is None else batch.vectors
        return torch.stack([own, self.reader.read_out(vectors).unsqueeze(1)])

    def all_targets(self, batch: GraphBatch) -> Tensor:
        """Return the scaled predictions of all targets, shape (B, targets)."""
        return self.opinions(batch).mean(dim=0)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the scaled predictions of the first target, shape (B,)."""
        return self.all_targets(batch)[:, 0]

    def single(self, target: int) -> CGCNN:
        """Return a copy of the network that predicts one of its targets alone."""
        network = CGCNN(replace(self.architecture, targets=1), self.atom_table)
        network.load_state_dict(of_target(self.state_dict(), target))
        return network.train(self.training)
