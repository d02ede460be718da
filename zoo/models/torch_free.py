"""Prediction on a CPU without torch, from the arrays of a checkpoint; requires the fast paths of its networks.

The result is that of :class:`zoo.models.network.CrystalNetwork`, which is used elsewhere (tests/equivalence).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.models.architecture import EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.models.architecture import Architecture, BodyArchitecture

    Array = NDArray[np.float32]
    Tensors = Mapping[str, NDArray[np.float32]]

HEAD_BATCH = 1024
"""Crystals per pass through a head, so that their vectors stay in a core's cache."""

_quiet = np.errstate(all="ignore")
"""As in torch, NaN propagates to the prediction."""


def possible(architecture: Architecture) -> bool:
    """Return whether all networks of an architecture have a fast path that can be used here."""
    paths = [each.plugin.fast for each in (architecture, *architecture.expert_bodies)]
    return all(path is not None and path.possible() for path in paths)


class _Head:
    """The fully connected layers after pooling; see :class:`zoo.models.heads.Head`."""

    def __init__(self, size: Architecture, tensors: Tensors, prefix: str = "") -> None:
        self.norm: tuple[Array, Array] | None = None
        if f"{prefix}norm.running_mean" in tensors:
            scale = 1 / np.sqrt(tensors[f"{prefix}norm.running_var"] + np.float32(EPSILON))
            self.norm = scale, -tensors[f"{prefix}norm.running_mean"] * scale
        names = ["conv_to_fc", *(f"fcs.{layer}" for layer in range(size.head_layers - 1)), "fc_out"]
        self.layers = [(tensors[f"{prefix}{name}.weight"].T, tensors[f"{prefix}{name}.bias"]) for name in names]

    def __call__(self, vectors: Array) -> Array:
        """Return a scaled number for each vector, shape (n,), or the logits of classes, (n, outputs)."""
        starts = range(0, max(1, len(vectors)), HEAD_BATCH)
        return np.concatenate([self._read(vectors[start : start + HEAD_BATCH]) for start in starts])

    def _read(self, vectors: Array) -> Array:
        hidden: Array = _softplus(vectors) if self.norm is None else vectors * self.norm[0] + self.norm[1]
        for weight, bias in self.layers[:-1]:
            hidden = _softplus(hidden @ weight + bias)
        weight, bias = self.layers[-1]
        output: Array = hidden @ weight + bias
        return output[:, 0] if output.shape[1] == 1 else output


@dataclass(frozen=True, eq=False)
class Predictor:
    """Prediction with a network of one target.

    Parameters
    ----------
    architecture : Architecture
    atom_table : array of shape (elements, atom_features), uint8, or None
    tensors : mapping of name to array
        Weights and statistics, by their names in a checkpoint; see :mod:`zoo.models.checkpoint.tensors`.
    """

    architecture: Architecture
    atom_table: NDArray[np.uint8] | None
    tensors: Tensors
    _bodies: dict[tuple[BodyArchitecture, str], Body] = field(default_factory=dict, init=False)

    def body(self, size: BodyArchitecture | None = None) -> Body:
        """Return the network's body, or another with the same tensors."""
        size = size or self.architecture.body
        return self._body(size, size.plugin.tensor_prefix)

    def experts(self) -> list[Body]:
        """Return the bodies of the frozen experts."""
        return [self._body(size, f"experts.{place}.") for place, size in enumerate(self.architecture.expert_bodies)]

    def _body(self, size: BodyArchitecture, prefix: str) -> Body:
        if (size, prefix) not in self._bodies:
            own = {
                name.removeprefix(prefix): tensor for name, tensor in self.tensors.items() if name.startswith(prefix)
            }
            assert size.plugin.fast is not None
            self._bodies[size, prefix] = Body(size, size.plugin.fast.body(size.settings, self.atom_table, own))
        return self._bodies[size, prefix]

    @cached_property
    def _heads(self) -> tuple[_Head, _Head | None]:
        reader = _Head(self.architecture, self.tensors, "reader.") if self.architecture.experts else None
        return _Head(self.architecture, self.tensors), reader

    def expert_vectors(self, graphs: PackedGraphs) -> Array | None:
        """Return the frozen experts' vectors of the graphs, shape (n, d); None if there are no experts."""
        return side_by_side(embed_all(self.experts(), graphs))

    def embed(self, graphs: PackedGraphs, body: BodyArchitecture | None = None) -> Array:
        """Return the vectors of crystals, shape (n, d); those of another `body` with the same tensors, if given."""
        return embed_all([self.body(body)], graphs)[0]

    def predict_scaled(self, graphs: PackedGraphs, vectors: Array | None = None) -> Array:
        """Return the outputs in the network's scaled space, (n,), or of classes (n, outputs).

        `vectors` are those of the experts, if they are already known.
        """
        return self.read(self.embed(graphs), self.expert_vectors(graphs) if vectors is None else vectors)

    @_quiet
    def read(self, own: Array, experts: Array | None) -> Array:
        """Return the outputs for crystals of which the vectors are known, those of the body and of the experts."""
        head, reader = self._heads
        if reader is None:
            return head(own)
        assert experts is not None
        return (head(own) + reader(experts)) * np.float32(0.5)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What the networks of a checkpoint give for n crystals.

    Parameters
    ----------
    outputs : list of array
        Of each network that was asked for, in its scaled space.
    experts : array of shape (n, D) or None
        Vectors of the frozen experts.
    embedded : array of shape (n, d) or None
        Vectors of the first network, from the body that was asked for.
    """

    outputs: list[NDArray[Any]]
    experts: Array | None
    embedded: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks of one architecture with the same frozen experts.

    Parameters
    ----------
    predictors : sequence of Predictor
    """

    predictors: Sequence[Predictor]

    def embed(self, graphs: PackedGraphs, body: BodyArchitecture) -> Array:
        """Return the vectors of crystals from the first network, shape (n, d)."""
        return self.predictors[0].embed(graphs, body)

    def evaluate(self, graphs: PackedGraphs, chosen: Sequence[int], body: BodyArchitecture | None) -> Evaluated:
        """Evaluate some of the networks, all bodies together.

        Parameters
        ----------
        graphs : PackedGraphs
        chosen : sequence of int
            Positions of the networks whose outputs are needed.
        body : BodyArchitecture or None
            Body of the first network whose vectors are needed too.
        """
        networks = [self.predictors[place] for place in chosen]
        own, experts = [each.body() for each in networks], self.predictors[0].experts()
        beside = [self.predictors[0].body(body)] if body else []
        found = embed_all([*own, *experts, *beside], graphs)
        of_experts = side_by_side(found[len(own) : len(own) + len(experts)])
        outputs = [each.read(vectors, of_experts) for each, vectors in zip(networks, found, strict=False)]
        return Evaluated(outputs, of_experts, found[-1] if beside else None)


@dataclass(frozen=True, eq=False)
class Body:
    """A body with its weights, in the form of the network's fast path; see :class:`zoo.registry.networks.FastPath`."""

    size: BodyArchitecture
    arrays: Any


@_quiet
def embed_all(bodies: Sequence[Body], graphs: PackedGraphs) -> list[Array]:
    """Return the vectors of crystals from each of several bodies, shape (n, d).

    Bodies of one kind of network are computed together, and one that is given twice is computed once.
    """
    kinds: dict[str, dict[int, Body]] = {}
    for each in bodies:
        kinds.setdefault(each.size.network, {})[id(each)] = each
    found: dict[int, Array] = {}
    for kind in kinds.values():
        same = list(kind.values())
        fast = same[0].size.plugin.fast
        assert fast is not None
        vectors = fast.embed([each.arrays for each in same], graphs)
        ends = np.cumsum([fast.vector_size(each.size.settings) for each in same])
        found.update(zip(kind, np.split(vectors, ends[:-1], axis=1), strict=True))
    return [found[id(each)] for each in bodies]


def side_by_side(vectors: Sequence[Array]) -> Array | None:
    """Return the vectors of several experts as one array, shape (n, D); None if there are no experts."""
    return np.concatenate(vectors, axis=1) if vectors else None


def _softplus(values: Array) -> Array:
    """Return log(1 + e^x) without overflow."""
    small = np.abs(values)
    np.negative(small, out=small)
    np.exp(small, out=small)
    small += 1
    np.log(small, out=small)
    small += np.maximum(values, 0)
    return small
