"""Compiled search, packing and gated sums against plain ones, which other tests compare with pymatgen's search."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.packededges import edges
from torch.nn import functional

from zoo._utils import compiled
from zoo.commands.environment import report
from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import CrystalGraph, GraphSettings, build_graph, build_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry import plugins
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from pymatgen.core import Structure

EXAMPLES = Path(__file__).parents[2] / "examples"

needs_compiler = pytest.mark.skipif(bool(compiled.missing()), reason="zoo was installed without a C compiler")


@pytest.fixture(scope="module")
def crystals(real_structures: list[Structure]) -> list[Crystal]:
    """Relaxed crystals of 1 to 40 atoms, one of 1,000, and the same with every tie broken by 0.02 Å."""
    structures = [*samples.crystals().values(), *real_structures]
    structures += [structure.copy().perturb(0.02, seed=1) for structure in real_structures]
    structures += [samples.crystals()["NaCl"] * (5, 5, 5), (real_structures[3] * (3, 3, 3)).perturb(0.05, seed=2)]
    return [Crystal.from_structure(structure) for structure in structures]


def plainly(monkeypatch: pytest.MonkeyPatch, build: partial[list[CrystalGraph]]) -> list[CrystalGraph]:
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "nearest", None)
        return build()


def graphs(crystals: Iterable[Crystal], settings: GraphSettings | None = None) -> list[CrystalGraph]:
    built = list(build_graphs(crystals, settings))
    assert all(isinstance(graph, CrystalGraph) for graph in built)
    return built  # type: ignore[return-value]


@needs_compiler
@pytest.mark.parametrize("neighbors", [1, 12, 40])
def test_neighbours_are_those_of_the_plain_search(
    crystals: list[Crystal], neighbors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = GraphSettings(neighbors=neighbors)
    found = graphs(crystals, settings)
    expected = plainly(monkeypatch, partial(graphs, crystals, settings))
    for mine, theirs in zip(found, expected, strict=True):
        assert np.sort(mine.distances, axis=1) == pytest.approx(np.sort(theirs.distances, axis=1), abs=2e-4)
        # Which of the equal ones of a shell are kept may differ where they are alike: elements do not.
        of_mine, of_theirs = (np.sort(graph.numbers[graph.neighbors], axis=1) for graph in (mine, theirs))
        assert of_mine.tolist() == of_theirs.tolist()
    # Alike means: what a network sees is equal.
    mine, theirs = PackedGraphs.pack(found), PackedGraphs.pack(expected)
    assert mine.sizes.tolist() == theirs.sizes.tolist()
    assert mine.edges.tolist() == theirs.edges.tolist()
    for crystal in range(len(crystals)):
        for one, other in zip(edges(mine, crystal), edges(theirs, crystal), strict=True):
            assert one[:4] == other[:4]
            assert one[4] == pytest.approx(other[4], abs=1e-5)


@needs_compiler
def test_without_ties_every_neighbour_is_the_same(
    real_structures: list[Structure], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = [Crystal.from_structure(structure.copy().perturb(0.05, seed=3)) for structure in real_structures]
    alone = [crystal for crystal in moved if len(crystal) > 4]
    equal = 0
    for mine, theirs in zip(graphs(alone), plainly(monkeypatch, partial(graphs, alone)), strict=True):
        assert mine.distances == pytest.approx(theirs.distances, abs=2e-4)
        equal += np.array_equal(mine.neighbors, theirs.neighbors)
    # The rest have copies of one atom, moved together, at distances that differ in the fifteenth digit.
    assert equal > 0.8 * len(alone)


@needs_compiler
def test_merging_gives_the_plain_arrays_in_every_bit(crystals: list[Crystal], monkeypatch: pytest.MonkeyPatch) -> None:
    built = graphs(crystals)
    found = PackedGraphs.pack(built)
    monkeypatch.setattr(compiled, "merging", None)
    expected = PackedGraphs.pack(built)
    for name in ("numbers", "copies", "degrees", "neighbors", "distances", "counts", "offsets"):
        mine, theirs = getattr(found, name), getattr(expected, name)
        assert (mine.dtype, mine.tolist()) == (theirs.dtype, theirs.tolist()), name


@needs_compiler
def test_every_bundled_crystal(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,056 crystals as they were published: as many merged atoms and edges, and the same edge lengths."""
    records = read_table(EXAMPLES / "dielectric.csv", plugins.task("dielectric")).records
    cells = [record.crystal for record in records]
    mine = PackedGraphs.pack(graphs(cells))
    theirs = PackedGraphs.pack(plainly(monkeypatch, partial(graphs, cells)))
    assert mine.sizes.tolist() == theirs.sizes.tolist()
    assert mine.edges.tolist() == theirs.edges.tolist()
    assert np.sort(mine.distances) == pytest.approx(np.sort(theirs.distances), abs=1e-6)


@needs_compiler
def test_odd_crystals_are_left_to_the_plain_search() -> None:
    """One with a reason, one that is right, and between them a chunk's other crystals are found."""
    salt = Crystal.from_structure(samples.crystals()["NaCl"])
    twice = Crystal(np.array([11, 17]), np.eye(3) * 4.0, np.array([[0, 0, 0], [0, 0, 1.0]]))
    needle = Crystal(np.array([14]), np.diag([1.0, 1.0, 2000.0]), np.zeros((1, 3)))
    found = list(build_graphs([salt, twice, needle, salt]))
    assert isinstance(found[1], InputError)
    assert isinstance(found[2], CrystalGraph)
    assert found[0].neighbors.tolist() == found[3].neighbors.tolist()  # type: ignore[union-attr]


@needs_compiler
def test_a_cell_without_volume_is_refused_as_by_the_plain_search() -> None:
    """Three vectors in one plane, so long that rounding gives them a volume of 0.007 Å³."""
    plane = np.array([[1e4, -2e4, 9e4], [-6e4, 8e4, -8e4], [-1.9e5, 2.6e5, -3.3e5]])
    with pytest.raises(InputError, match="too flat or too skewed"):
        build_graph(Crystal(np.array([14, 8]), plane, np.array([[0, 0, 0], [0.5, 0.5, 0.5]])))


@needs_compiler
def test_a_shell_is_what_lies_within_the_tolerance_of_the_last_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four atoms whose distances are spread over it: the nearest is below the shell, and stays."""
    sites = np.array([[0, 0, 0], [2.99985, 0, 0], [-2.99992, 0, 0], [0, 3.0, 0], [0, -3.00005, 0]])
    cell = Crystal(np.array([14, 90, 50, 8, 50]), np.eye(3) * 40.0, sites / 40.0)
    settings = GraphSettings(neighbors=3)
    found = build_graph(cell, settings)
    (expected,) = plainly(monkeypatch, partial(graphs, [cell], settings))
    assert cell.numbers[found.neighbors[0]].tolist() == cell.numbers[expected.neighbors[0]].tolist() == [90, 8, 50]


@needs_compiler
def test_the_sphere_of_a_lonely_atom_is_widened() -> None:
    """A cluster of 64 atoms and one atom far from it in a cell of 60 Å, where the first radius is 25 Å."""
    steps = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = np.vstack([steps * 2.5, [[31.0, 32.0, 33.0]]])
    graph = build_graph(Crystal(np.full(65, 29), np.eye(3) * 60.0, sites / 60.0))
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3) * 60.0
    lengths = np.sort(np.linalg.norm(sites + shifts - sites[-1], axis=-1).ravel())
    assert lengths[1] > 35
    assert graph.distances[-1] == pytest.approx(lengths[1:13], abs=2e-4)
    # The corner of the cluster keeps three neighbours at one step, three at √2 steps, one at √3, three at two.
    assert np.sort(graph.distances[0])[:10] == pytest.approx(2.5 * np.sqrt([1, 1, 1, 2, 2, 2, 3, 4, 4, 4]), abs=1e-4)


@dataclass(frozen=True, eq=False)
class Sums:
    """Random edges of 200 atoms in pieces, and what gated sums over them are made of, from flat to steep."""

    edges: Any
    bonds: NDArray[np.float64]
    centers: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    counts: NDArray[np.float32]
    weight: NDArray[np.float32]
    center: NDArray[np.float32]
    neighbor: NDArray[np.float32]

    @classmethod
    def draw(cls, width: int, ends: tuple[int, ...]) -> Sums:
        assert compiled.gating is not None
        rng = np.random.default_rng(width)
        degrees = rng.integers(1, 13, 200)
        starts, size = np.cumsum(degrees) - degrees, int(degrees.sum())
        weight, center, neighbor = (rng.normal(size=(n, 2 * width)).astype(np.float32) for n in (41, 200, 200))
        center *= rng.choice(np.array([0.01, 1.0, 10.0, 80.0], dtype=np.float32), (200, 1))
        gaussians = rng.random((size, 9)).astype(np.float32)
        firsts, counts = rng.integers(0, 33, size), rng.integers(1, 13, (size, 1)).astype(np.float32)
        centers = np.repeat(np.arange(200), degrees)
        piece = np.searchsorted(ends, centers, side="right")
        neighbors = rng.integers(np.array([0, *ends])[piece], np.array(ends)[piece])
        edges = compiled.gating.Edges(gaussians, firsts, starts, neighbors, counts, np.array(ends))
        bonds = np.zeros((size, 41))
        bonds[np.arange(size)[:, None], firsts[:, None] + np.arange(9)] = gaussians
        return cls(edges, bonds, centers, neighbors, counts, weight, center, neighbor)


WIDTHS = pytest.mark.parametrize("width", [1, 5, 64, 70])
PIECES = pytest.mark.parametrize("ends", [(200,), (1, 2, 120, 200)])


@needs_compiler
@pytest.mark.parametrize("count", [1, 8, 9, 41])
def test_the_largest_gaussians_are_those_of_the_formula(count: int) -> None:
    """exp(-(d - c)² / s²) in double precision; what is left out is below e^-16."""
    assert compiled.gating is not None
    distances = np.concatenate([np.linspace(0, 12, 500), [1e-3, 100.0, 1e6]]).astype(np.float32)
    values, firsts = compiled.gating.largest(distances, 0.2, count)
    window = compiled.gating.window
    assert values.shape == (503, window)
    assert 0 <= firsts.min() <= firsts.max() <= max(count - window, 0)
    centers = 0.2 * (firsts[:, None] + np.arange(window))
    expected = np.exp(np.maximum(-(((distances[:, None].astype(np.float64) - centers) / 0.2) ** 2), -60))
    assert values == pytest.approx(expected, rel=1e-3, abs=1e-5)
    every = np.exp(-(((distances[:, None].astype(np.float64) - 0.2 * np.arange(count)) / 0.2) ** 2))
    rows = np.arange(503)[:, None]
    found = np.zeros((503, max(count, window)))
    found[rows, firsts[:, None] + np.arange(window)] = values
    assert np.abs(found[:, :count] - every).max() < 1e-5
    nothing = compiled.gating.largest(distances[:0], 0.2, count)
    assert [each.shape for each in nothing] == [(0, window), (0,)]


@needs_compiler
@WIDTHS
@PIECES
def test_gated_sums_and_their_gradients_are_those_of_the_formula(width: int, ends: tuple[int, ...]) -> None:
    """Σ counts σ(gate) log(1 + e^core) in double precision, and what autograd makes of it."""
    sums = Sums.draw(width, ends)
    weight, center, neighbor = (
        torch.from_numpy(each).double().requires_grad_() for each in (sums.weight, sums.center, sums.neighbor)
    )
    values = center[sums.centers] + neighbor[sums.neighbors] + torch.from_numpy(sums.bonds) @ weight
    gate, core = values.chunk(2, dim=1)
    messages = torch.from_numpy(sums.counts) * torch.sigmoid(gate) * functional.softplus(core, threshold=1000)
    expected = torch.zeros(200, width).double().index_add(0, torch.from_numpy(sums.centers), messages)
    up = torch.randn(200, width, generator=torch.Generator().manual_seed(0))
    expected.backward(up.double())

    parts = sums.weight, sums.center, sums.neighbor
    assert len(sums.edges) == len(ends)
    for kept in (np.full((2, len(sums.centers), width), np.nan, dtype=np.float32), None):
        gradients = [np.full_like(each, np.nan) for each in parts]
        gradients[0][:] = 0
        found = np.empty((200, width), dtype=np.float32)
        for piece in range(len(ends)):
            sums.edges.gated_sum(piece, *parts, found, kept)
            sums.edges.gradients(piece, *parts, up.numpy(), *gradients, kept)
        assert found == pytest.approx(expected.detach().numpy(), rel=1e-5, abs=1e-5)
        for mine, theirs in zip(gradients, (weight, center, neighbor), strict=True):
            assert theirs.grad is not None
            assert mine == pytest.approx(theirs.grad.numpy(), rel=1e-4, abs=1e-5 * float(theirs.grad.abs().max()))


@needs_compiler
@PIECES
def test_sums_over_neighbours_both_ways(ends: tuple[int, ...]) -> None:
    sums = Sums.draw(7, ends)
    matrix = np.zeros((200, 200))
    np.add.at(matrix, (sums.centers, sums.neighbors), sums.counts[:, 0])
    values, found = sums.center, np.empty_like(sums.center)
    for turned, expected in ((False, matrix @ values), (True, matrix.T @ values)):
        for piece in range(len(ends)):
            sums.edges.sum_neighbors(piece, values, found, turned)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-3)


@needs_compiler
def test_what_is_no_number_stays_none_in_gated_sums() -> None:
    assert compiled.gating is not None
    values = np.array([np.nan, 0.0, 1e4, -1e4, np.inf], dtype=np.float32)
    zero, weight, neighbor = (np.zeros(shape, dtype=np.float32) for shape in (5, (9, 2), (5, 2)))
    counts = np.ones((5, 1), dtype=np.float32)
    nothing, every, found = np.zeros((5, 9), dtype=np.float32), np.arange(5), np.empty((5, 1), dtype=np.float32)
    edges = compiled.gating.Edges(nothing, 0 * every, every, every, counts, np.array([5]))
    for columns, expected in (
        ((zero, values), [np.nan, np.log(2) / 2, 5e3, 0, np.inf]),
        ((values, zero), [np.nan, np.log(2) / 2, np.log(2), 0, np.log(2)]),
    ):
        edges.gated_sum(0, weight, np.stack(columns, axis=1), neighbor, found)
        assert found.ravel() == pytest.approx(expected, nan_ok=True)


@needs_compiler
def test_arrays_that_do_not_fit_are_refused() -> None:
    """Compiled loops trust their indices, so those are looked at before."""
    assert compiled.nearest is not None
    salt = build_graph(Crystal.from_structure(samples.crystals()["NaCl"]))
    beyond = CrystalGraph(salt.numbers, salt.neighbors + np.int32(len(salt)), salt.distances)
    with pytest.raises(ValueError, match="do not fit"):
        PackedGraphs.pack([salt, beyond])
    settings = (20.0, 1e-4, 0.1, 1e6, 4)
    neighbors, distances = np.empty((2, 12), dtype=np.int32), np.empty((2, 12), dtype=np.float32)
    right = [np.ones(2, dtype=np.uint8), np.array([[0.0] * 3, [0.5] * 3]), 4 * np.eye(3)[None], np.array([0, 2])]
    right += [*settings, neighbors, distances, np.empty(1, dtype=np.uint8)]
    compiled.nearest.nearest(*right)
    assert right[-1] == 1
    for place, wrong, message in (
        (3, np.array([0, 3]), "do not fit"),
        (3, np.array([0]), "do not fit"),
        (3, np.array([], dtype=np.int64), "do not fit"),
        (2, np.eye(3)[None, :2], "do not fit"),
        (9, np.empty((2, 300), dtype=np.int32), "do not fit"),
        (1, np.array([[0.0] * 3, [np.nan] * 3]), "is not finite"),
        (2, np.full((1, 3, 3), np.inf), "is not finite"),
        (4, 0.0, "out of range"),
        (4, np.nan, "out of range"),
        (7, np.inf, "out of range"),
    ):
        arguments = [*right]
        arguments[place] = wrong
        with pytest.raises(ValueError, match=message):
            compiled.nearest.nearest(*arguments)


@needs_compiler
def test_edges_that_do_not_fit_are_refused() -> None:
    """Two atoms with one edge each, to themselves; then one thing after the other is wrong."""
    assert compiled.gating is not None

    def whole(*values: int) -> NDArray[np.int64]:
        return np.array(values, dtype=np.int64)

    one, two, nine = (np.ones((2, columns), dtype=np.float32) for columns in (1, 2, 9))
    right = [nine, whole(0, 0), whole(0, 1), whole(0, 1), one, whole(1, 2)]
    edges = compiled.gating.Edges(*right)
    for place, wrong in (
        *((0, nine[:, :8].copy()), (0, nine[:1]), (1, whole(0, -1)), (4, one[:1])),
        *((2, whole(0, 0)), (2, whole(1, 1)), (2, whole(0, 2)), (3, whole(-1, 1)), (3, whole(0, 2)), (3, whole(0, 0))),
        *((5, whole(1, 3)), (5, whole(2, 2)), (5, whole(1)), (5, whole())),
    ):
        arrays = [*right]
        arrays[place] = wrong
        with pytest.raises(ValueError, match="do not fit"):
            compiled.gating.Edges(*arrays)
    weight, out, kept = np.zeros((9, 2), dtype=np.float32), one.copy(), np.zeros((2, 2, 1), dtype=np.float32)
    parts, wrong_parts = [weight, two, two, out], ((0, weight[:8]), (1, one), (2, two[:1]), (3, two))
    calls = (
        (edges.gated_sum, [*parts, kept], (*wrong_parts, (4, kept[:1]))),
        (
            edges.gradients,
            [*parts, weight.copy(), two.copy(), two.copy(), kept],
            (*wrong_parts, (4, weight[:8]), (5, one), (6, two[:1]), (7, kept[:, :1].copy())),
        ),
        (edges.sum_neighbors, [two, two.copy()], ((0, two[:1]), (1, one))),
    )
    for call, arguments, mistakes in calls:
        call(0, *arguments)
        with pytest.raises(IndexError, match="no piece 2"):
            call(2, *arguments)
        for place, wrong in mistakes:
            mistaken = [*arguments]
            mistaken[place] = wrong
            with pytest.raises(ValueError, match="do not fit"):
                call(0, *mistaken)
    with pytest.raises(ValueError, match="do not fit"):
        compiled.gating.Edges(nine, whole(0, 1), *right[2:]).gated_sum(0, weight, two, two, out)


PREDICT = """
from zoo._utils import compiled
assert compiled.missing() == {missing}
from zoo.cli import main
main(["predict", "dEf-10k", {table!r}, "--out", {out!r}])
"""
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({compiled.MODULES}))"


@needs_compiler
def test_zoo_predicts_the_same_without_a_compiler(moduli: Callable[[int], Path], tmp_path: Path) -> None:
    written = []
    for missing, before in (([], ""), ([*compiled.PARTS], BLOCK)):
        out = tmp_path / f"{len(missing)}.csv"
        code = before + PREDICT.format(missing=missing, table=str(moduli(30)), out=str(out))
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        written.append(pd.read_csv(out)["prediction"].to_numpy())
    assert len(written[0]) == 30
    assert written[0] == pytest.approx(written[1], abs=1e-5)


def test_doctor_says_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "nearest", None)
    (check,) = [check for check in report() if check.name == "compiled parts"]
    assert check.ok is None
    assert "nearest missing" in check.detail
    assert "install a C compiler" in check.detail
