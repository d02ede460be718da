"""The torch module of SchNet, in DGL."""

import torch
from torch import nn
from torch.nn import functional

import zoo


def shifted_softplus(x):
    """Return ln(0.5 eˣ + 0.5)."""
    return functional.softplus(x) - 0.6931472


class Interaction(nn.Module):
    """x_i ← x_i + V ssp(Σ_j count_ij W(d_ij) ∘ U x_j), with a filter W that is a small network of the distance."""

    def __init__(self, features, gaussians):
        super().__init__()
        self.before = nn.Linear(features, features, bias=False)
        self.filter1, self.filter2 = nn.Linear(gaussians, features), nn.Linear(features, features)
        self.after1, self.after2 = nn.Linear(features, features), nn.Linear(features, features)

    def forward(self, graph, atoms, gaussians):
        """Return the updated atoms, shape (M, features)."""
        fn = zoo.dgl().function
        with graph.local_scope():
            graph.ndata["x"] = self.before(atoms)
            filters = self.filter2(shifted_softplus(self.filter1(gaussians)))
            graph.edata["w"] = filters * graph.edata["count"]  # an edge may stand for several equal neighbours
            graph.update_all(fn.u_mul_e("x", "w", "m"), fn.sum("m", "sum"))
            return atoms + self.after2(shifted_softplus(self.after1(graph.ndata["sum"])))


class SchNet(nn.Module):
    """Maps a batch of crystal graphs to one vector per crystal."""

    def __init__(self, settings):
        super().__init__()
        self.vector_size = settings.features
        self.embedding = nn.Embedding(119, settings.features)
        centers = torch.linspace(0, settings.cutoff, settings.gaussians)
        self.register_buffer("centers", centers, persistent=False)
        self.width = settings.cutoff / (settings.gaussians - 1)
        self.interactions = nn.ModuleList(
            Interaction(settings.features, settings.gaussians) for _ in range(settings.interactions)
        )
        # From the input to the output: the mode layerwise trains the first parts more slowly.
        self.depths = (("embedding",), *((f"interactions.{i}",) for i in range(settings.interactions)))

    def embed(self, batch):
        """Return the mean over the atoms of each cell, shape (B, features)."""
        graph = batch.graph
        gaussians = torch.exp(-0.5 * ((graph.edata["distance"][:, None] - self.centers) / self.width) ** 2)
        atoms = self.embedding(graph.ndata["number"])
        for interaction in self.interactions:
            atoms = interaction(graph, atoms, gaussians)
        return batch.mean(atoms)  # weighted: an atom may stand for several equal ones of the cell
