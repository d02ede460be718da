"""Message passing where DGL has no kernels, on torch's index operations.

The DGL wheels of the package registry support only CPUs, and only single and double precision. On other devices, and
where there is no DGL for this Python, :class:`IndexedGraph` takes the place of ``DGLGraph``.
"""

from __future__ import annotations

import operator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zoo.data.graphs.dgl_import import Substitute, dgl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch

_OPERATIONS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}
_REDUCTIONS = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin"}


@lru_cache
def in_dgl(device: str) -> bool:
    """Return whether the installed DGL supports a type of device."""
    module = dgl()
    if isinstance(module, Substitute) or device == "cpu":
        return not isinstance(module, Substitute)
    try:
        module.graph(([0], [0])).to(device)
    except (module.DGLError, KeyError, AssertionError, RuntimeError):  # it depends on the builds of DGL and torch
        return False
    return True


class IndexedGraph:
    """A batched graph with the part of DGLGraph's interface that networks need most.

    Data of nodes and edges, ``local_scope``, and ``apply_edges`` and ``update_all`` with DGL's own message functions
    (``copy_u``, ``copy_e``, and sums, differences, products and quotients such as ``u_mul_e``) and reductions (``sum``,
    ``mean``, ``max``, ``min``).

    Parameters
    ----------
    batch : GraphBatch
    """

    def __init__(self, batch: GraphBatch) -> None:
        self._batch = batch
        self.ndata: dict[str, Tensor] = {"number": batch.numbers, "copies": batch.copies}
        self.edata: dict[str, Tensor] = {"distance": batch.distances, "count": batch.counts}

    @contextmanager
    def local_scope(self) -> Iterator[None]:
        """Discard the data set inside the block."""
        nodes, edges = self.ndata, self.edata
        self.ndata, self.edata = {**nodes}, {**edges}
        try:
            yield
        finally:
            self.ndata, self.edata = nodes, edges

    def batch_num_nodes(self) -> Tensor:
        """Return the number of nodes of each crystal, shape (B,)."""
        return self._batch.sizes

    def edges(self) -> tuple[Tensor, Tensor]:
        """Return the nodes at both ends of each edge: the neighbours and the centres, each of shape (R,)."""
        return self._batch.neighbors, self._batch.centers

    def apply_edges(self, message: Any) -> None:
        """Compute data of edges with one of DGL's message functions."""
        self.edata[message.out_field] = self._messages(message)

    def update_all(self, message: Any, reduce: Any) -> None:
        """Compute messages and reduce them at the centres."""
        values = self._messages(message)
        shape = (len(self._batch.numbers), *values.shape[1:])
        index = self._batch.centers.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
        total = values.new_zeros(shape)
        self.ndata[reduce.out_field] = total.scatter_reduce(
            0, index, values, _REDUCTIONS[reduce.name], include_self=False
        )

    def _messages(self, message: Any) -> Tensor:
        if message.name in ("copy_u", "copy_e"):
            return self._at_edges(message.name[-1], message.in_field)
        left, operation, right = message.name.split("_")
        one, other = self._at_edges(left, message.lhs_field), self._at_edges(right, message.rhs_field)
        values: Tensor = _OPERATIONS[operation](one, other)
        return values

    def _at_edges(self, where: str, name: str) -> Tensor:
        if where == "e":
            return self.edata[name]
        return self.ndata[name][self._batch.neighbors if where == "u" else self._batch.centers]
