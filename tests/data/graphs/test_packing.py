"""What symmetry repeats stands once, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from support.packededges import edges

from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import CrystalGraph, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.testing import sample_crystals

pytestmark = pytest.mark.usefixtures("inner_loops")


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> list[CrystalGraph]:
    return [build_graph(Crystal.from_structure(structure)) for structure in real_structures]


def test_rock_salt_is_two_atoms_with_two_edges_each() -> None:
    """Sodium has six chlorines at a/2 and six of the twelve sodiums at a/√2; so has chlorine."""
    packed = PackedGraphs.pack([build_graph(Crystal.from_structure(sample_crystals.crystals()["NaCl"]))])
    assert sorted(packed.numbers.tolist()) == [11, 17]
    assert len(set(packed.copies.tolist())) == 1
    assert packed.counts.tolist() == [6, 6, 6, 6]
    short, long = sorted(set(np.round(packed.distances, 4).tolist()))
    assert long / short == pytest.approx(np.sqrt(2), abs=1e-4)


def test_every_atom_and_every_neighbour_is_counted(graphs: list[CrystalGraph]) -> None:
    packed = PackedGraphs.pack(graphs)
    assert len(packed) == len(graphs)
    for crystal, graph in enumerate(graphs):
        one = packed.select(np.array([crystal]))
        assert np.repeat(one.numbers, one.copies).tolist().sort() == graph.numbers.tolist().sort()
        starts = np.cumsum(one.degrees, dtype=np.int64) - one.degrees
        assert set(np.add.reduceat(one.counts, starts, dtype=np.int64).tolist()) == {12}
        weights = np.repeat(one.copies, one.degrees) * one.counts
        assert np.sort(np.repeat(one.distances, weights)) == pytest.approx(np.sort(graph.distances.ravel()), abs=3e-5)


def test_atoms_of_one_orbit_are_merged_and_no_others(real_structures: list[Structure]) -> None:
    """The space group says which atoms are equivalent; with every tied neighbour kept or left out, so do graphs."""
    merged = 0
    for structure in real_structures:
        packed = PackedGraphs.pack([build_graph(Crystal.from_structure(structure))])
        if len(structure) == 1:
            continue
        orbits = SpacegroupAnalyzer(structure, symprec=1e-4).get_symmetrized_structure().equivalent_indices
        numbers = sorted((structure[o[0]].specie.Z, len(o)) for o in orbits)
        found = sorted(zip(packed.numbers.tolist(), packed.copies.tolist(), strict=True))
        # Atoms that no symmetry relates may still see the same twelve neighbours; never the other way round, but
        # where a relaxation left the symmetry at 1e-4 Å instead of 1e-5.
        merged += found == numbers
    assert merged >= 0.6 * len(real_structures)


def test_a_supercell_packs_as_its_primitive_cell(real_structures: list[Structure]) -> None:
    for structure in real_structures[:8]:
        primitive = structure.get_primitive_structure(tolerance=1e-3)
        pair = [build_graph(Crystal.from_structure(cell)) for cell in (primitive, primitive * (2, 1, 1))]
        packed = PackedGraphs.pack(pair)
        assert packed.sizes[0] == packed.sizes[1]
        small, large = edges(packed, 0), edges(packed, 1)
        assert [edge[:2] for edge in small] == [edge[:2] for edge in large]
        assert [2 * edge[2] for edge in small] == [edge[2] for edge in large]
        assert [edge[3] for edge in small] == [edge[3] for edge in large]


def test_distances_that_differ_keep_atoms_apart() -> None:
    """A cell of two copper atoms: one atom twice, until one of them is moved by 0.001 Å."""
    cell = Structure(np.diag([2.6, 2.6, 5.2]), ["Cu", "Cu"], [[0, 0, 0], [0, 0, 0.5]])
    moved = cell.copy()
    moved.lattice = np.diag([2.6, 2.6, 5.201])
    moved.translate_sites([1], [0.0, 0.0, 0.001], frac_coords=False)
    packed = PackedGraphs.pack([build_graph(Crystal.from_structure(c)) for c in (cell, moved)])
    assert packed.sizes[0] == 1
    assert len(np.unique(packed.distances[packed.degrees[0] :])) > len(np.unique(packed.distances[: packed.degrees[0]]))


def test_selecting_gives_what_was_packed(graphs: list[CrystalGraph]) -> None:
    packed = PackedGraphs.pack(graphs)
    chosen = packed.select(np.array([7, 2, 2]))
    assert [edges(chosen, i) for i in range(3)] == [edges(packed, i) for i in (7, 2, 2)]
    assert len(packed.select(np.array([], dtype=np.int64))) == 0


def test_packing_in_parts_changes_nothing(graphs: list[CrystalGraph]) -> None:
    """More graphs than are merged at a time, against graphs that are packed one by one and joined."""
    many = (graphs * 30)[:1100]
    whole = PackedGraphs.pack(many)
    parts = PackedGraphs.join([PackedGraphs.pack([graph]) for graph in many])
    for name in ("numbers", "copies", "degrees", "neighbors", "distances", "counts", "offsets"):
        assert getattr(parts, name).tolist() == getattr(whole, name).tolist(), name
    assert parts.nbytes == whole.nbytes


def test_packing_saves_what_it_says(graphs: list[CrystalGraph]) -> None:
    packed = PackedGraphs.pack(graphs)
    assert len(packed.neighbors) < 0.3 * 12 * sum(map(len, graphs))
