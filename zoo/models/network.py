"""A network as zoo trains it: a body, a head for each target, and optionally frozen experts with a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.data.graphs.batch import GraphBatch
from zoo.errors import PluginError, ZooError
from zoo.models.heads import Head
from zoo.models.outline import ATOM_TABLE, expert_sizes, outline
from zoo.registry.plugin_files import one_line_with_place

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.architecture import Architecture, BodyArchitecture

DROPOUT = 0.3
"""Dropout of the experts' vectors in training (docs/benchmarks/defaults.md)."""


def build_body(architecture: BodyArchitecture, atom_table: Tensor | None = None) -> Any:
    """Return a body with random weights; one that reads features of the elements gets the given table, if any."""
    body = architecture.plugin.build(architecture.settings)
    if atom_table is not None and hasattr(body, ATOM_TABLE):
        # A copy, because weight averaging writes into buffers.
        body.register_buffer(ATOM_TABLE, atom_table.to(torch.get_default_dtype(), copy=True))
    return body


def vectors_of(architecture: BodyArchitecture, body: Any, batch: GraphBatch) -> Tensor:
    """Return the vectors of the crystals of a batch from a body.

    Raises
    ------
    PluginError
        If the code of another package raises anything but an error of zoo's, or runs out of memory.
    """
    try:
        vectors: Tensor = body.embed(batch)
    except Exception as error:
        if not architecture.package or isinstance(error, ZooError | MemoryError | torch.cuda.OutOfMemoryError):
            raise
        raise PluginError(f"network {architecture.network!r} raises {one_line_with_place(error)}") from error
    return vectors


class CrystalNetwork(nn.Module):
    """Network that maps crystal graphs to one or more scaled properties.

    Frozen bodies of other networks (``experts``) with a separate head (``reader``) may be added: a mixture of experts
    in the sense of Chang, Wang & Ertekin, npj Comput. Mater. 8, 242 (2022), except that the vectors of all experts are
    concatenated instead of weighted.

    All methods accept a batched DGLGraph in place of a batch; see :meth:`zoo.data.graphs.batch.GraphBatch.of`.

    Parameters
    ----------
    architecture : Architecture
    atom_table : tensor of shape (elements, atom_features), optional
        Row z holds the features of atomic number z; by default zoo's. It is a buffer of bodies that read it: saved with
        the weights, never trained.

    Attributes
    ----------
    body : Module
        What the registered network builds; see :class:`zoo.registry.networks.Network`.
    heads : ModuleList of Head
        One per target.
    experts : ModuleList of Module
    reader : Head
        Head on the experts' vectors; only if there are experts.
    """

    def __init__(self, architecture: Architecture, atom_table: Tensor | None = None) -> None:
        super().__init__()
        size = self.architecture = architecture
        normalize = size.plugin.normalized(size.settings)
        vector_size = outline(size.body).vector_size
        # The order determines the random weights.
        self.body: Any = build_body(size, atom_table)
        self.heads = nn.ModuleList(Head(size, vector_size, normalize=normalize) for _ in range(size.targets))
        self.experts = nn.ModuleList(build_body(each, atom_table) for each in size.expert_bodies)
        for expert in self.experts:
            if isinstance(table := getattr(expert, ATOM_TABLE, None), torch.Tensor):  # stored once, with the body
                expert.register_buffer(ATOM_TABLE, table, persistent=False)
        self._frozen: list[nn.Module] = []
        if size.expert_bodies:
            # One for all targets: a hidden layer that several properties share is learned from all of their values.
            every = size.model_copy(update={"outputs": size.targets * size.outputs})
            self.reader = Head(every, sum(expert_sizes(size)), normalize=True, dropout=DROPOUT)
            self.freeze("experts")

    @property
    def atom_table(self) -> Tensor | None:
        """Features of the elements, shape (elements, atom_features), if a body reads them."""
        tables = (getattr(body, ATOM_TABLE, None) for body in (self.body, *self.experts))
        return next((table for table in tables if table is not None), None)

    def freeze(self, *names: str) -> None:
        """Freeze parts of the network, including their batch-norm statistics.

        Parameters
        ----------
        *names : str
            Names of submodules, for example ``"body"`` or ``"experts"``.
        """
        for name in names:
            module = self.get_submodule(name)
            module.requires_grad_(False)
            self._frozen.append(module)
        self.train(self.training)

    def freeze_statistics(self) -> None:
        """Freeze the batch-norm statistics of the body, so that training also normalises with them."""
        self._frozen += [module for module in self.body.modules() if isinstance(module, nn.BatchNorm1d)]
        self.train(self.training)

    def train(self, mode: bool = True) -> CrystalNetwork:
        """Set training mode; frozen parts stay in evaluation mode so that their statistics do not drift."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def embed(self, batch: GraphBatch | Any) -> Tensor:
        """Return the vectors of the crystals that the heads read; shape (B, d)."""
        return vectors_of(self.architecture, self.body, GraphBatch.of(batch))

    def body_as(self, architecture: BodyArchitecture) -> Any:
        """Return a body for prediction with this network's tensors and other settings, such as another pooling."""
        if architecture.settings == self.architecture.settings:
            return self.body
        with torch.random.fork_rng(devices=[]):
            body = build_body(architecture)
        body.load_state_dict(self.body.state_dict(), assign=True)
        return body.train(self.body.training).to(next(self.parameters()).device)

    def expert_vectors(self, batch: GraphBatch | Any) -> Tensor:
        """Return the concatenated vectors of all experts for each crystal; shape (B, D)."""
        batch = GraphBatch.of(batch)
        with torch.no_grad():
            pairs = zip(self.architecture.expert_bodies, self.experts, strict=True)
            return torch.cat([vectors_of(size, expert, batch) for size, expert in pairs], dim=1)

    def opinions(self, batch: GraphBatch | Any) -> Tensor:
        """Return the scaled predictions whose mean is the final one, shape (opinions, B, targets × outputs).

        They are those of the network and, with experts, of the reader; in training each has a separate loss.
        """
        batch = GraphBatch.of(batch)
        crystals = self.embed(batch)
        own = torch.cat([head(crystals).reshape(len(crystals), -1) for head in self.heads], dim=1)
        if not self.experts:
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

    def single(self, target: int) -> CrystalNetwork:
        """Return a copy of the network that predicts only one of its targets."""
        network = CrystalNetwork(self.architecture.changed(targets=1), self.atom_table)
        for copy, module in ((network.body, self.body), (network.heads[0], self.heads[target])):
            copy.load_state_dict(module.state_dict())
        if self.experts:
            network.experts.load_state_dict(self.experts.state_dict())
            first, outputs = target * self.architecture.outputs, self.architecture.outputs
            network.reader.load_state_dict(
                {
                    name: tensor[first : first + outputs] if name.startswith("fc_out.") else tensor
                    for name, tensor in self.reader.state_dict().items()
                }
            )
        return network.train(self.training)
