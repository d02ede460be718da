"""Make the list by which crystals of the shelf's pretraining sets are recognised, and measure how reliable it is.

    python benchmarks/known_crystals.py mp.parquet mp-unlabelled.parquet
    python benchmarks/known_crystals.py mp.parquet --measure 300 --again dielectric.parquet

The tables hold the structures of the pretraining sets. The list, ``cards/ids/crystals.safetensors.gz``, has one
fingerprint, and no coordinates, for each training crystal in the lists of identifiers beside it. ``--measure N``
compares altered copies of N of the tables' crystals with a list of all, and ``--again TABLE`` crystals that have the
same identifiers in another table, for docs/explanation/leaks.md.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.bounded import read_json
from zoo.analysis.known_crystals import KnownCrystals, Match
from zoo.data.crystal import Crystal
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.records import Record
from zoo.registry.backbones import CRYSTALS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from pymatgen.core import Structure

LISTS = Path(__file__).parents[1] / "cards" / "ids"
MAX_LIST_BYTES = 50_000_000


def read(paths: Sequence[Path]) -> Iterator[tuple[str, Crystal]]:
    """Yield the identifiers and crystals of tables."""
    yield from ((row.id, row.crystal) for row in iter_records(paths) if isinstance(row, Record))


def training_ids() -> set[str]:
    """Return the identifiers of all crystals that a backbone of the shelf was trained on."""
    return {name for path in LISTS.glob("*.json.gz") for name in read_json(path, MAX_LIST_BYTES)["train"]}


def make(paths: Sequence[Path]) -> None:
    """Write the shelf's list."""
    wanted = training_ids()
    chosen: dict[str, Crystal] = {}
    for name, crystal in read(paths):
        if name in wanted:
            chosen.setdefault(name, crystal)
    known = KnownCrystals.build(chosen.items())
    known.write(LISTS / CRYSTALS_FILE)
    size = (LISTS / CRYSTALS_FILE).stat().st_size
    print(f"{len(known):,} of {len(wanted):,} training crystals, {size:,} bytes")


def altered(structure: Structure, rng: Generator) -> dict[str, Structure]:
    """Return copies of a structure in another description or slightly changed."""
    import spglib
    from pymatgen.core import Lattice, Structure
    from scipy.stats import special_ortho_group

    order = rng.permutation(len(structure))
    permuted = Structure.from_sites([structure[int(index)] for index in order])
    moved = structure.copy()
    moved.translate_sites(range(len(moved)), rng.random(3))
    supercell = structure.copy()
    supercell.make_supercell([[2, 0, 0], [0, 1, 0], [0, 1, 1]])
    turned = Structure(
        Lattice(structure.lattice.matrix @ special_ortho_group.rvs(3, random_state=rng)),
        structure.species,
        structure.frac_coords,
    )
    copies = {"order of atoms": permuted, "origin": moved, "supercell": supercell, "rotation": turned}
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    for name, function in (("primitive cell", spglib.find_primitive), ("conventional cell", spglib.refine_cell)):
        if (found := function(cell, symprec=1e-3)) is not None:
            copies[name] = Structure(found[0], found[2], found[1])
    copies["Niggli cell"] = structure.get_reduced_structure("niggli")
    copies["CIF"] = Structure.from_str(structure.to(fmt="cif"), fmt="cif")
    for size in (1e-4, 1e-3, 1e-2):
        shaken = structure.copy()
        shaken.perturb(size)
        copies[f"atoms moved by {size:g} Å"] = shaken
    for percent in (1, 3):
        strained = structure.copy()
        strained.apply_strain(percent / 100)
        copies[f"cell {percent} % longer"] = strained
    return copies


def measure(paths: Sequence[Path], count: int, again: Path | None) -> None:
    """Print how many altered copies are recognised, and how many pairs of different crystals are confused."""
    rows = list(read(paths))
    known = KnownCrystals.build(rows)
    rng = np.random.default_rng(0)
    warnings.simplefilter("ignore")
    small = [row for row in rows if len(row[1]) <= 60]
    sample = [small[index] for index in rng.permutation(len(small))[:count]]
    recognised: dict[str, list[Match | None]] = {}
    for name, crystal in sample:
        copies = altered(crystal.to_structure(), rng)
        for what, found in zip(copies, known.matches([*map(Crystal.from_structure, copies.values())]), strict=True):
            recognised.setdefault(what, []).append(next((match for match in found if match.id == name), None))
    if again:
        listed = set(known.ids)
        others = [row for row in read([again]) if row[0] in listed]
        matched = known.matches([crystal for _, crystal in others])
        recognised[f"the same identifiers in {again.name}"] = [
            next((match for match in found if match.id == name), None)
            for (name, _), found in zip(others, matched, strict=True)
        ]
    for what, found in recognised.items():
        same = sum(match is not None and match.same for match in found)
        near = sum(match is not None for match in found)
        print(f"{what}: {same} of {len(found)} the same, {near} at least nearly the same", flush=True)
    confusions(known, dict(rows), rng, count)


def confusions(known: KnownCrystals, crystals: dict[str, Crystal], rng: Generator, count: int) -> None:
    """Print how many crystals have a partner in the list besides themselves, and in how many the matcher agrees."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    matcher = StructureMatcher()
    partners: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    names = list(crystals)
    for name, found in zip(names, known.matches(list(crystals.values())), strict=True):
        others = [match for match in found if match.id != name]
        if others:
            partners[others[0].same].append((name, others[0].id))
    formulas: dict[str, int] = {}
    for crystal in crystals.values():
        formulas[crystal.formula] = formulas.get(crystal.formula, 0) + 1
    shared = sum(number for number in formulas.values() if number > 1)
    print(f"{len(names):,} crystals, {shared:,} of which share their formula with another")
    for same, pairs in partners.items():
        tried = [pair for pair in pairs if max(len(crystals[name]) for name in pair) <= 60]
        tried = [tried[index] for index in rng.permutation(len(tried))[:count]]
        agree = sum(matcher.fit(*(crystals[name].to_structure() for name in pair)) for pair in tried)
        print(
            f"{len(pairs):,} have a partner that is {'the same' if same else 'at best nearly the same'}; "
            f"the matcher agrees in {agree} of {len(tried)}"
        )


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--measure", type=int, metavar="N", help="measure on N crystals instead")
    parser.add_argument("--again", type=Path, metavar="TABLE", help="crystals with the same identifiers, to measure")
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.tables, chosen.measure, chosen.again)
    else:
        make(chosen.tables)


if __name__ == "__main__":
    main()
