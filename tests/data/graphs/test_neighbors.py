"""Neighbour lists against pymatgen's own, and what must not change a graph."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import TIE_TOLERANCE, GraphSettings, build_graph, build_graphs
from zoo.errors import InputError
from zoo.testing import sample_crystals as samples

ORDER = GraphSettings(ties="order")

pytestmark = pytest.mark.usefixtures("inner_loops")


@pytest.mark.parametrize("ties", ["environment", "order"])
def test_distances_are_those_of_get_all_neighbors(real_structures: list[Structure], ties: str) -> None:
    for structure in real_structures:
        graph = build_graph(Crystal.from_structure(structure), GraphSettings(ties=ties))  # type: ignore[arg-type]
        for site, neighbors in enumerate(structure.get_all_neighbors(8.0)):
            expected = sorted(neighbor.nn_distance for neighbor in neighbors)[:12]
            if len(expected) == 12:
                assert np.sort(graph.distances[site]) == pytest.approx(expected, abs=2 * TIE_TOLERANCE)


def test_order_rule_keeps_the_first_twelve_like_the_original_code(real_structures: list[Structure]) -> None:
    for structure in real_structures[:20]:
        center, point, _, distance = structure.get_neighbor_list(8.0)
        graph = build_graph(Crystal.from_structure(structure), ORDER)
        for site in range(len(structure)):
            mine = center == site
            first = sorted(zip(point[mine], distance[mine], strict=True), key=lambda pair: pair[1])[:12]
            if len(first) == 12:
                assert graph.neighbors[site].tolist() == [index for index, _ in first]


def test_rock_salt_shells() -> None:
    graph = build_graph(Crystal.from_structure(samples.crystals()["NaCl"]))
    a = samples.crystals()["NaCl"].lattice.a
    # 6 unlike neighbours at a/2, then 6 of the 12 like ones at a/√2.
    assert np.sort(graph.distances[0]) == pytest.approx([a / 2] * 6 + [a / np.sqrt(2)] * 6, rel=1e-6)
    assert sorted(graph.numbers[graph.neighbors[0]].tolist()) == [11] * 6 + [17] * 6
    assert graph.numbers[0] == 11


def _signature(crystal: Crystal, settings: GraphSettings) -> np.ndarray:
    """A function of the graph that sees elements, distances and who is whose neighbour, four hops deep."""
    graph = build_graph(crystal, settings)
    color = graph.numbers.astype(float)
    distances = graph.distances.astype(float)
    for _ in range(4):
        color = np.sin(1.3 * color) + (np.exp(-distances / 3) * np.cos(2.1 * color[graph.neighbors] + distances)).sum(1)
    return np.array([color.mean(), (color**2).mean()])


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def _variants(crystal: Crystal) -> dict[str, Crystal]:
    rng = np.random.default_rng(7)
    order = rng.permutation(len(crystal))
    numbers, lattice, frac = crystal.numbers, crystal.lattice, crystal.frac
    doubled = np.concatenate([frac / [1, 2, 1], (frac + np.array([0, 1, 0])) / [1, 2, 1]])
    return {
        "order of atoms": Crystal(numbers[order], lattice, frac[order]),
        "translation": Crystal(numbers, lattice, frac + rng.random(3)),
        "lattice translations": Crystal(numbers, lattice, frac + rng.integers(-2, 3, size=frac.shape)),
        "rotation": Crystal(numbers, lattice @ _rotation(rng).T, frac),
        "supercell": Crystal(np.tile(numbers, 2), lattice * [[1], [2], [1]], doubled),
        "other cell vectors": Crystal(
            numbers,
            np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ lattice,
            frac @ np.linalg.inv([[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
        ),
    }


def test_graph_is_invariant(real_structures: list[Structure]) -> None:
    crystals = [Crystal.from_structure(s) for s in [*samples.crystals().values(), *real_structures]]
    for crystal in crystals:
        expected = _signature(crystal, GraphSettings())
        for change, variant in _variants(crystal).items():
            assert _signature(variant, GraphSettings()) == pytest.approx(expected, abs=1e-4), (
                crystal.formula,
                change,
            )


def test_the_authors_rule_is_not_invariant() -> None:
    """The reason why ties are broken by environment: in SrTiO3 the order of atoms changes the graph."""
    crystal = Crystal.from_structure(samples.crystals()["SrTiO3"])
    signatures = [_signature(v, ORDER) for v in _variants(crystal).values()]
    assert max(np.abs(s - _signature(crystal, ORDER)).max() for s in signatures) > 1e-3


def test_an_atom_alone_in_thirty_angstrom_of_vacuum_gets_its_own_images() -> None:
    graph = build_graph(Crystal(np.array([10]), np.eye(3) * 30.0, np.zeros((1, 3))))
    # Six images at 30 Å, and six of the twelve at 30·√2 Å: no false edge, no endless search.
    assert graph.distances[0] == pytest.approx([30.0] * 6 + [30.0 * np.sqrt(2)] * 6, rel=1e-6)


def test_flat_and_long_cells() -> None:
    graphene = Structure(Lattice.hexagonal(2.46, 25.0), ["C", "C"], [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
    graph = build_graph(Crystal.from_structure(graphene))
    assert np.sort(graph.distances[0])[:3] == pytest.approx([2.46 / np.sqrt(3)] * 3, rel=1e-5)
    chain = Crystal(np.array([79, 79]), np.diag([2.5, 90.0, 90.0]), np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]))
    assert build_graph(chain).distances[0, :4] == pytest.approx([2.5, 2.5, 5.0, 5.0])


@pytest.mark.parametrize("neighbors", [0, -1, 256])
def test_numbers_of_neighbours_that_cannot_be(neighbors: int) -> None:
    with pytest.raises(InputError, match=f"{neighbors} neighbours per atom; choose 1 to 255"):
        GraphSettings(neighbors=neighbors)


def test_two_atoms_on_one_site_are_refused() -> None:
    crystal = Crystal(np.array([11, 17]), np.eye(3) * 4.0, np.array([[0, 0, 0], [0, 0, 1.0]]))
    with pytest.raises(InputError, match=r"atoms 1 \(Na\) and 2 \(Cl\) occupy the same site"):
        build_graph(crystal)
    outcome = list(build_graphs([crystal, Crystal.from_structure(samples.crystals()["Si"])]))
    assert isinstance(outcome[0], InputError)
    assert len(outcome[1]) == 8  # type: ignore[arg-type]


def test_neighbours_are_those_of_pymatgens_other_search(real_structures: list[Structure]) -> None:
    """`get_all_neighbors` builds objects, site by site; the twelve smallest of its distances are ours."""
    largest = (real_structures[3] * (4, 4, 4)).perturb(0.02, seed=1)
    assert len(largest) >= 200
    for structure in (*real_structures, largest):
        graph = build_graph(Crystal.from_structure(structure))
        for atom, found in enumerate(structure.get_all_neighbors(8.0)):
            nearest = sorted(found, key=lambda neighbor: neighbor.nn_distance)
            expected = [neighbor.nn_distance for neighbor in nearest[:12]]
            if len(expected) == 12:
                assert np.sort(graph.distances[atom]) == pytest.approx(expected, abs=2e-4)  # ties count as equal
                # Each neighbour is an atom that does stand at that distance.
                allowed = {(n.index, round(n.nn_distance, 3)) for n in nearest}
                for index, distance in zip(graph.neighbors[atom], graph.distances[atom], strict=True):
                    assert any((int(index), round(float(distance) + d, 3)) in allowed for d in (0, 1e-3, -1e-3))


def test_a_cell_of_one_atom() -> None:
    """Face-centred copper has twelve nearest neighbours at a/√2, all of them itself."""
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]]).get_primitive_structure()
    graph = build_graph(Crystal.from_structure(copper))
    assert graph.neighbors.tolist() == [[0] * 12]
    assert graph.distances[0] == pytest.approx([3.61 / np.sqrt(2)] * 12, rel=1e-5)


def test_a_cell_of_six_hundred_atoms_is_that_of_its_repeated_part() -> None:
    salt = samples.crystals()["NaCl"]
    large = salt * (5, 5, 3)
    assert len(large) == 600
    graph = build_graph(Crystal.from_structure(large))
    expected = np.sort(build_graph(Crystal.from_structure(salt)).distances, axis=1)[0]
    assert np.sort(graph.distances, axis=1) == pytest.approx(np.tile(expected, (600, 1)), abs=1e-4)


EXTREMES = {
    "an atom in half a micrometre of vacuum": (np.eye(3) * 500.0, None),
    "an atom in a tenth of a millimetre": (np.eye(3) * 1e6, None),
    "a needle": (np.diag([1.0, 1.0, 2000.0]), None),
    "a sheet": (np.diag([200.0, 200.0, 1.0]), None),
    "layers less than an atom apart": (np.diag([3.0, 3.0, 0.05]), "occupy the same site"),
    "a cell of nothing": (np.diag([0.05, 0.05, 0.5]), "occupy the same site|no volume"),
    "an absurdly skewed cell": (np.array([[3.0, 0, 0], [3e5, 3.0, 0], [0, 3e5, 3.0]]), "too flat or too skewed"),
}


def test_an_extreme_cell_does_not_harm_those_beside_it() -> None:
    """Graphs are built together, and sorted by one number made of centre and distance."""
    salt = Crystal.from_structure(samples.crystals()["NaCl"])
    huge = Crystal(np.array([14]), np.eye(3) * 1e6, np.zeros((1, 3)))
    alone = build_graph(salt)
    beside = list(build_graphs([huge, *[salt] * 100]))[-1]
    assert not isinstance(beside, InputError)
    assert np.sort(beside.distances, axis=1) == pytest.approx(np.sort(alone.distances, axis=1), abs=TIE_TOLERANCE)
    for found, expected in zip(beside.neighbors, alone.neighbors, strict=True):
        assert sorted(salt.numbers[found]) == sorted(salt.numbers[expected])


@pytest.mark.parametrize("ties", ["environment", "order"])
def test_atoms_written_many_cells_away_stand_in_the_cell(real_structures: list[Structure], ties: str) -> None:
    """The search makes room for all that lies between the atoms it is given: a hundred thousand cells would fill it."""
    settings = GraphSettings(ties=ties)  # type: ignore[arg-type]
    crystal = Crystal.from_structure(real_structures[3])
    steps = np.random.default_rng(0).integers(-100_000, 100_000, size=crystal.frac.shape)
    far = build_graph(Crystal(crystal.numbers, crystal.lattice, crystal.frac + steps), settings)
    near = build_graph(crystal, settings)
    assert np.sort(far.distances, axis=1) == pytest.approx(np.sort(near.distances, axis=1), abs=1e-5)


def test_ten_thousand_atoms() -> None:
    """As many as a file may hold: a simple cubic lattice, written out, with 6 neighbours at 3 Å and 6 of 12 at 3 √2."""
    steps = np.stack(np.meshgrid(np.arange(25), np.arange(20), np.arange(20), indexing="ij"), axis=-1).reshape(-1, 3)
    graph = build_graph(Crystal(np.full(10_000, 84), np.diag([75.0, 60.0, 60.0]), steps / [25, 20, 20]))
    expected = [3.0] * 6 + [3.0 * np.sqrt(2)] * 6
    assert np.sort(graph.distances, axis=1) == pytest.approx(np.tile(expected, (10_000, 1)), rel=1e-5)


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_cells_have_a_graph_or_a_reason(name: str) -> None:
    lattice, reason = EXTREMES[name]
    if reason:
        with pytest.raises(InputError, match=reason):
            build_graph(Crystal(np.array([14]), lattice, np.zeros((1, 3))))
        return
    graph = build_graph(Crystal(np.array([14]), lattice, np.zeros((1, 3))))
    # Every lattice vector there is, by hand: the twelve shortest are the neighbours.
    steps = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3), axis=-1).reshape(-1, 3)
    lengths = np.sort(np.linalg.norm(steps @ lattice, axis=1))[1:13]
    assert graph.distances[0] == pytest.approx(lengths, rel=1e-5)


FLAT = """
from pathlib import Path

import numpy as np
from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.errors import InputError

for height in (1e-3, 2e-4, 1e-5):
    cell = Crystal(np.full(12, 14), np.diag([10.0, 10.0, height]), np.random.default_rng(0).random((12, 3)))
    for ties in ("environment", "order"):
        try:
            build_graph(cell, GraphSettings(ties=ties))
        except InputError as error:
            assert "occupy the same site" in str(error) or "too flat" in str(error), error
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def test_flat_cells_take_less_than_a_gigabyte() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    done = subprocess.run([sys.executable, "-c", FLAT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1_000_000, "kilobytes"
