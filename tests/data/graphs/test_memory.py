"""What is kept of crystals: equal to what is computed, once per content, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.crystal import Crystal
from zoo.data.graphs.memory import CrystalMemory, recalled_graphs
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.errors import InputError
from zoo.testing import crystals

if TYPE_CHECKING:
    from collections.abc import Callable


def sample() -> list[Crystal]:
    return [Crystal.from_structure(each) for each in crystals().values()]


def again(crystal: Crystal) -> Crystal:
    """Another object with the same content."""
    return Crystal(crystal.numbers.copy(), crystal.lattice.copy(), crystal.frac.copy())


@pytest.fixture
def counted() -> tuple[Callable[[list[int]], list[np.ndarray]], list[int]]:
    calls: list[int] = []

    def compute(missing: list[int]) -> list[np.ndarray]:
        calls.extend(missing)
        return [np.full(10, float(position)) for position in missing]

    return compute, calls


def test_equal_crystals_are_computed_once(counted: tuple[Callable[[list[int]], list[np.ndarray]], list[int]]) -> None:
    compute, calls = counted
    given, memory = sample()[:3], CrystalMemory()
    first = memory.recall("kind", [*given, again(given[1])], compute)
    assert calls == [0, 1, 2]
    assert first[1] is first[3]
    assert memory.recall("kind", [again(each) for each in reversed(given)], compute) == [first[2], first[1], first[0]]
    assert len(calls) == 3
    memory.recall("other kind", given, compute)
    assert len(calls) == 6


def test_the_least_recently_used_are_dropped(
    counted: tuple[Callable[[list[int]], list[np.ndarray]], list[int]],
) -> None:
    compute, calls = counted
    given = sample()[:4]
    memory = CrystalMemory(max_bytes=3 * (80 + 400))
    memory.recall("kind", given[:3], compute)
    memory.recall("kind", given[:1], compute)
    memory.recall("kind", [given[3]], compute)
    assert memory.nbytes <= memory.max_bytes
    calls.clear()
    memory.recall("kind", [given[0], given[3]], compute)
    assert calls == []
    memory.recall("kind", given, compute)  # more than fit: all are returned nevertheless
    assert calls == [1]
    memory.clear()
    assert (len(memory), memory.nbytes) == (0, 0)


def test_errors_are_not_kept() -> None:
    memory = CrystalMemory()
    (found,) = memory.recall("kind", sample()[:1], lambda missing: [InputError("no") for _ in missing])
    assert isinstance(found, InputError)
    assert len(memory) == 0


def test_recalled_graphs_are_those_that_are_built() -> None:
    given = sample()
    for settings in (GraphSettings(), GraphSettings(neighbors=6)):
        for _ in range(2):
            for crystal, graph in zip(given, recalled_graphs(given, settings), strict=True):
                built = build_graph(crystal, settings)
                assert not isinstance(graph, InputError)
                np.testing.assert_array_equal(graph.neighbors, built.neighbors)
                np.testing.assert_array_equal(graph.distances, built.distances)


def test_graphs_of_a_process_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.data.graphs import memory as module

    given, settings = sample()[:3], GraphSettings(neighbors=7)
    first = recalled_graphs(given, settings)
    monkeypatch.setattr(module, "build_graphs", lambda *_: pytest.fail("built again"))
    assert all(
        one is two for one, two in zip(first, recalled_graphs([again(each) for each in given], settings), strict=True)
    )
