"""CGCNN as one writes it first with DGL: concatenate both ends and the distance on every edge, one linear map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from protocol import BATCH, CONVOLUTIONS, HEAD, WIDTH, Work, predicting, rows, serve, training
from torch import nn
from torch.nn import functional

from zoo.data.crystal import Crystal
from zoo.data.graphs.dgl_import import dgl
from zoo.data.graphs.neighbors import build_graph

GAUSSIANS = 41


class Convolution(nn.Module):
    """One convolution, with everything concatenated on every edge."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * WIDTH + GAUSSIANS, 2 * WIDTH)
        self.norm_edges, self.norm_atoms = nn.BatchNorm1d(2 * WIDTH), nn.BatchNorm1d(WIDTH)

    def forward(self, graph: Any, atoms: torch.Tensor) -> torch.Tensor:
        """Update the atoms."""

        def message(edges: Any) -> dict[str, torch.Tensor]:
            joined = torch.cat([edges.dst["v"], edges.src["v"], edges.data["u"]], dim=1)
            gate, core = self.norm_edges(self.linear(joined)).chunk(2, dim=1)
            return {"m": torch.sigmoid(gate) * functional.softplus(core)}

        with graph.local_scope():
            graph.ndata["v"] = atoms
            graph.update_all(message, dgl().function.sum("m", "s"))
            return functional.softplus(atoms + self.norm_atoms(graph.ndata["s"]))


class Network(nn.Module):
    """Embedding, convolutions, mean, head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(92, WIDTH)
        self.convs = nn.ModuleList(Convolution() for _ in range(CONVOLUTIONS))
        self.hidden, self.out = nn.Linear(WIDTH, HEAD), nn.Linear(HEAD, 1)

    def forward(self, graph: Any) -> torch.Tensor:
        """Return the predictions."""
        atoms = self.embedding(graph.ndata["z"])
        for conv in self.convs:
            atoms = conv(graph, atoms)
        with graph.local_scope():
            graph.ndata["v"] = atoms
            pooled = dgl().mean_nodes(graph, "v")
        return self.out(functional.softplus(self.hidden(functional.softplus(pooled))))[:, 0]


def batch(data: Path) -> Any:
    """Return the crystals as one batched graph."""
    made = []
    for row in rows(data)[:BATCH]:
        graph = build_graph(Crystal(np.array(row["numbers"]), np.array(row["lattice"]), np.array(row["frac"])))
        n, k = graph.neighbors.shape
        ends = torch.from_numpy(graph.neighbors.astype(np.int64)).flatten(), torch.arange(n).repeat_interleave(k)
        each = dgl().graph(ends, num_nodes=n)
        distance = torch.from_numpy(graph.distances).flatten()
        each.edata["u"] = torch.exp(-(((distance[:, None] - torch.linspace(0, 8, GAUSSIANS)) / 0.2) ** 2))
        each.ndata["z"] = functional.one_hot(torch.from_numpy(graph.numbers.astype(np.int64)) % 92, 92).float()
        made.append(each)
    return dgl().batch(made)


def step(data: Path) -> Work:
    """One training step, on a batch that is at hand."""
    graph, model = batch(data), Network()
    target = torch.randn(graph.batch_size)
    return training(model, lambda: functional.l1_loss(model(graph), target))


def inference(data: Path) -> Work:
    """One batch of predictions, on a batch that is at hand."""
    graph, model = batch(data), Network()
    return predicting(model, lambda: model(graph))


if __name__ == "__main__":
    serve({"step": step, "inference": inference}, ("dgl", "torch"))
