"""CGCNN: a body, a head for each target, and optionally frozen experts with a reader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.data.graphs.batch import GraphBatch
from zoo.models.body import Body
from zoo.models.heads import Head

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.architecture import Architecture, Pooling

DROPOUT = 0.3
"""Dropout of the experts' vectors in training (docs/benchmarks/defaults.md)."""


class CGCNN(nn.Module):
    """Network that maps crystal graphs to one or more scaled properties.

    Frozen bodies of other networks (``experts``) with a separate head (``reader``) may be added: a mixture of experts
    in the sense of Chang, Wang & Ertekin, npj Comput. Mater. 8, 242 (2022), except that the vectors of all experts are
    concatenated instead of weighted.

    All methods accept a batched DGLGraph in place of a batch; see :meth:`zoo.data.graphs.batch.GraphBatch.of`.

    Parameters
    ----------
    architecture : Architecture
    atom_table : tensor of shape (elements, atom_features)
        Row z holds the features of atomic number z. It is a buffer: saved with the weights, never trained.

    Attributes
    ----------
    body : Body
    heads : ModuleList of Head
        One per target.
    experts : ModuleList of Body
    reader : Head
        Head on the experts' vectors; only if there are experts.
    """

    def __init__(self, architecture: Architecture, atom_table: Tensor) -> None:
        super().__init__()
        size, everything = architecture, architecture.pooling == "all"
        self.architecture = size
        # The order determines the random weights.
        self.body = Body(size, atom_table)
        self.heads = nn.ModuleList(Head(size, size.pooled, normalize=everything) for _ in range(size.targets))
        self.experts = nn.ModuleList(Body(size, atom_table, keep_table=False) for _ in range(size.experts))
        self._frozen: list[nn.Module] = []
        if size.experts:
            read = size.experts * size.pooled_by("all")
            # One for all targets: a hidden layer that several properties share is learned from all of their values.
            every = replace(size, outputs=size.targets * size.outputs)
            self.reader = Head(every, read, normalize=True, dropout=DROPOUT)
            self.freeze("experts")

    @property
    def atom_table(self) -> Tensor:
        """Features of the elements, shape (elements, atom_features)."""
        return self.body.atom_table

    @property
    def embedding(self) -> nn.Linear:
        """Linear map from the features of an element to those of a node."""
        return self.body.embedding

    @property
    def convs(self) -> nn.ModuleList:
        """The convolutions."""
        return self.body.convs

    def freeze(self, *names: str) -> None:
        """Freeze parts of the network, including their batch-norm statistics.

        Parameters
        ----------
        *names : str
            Names of submodules, for example ``"body"``, ``"embedding"`` or ``"convs.0"``.
        """
        for name in names:
            module = self.get_submodule(name)
            module.requires_grad_(False)
            self._frozen.append(module)
        self.train(self.training)

    def freeze_statistics(self) -> None:
        """Freeze the batch-norm statistics of the convolutions, so that training also normalises with them."""
        self._frozen += [module for module in self.convs.modules() if isinstance(module, nn.BatchNorm1d)]
        self.train(self.training)

    def train(self, mode: bool = True) -> CGCNN:
        """Set training mode; frozen parts stay in evaluation mode so that their statistics do not drift."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def embed(self, batch: GraphBatch | Any, pooling: Pooling | None = None) -> Tensor:
        """Return the pooled crystal vectors; see :meth:`zoo.models.body.Body.forward`."""
        vectors: Tensor = self.body(batch, pooling)
        return vectors

    def expert_vectors(self, batch: GraphBatch | Any) -> Tensor:
        """Return the concatenated vectors of all layers of all experts for each crystal; shape (B, D)."""
        with torch.no_grad():
            return torch.cat([expert(batch, "all") for expert in self.experts], dim=1)

    def opinions(self, batch: GraphBatch | Any) -> Tensor:
        """Return the scaled predictions whose mean is the final one, shape (opinions, B, targets × outputs).

        They are those of the network and, with experts, of the reader; in training each has a separate loss.
        """
        batch = GraphBatch.of(batch)
        crystals = self.embed(batch)
        own = torch.cat([head(crystals).reshape(len(crystals), -1) for head in self.heads], dim=1)
        if not self.architecture.experts:
            return own.unsqueeze(0)
        vectors = self.expert_vectors(batch) if batch.vectors is None else batch.vectors
        return torch.stack([own, self.reader(vectors).reshape(own.shape)])

    def all_targets(self, batch: GraphBatch | Any) -> Tensor:
        """Return the scaled predictions of all targets, shape (B, targets), or the logits of classes, (B, outputs)."""
        return self.opinions(batch).mean(dim=0)

    def forward(self, batch: GraphBatch | Any) -> Tensor:
        """Return the scaled predictions of the first target, shape (B,), or the logits of its classes, (B, outputs)."""
        found = self.all_targets(batch)
        return found if self.architecture.outputs > 1 else found[:, 0]

    def single(self, target: int) -> CGCNN:
        """Return a copy of the network that predicts only one of its targets."""
        network = CGCNN(replace(self.architecture, targets=1), self.atom_table)
        for copy, module in ((network.body, self.body), (network.heads[0], self.heads[target])):
            copy.load_state_dict(module.state_dict())
        if self.architecture.experts:
            network.experts.load_state_dict(self.experts.state_dict())
            first, outputs = target * self.architecture.outputs, self.architecture.outputs
            network.reader.load_state_dict(
                {
                    name: tensor[first : first + outputs] if name.startswith("fc_out.") else tensor
                    for name, tensor in self.reader.state_dict().items()
                }
            )
        return network.train(self.training)
