"""The crystal graph convolutional network.

Xie & Grossman, PRL 120, 145301 (2018), with the edge gate of its equation 5, as used for transfer by Lee &
Asahi, Comput. Mater. Sci. 190, 110314 (2021)::

    z_ij = v_i ⊕ v_j ⊕ u_ij
    v_i ← g(v_i + BN(Σ_j σ(BN(z_ij W_f + b_f)) ⊙ g(BN(z_ij W_s + b_s))))

with g the softplus, σ the sigmoid, u_ij Gaussians of the distance and BN batch normalisation, placed as in the
original authors' code. Parameters have the authors' names and shapes, so their checkpoints load by name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from zoo.models.kernels import add_ends, mean_atoms, sum_edges

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.batches import GraphBatch


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    Parameters
    ----------
    atom_features : int
        Columns of the atom table.
    width : int
        Hidden features per atom.
    convolutions : int
        Number of graph convolutions.
    head : int
        Width of the fully connected layers after pooling.
    head_layers : int
        Number of them.
    gaussians : int
        Number of Gaussians that a distance is expanded in, 0 to `gaussian_end` inclusive.
    gaussian_end : float
        Centre of the last Gaussian in Å; the width of each equals the spacing.
    """

    atom_features: int = 111
    width: int = 64
    convolutions: int = 4
    head: int = 128
    head_layers: int = 1
    gaussians: int = 41
    gaussian_end: float = 8.0

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes as JSON-able numbers."""
        return asdict(self)


class Convolution(nn.Module):
    """One gated graph convolution.

    The linear map acts on z = v_i ⊕ v_j ⊕ u_ij, so it splits: z W = v_i W_1 + v_j W_2 + u_ij W_3. The first two
    products are computed once per atom instead of once per edge, which is 12 times less work for them.
    """

    def __init__(self, width: int, gaussians: int) -> None:
        super().__init__()
        self.width = width
        self.fc_full = nn.Linear(2 * width + gaussians, 2 * width)
        self.bn1 = nn.BatchNorm1d(2 * width)
        self.bn2 = nn.BatchNorm1d(width)

    def forward(self, batch: GraphBatch, atoms: Tensor, bonds: Tensor) -> Tensor:
        """Update atoms of shape (N, width), given bonds of shape (N * k, gaussians)."""
        weight, width = self.fc_full.weight, self.width
        of_center, of_neighbor, of_bond = weight[:, :width], weight[:, width : 2 * width], weight[:, 2 * width :]
        ends = add_ends(batch, functional.linear(atoms, of_center, self.fc_full.bias), atoms @ of_neighbor.T)
        gate, core = self.bn1(torch.addmm(ends, bonds, of_bond.T)).chunk(2, dim=1)
        message = sum_edges(batch, torch.sigmoid(gate) * functional.softplus(core))
        return functional.softplus(atoms + self.bn2(message))


class CGCNN(nn.Module):
    """Crystal graph → one scaled number.

    Parameters
    ----------
    architecture : Architecture
    atom_table : tensor of shape (elements, atom_features)
        Row z holds the features of atomic number z. It is a buffer: saved with the weights, never trained.
    """

    atom_table: Tensor
    centers: Tensor

    def __init__(self, architecture: Architecture, atom_table: Tensor) -> None:
        super().__init__()
        size = architecture
        self.architecture = size
        self.register_buffer("atom_table", atom_table.to(torch.get_default_dtype()))
        self.register_buffer("centers", torch.linspace(0.0, size.gaussian_end, size.gaussians), persistent=False)
        self.embedding = nn.Linear(size.atom_features, size.width)
        self.convs = nn.ModuleList(Convolution(size.width, size.gaussians) for _ in range(size.convolutions))
        self.conv_to_fc = nn.Linear(size.width, size.head)
        self.fcs = nn.ModuleList(nn.Linear(size.head, size.head) for _ in range(size.head_layers - 1))
        self.fc_out = nn.Linear(size.head, 1)
        self._frozen: list[nn.Module] = []

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
        """Keep the batch-norm statistics as they are, and normalise with them in training too."""
        self._frozen += [module for module in self.modules() if isinstance(module, nn.BatchNorm1d)]
        self.train(self.training)

    def train(self, mode: bool = True) -> CGCNN:
        """Set training mode; what is frozen stays in evaluation mode, or its statistics would drift."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return the pooled crystal vectors, shape (B, width)."""
        bonds = self.expand(batch.distances.flatten())
        atoms = functional.embedding(batch.numbers, self.embedding(self.atom_table))
        for convolution in self.convs:
            atoms = convolution(batch, atoms, bonds)
        return mean_atoms(batch, atoms)

    def expand(self, distances: Tensor) -> Tensor:
        """Expand distances of shape (E,) in Å into Gaussians, shape (E, gaussians)."""
        step = self.architecture.gaussian_end / (self.architecture.gaussians - 1)
        return torch.exp(-(((distances.unsqueeze(1) - self.centers) / step) ** 2))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the scaled predictions, shape (B,)."""
        hidden = functional.softplus(self.conv_to_fc(functional.softplus(self.embed(batch))))
        for layer in self.fcs:
            hidden = functional.softplus(layer(hidden))
        output: Tensor = self.fc_out(hidden)
        return output.squeeze(1)
