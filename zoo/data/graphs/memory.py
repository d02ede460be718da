"""What was computed from crystals in this process, kept in memory by their content.

Cross-validation fits the same crystals again and again. Their graphs and feature vectors are computed once, whichever
objects hold the crystals: the key is the digest of the arrays. The least recently used values are dropped first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.data.graphs.neighbors import CrystalGraph, build_graphs
from zoo.errors import InputError
from zoo.registry import plugin_versions, plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from zoo.data.crystal import Crystal
    from zoo.data.graphs.neighbors import GraphSettings

T = TypeVar("T")

MAX_BYTES = 256_000_000
"""Size of all values kept: those of about 20,000 crystals with all their feature vectors."""

_OVERHEAD = 400
"""Approximate size in bytes of a key and its entry."""


class CrystalMemory:
    """Values computed from crystals, by kind and content.

    Parameters
    ----------
    max_bytes : int
        Size of the values kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._values: OrderedDict[tuple[Hashable, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def recall(
        self, kind: Hashable, crystals: Sequence[Crystal], compute: Callable[[list[int]], Sequence[T]]
    ) -> list[T]:
        """Return a value for each crystal, and compute those that are not kept.

        Parameters
        ----------
        kind : hashable
            Everything that the values depend on besides the crystal.
        crystals : sequence of Crystal
        compute : callable
            Takes the positions of crystals; returns their values, each an array, a graph, or an error, which is not
            kept. A value must not depend on the other crystals.
        """
        keys = [(kind, crystal.digest) for crystal in crystals]
        with self._lock:
            known = {key: self._values[key] for key in keys if key in self._values}
            for key in known:
                self._values.move_to_end(key)
        missing: dict[tuple[Hashable, str], int] = {}
        for position, key in enumerate(keys):
            if key not in known:
                missing.setdefault(key, position)
        if missing:
            computed = dict(zip(missing, compute(list(missing.values())), strict=True))
            self._keep({key: value for key, value in computed.items() if not isinstance(value, Exception)})
            known |= computed
        return [known[key] for key in keys]

    def _keep(self, values: dict[tuple[Hashable, str], Any]) -> None:
        with self._lock:
            for key, value in values.items():
                if key not in self._values:
                    self._values[key] = value
                    self.nbytes += value.nbytes + _OVERHEAD
            while self.nbytes > self.max_bytes:
                _, dropped = self._values.popitem(last=False)
                self.nbytes -= dropped.nbytes + _OVERHEAD

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self.nbytes = 0


memory = CrystalMemory()
"""The memory of this process."""


def recalled_graphs(
    crystals: Sequence[Crystal], settings: GraphSettings, kept: CrystalMemory = memory
) -> list[CrystalGraph | InputError]:
    """Return the graphs of crystals, in order; a crystal without a graph has an error instead."""

    def build(missing: list[int]) -> list[CrystalGraph | InputError]:
        built = build_graphs((crystals[position] for position in missing), settings)
        # Copies, because the graphs of a chunk share their arrays.
        return [graph if isinstance(graph, InputError) else graph.copy() for graph in built]

    return kept.recall(settings, crystals, build)


def vectors_kind(featurizer: str) -> Hashable:
    """Return the kind of a registered featurizer's vectors, which changes with its code."""
    return "featurizer", plugin_versions.identity("featurizer", featurizer), type(plugins.featurizer(featurizer))
