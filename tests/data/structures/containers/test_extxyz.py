"""Extended XYZ: what ASE writes is read as ASE reads it; what is ambiguous or no crystal is refused."""

from __future__ import annotations

import random
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from ase.io.extxyz import read_xyz, write_xyz
from pymatgen.io.ase import AseAtomsAdaptor

from zoo.data.structures.containers.extxyz import MAX_LINE, frames, parse_frame, parse_xyz, read_pairs
from zoo.data.structures.parse import parse
from zoo.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

SALT = """8
Lattice="5.64 0.0 0.0 0.0 5.64 0.0 0.0 0.0 5.64" Properties=species:S:1:pos:R:3 pbc="T T T"
Na 0.00 0.00 0.00
Na 0.00 2.82 2.82
Na 2.82 0.00 2.82
Na 2.82 2.82 0.00
Cl 2.82 2.82 2.82
Cl 2.82 0.00 0.00
Cl 0.00 2.82 0.00
Cl 0.00 0.00 2.82
"""


def by_ase(text: str) -> list[Atoms]:
    return list(read_xyz(StringIO(text), slice(None)))


def test_what_ase_writes_of_real_crystals_is_read_as_ase_reads_it(real_structures: list[Structure]) -> None:
    rng = np.random.default_rng(1)
    written = StringIO()
    for number, structure in enumerate(real_structures):
        atoms = Atoms(AseAtomsAdaptor.get_atoms(structure))
        atoms.positions += rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell[:]  # atoms outside of the cell
        atoms.info = {"material_id": f"mp-{number}", "note": 'a "quoted" = word', "K_VRH": 12.5, "stress": np.eye(3)}
        atoms.set_array("forces", rng.normal(size=(len(atoms), 3)))
        write_xyz(written, [atoms], columns=["forces", "numbers", "positions", "symbols"][number % 2 :])
    text = written.getvalue()
    read, expected = list(frames(StringIO(text))), by_ase(text)
    assert len(read) == len(expected) == len(real_structures)
    for number, (frame, atoms) in enumerate(zip(read, expected, strict=True)):
        crystal = parse_frame(frame)
        assert crystal.numbers.tolist() == atoms.numbers.tolist()
        np.testing.assert_allclose(crystal.lattice, atoms.cell[:], atol=1e-12)
        np.testing.assert_allclose(crystal.frac @ crystal.lattice, atoms.positions, atol=1e-9)
        assert frame.pairs["material_id"] == f"mp-{number}"
        assert frame.pairs["note"] == atoms.info["note"]
        assert float(frame.pairs["K_VRH"]) == 12.5


def test_the_lattice_is_not_transposed() -> None:
    text = SALT.replace("5.64 0.0 0.0 0.0 5.64", "5.64 0.0 0.0 1.5 5.64")
    assert parse_xyz(text).lattice[1].tolist() == by_ase(text)[0].cell[1].tolist() == [1.5, 5.64, 0]


@pytest.mark.parametrize(
    "comment",
    [
        'Lattice="5.64 0 0 0 5.64 0 0 0 5.64"',
        "lattice='5.64 0 0 0 5.64 0 0 0 5.64' pbc=T",
        "Lattice={5.64 0 0 0 5.64 0 0 0 5.64} relaxed pbc=[T, T, T]",
        'config="pbc=\\"F F F\\" Lattice=\\"1 1\\"" Lattice="5.64 0 0 0 5.64 0 0 0 5.64"',
        "Lattice=[[5.64, 0, 0], [0, 5.64, 0], [0, 0, 5.64]] Properties=Species:S:1:Pos:R:3",
        'fractional=F virial=[[1,2],[3,4]] Lattice="5.64, 0, 0, 0, 5.64, 0, 0, 0, 5.64" pbc="1 1 1"',
    ],
)
def test_spellings(comment: str) -> None:
    text = SALT.replace(SALT.split("\n")[1], comment)
    assert parse_xyz(text).volume == pytest.approx(5.64**3)
    assert parse(text).formula == "Cl1 Na1"


def test_a_lattice_of_lists_is_refused_where_its_order_matters() -> None:
    comment = "Lattice=[[5.64, 0, 0], [1.5, 5.64, 0], [0, 0, 5.64]] Properties=species:S:1:pos:R:3"
    with pytest.raises(InputError, match="nine numbers, one vector after the other"):
        parse_xyz(SALT.replace(SALT.split("\n")[1], comment))


def test_symbols_in_capitals_and_atomic_numbers() -> None:
    assert parse_xyz(SALT.replace("Na ", "NA ").replace("Cl ", "CL ")).formula == "Cl1 Na1"
    both = SALT.replace("species:S:1", "Z:I:1:species:S:1").replace("Na ", "11 Na ").replace("Cl ", "17 Cl ")
    assert parse_xyz(both).formula == "Cl1 Na1"
    with pytest.raises(InputError, match=r"^atom 5 has two elements, by its species and by its Z$"):
        parse_xyz(both.replace("17 Cl", "35 Cl", 1))


MUTATIONS = {
    "not a crystal: the frame has no Lattice": ("Lattice=", "cell="),
    "Lattice has 8 numbers, not 9": ("5.64 0.0 0.0 0.0", "5.64 0.0 0.0"),
    "Lattice is 'a 0.0 0.0": ('"5.64 0.0', '"a 0.0'),
    "the frame gives its lattice twice": ("pbc=", 'lattice="1 0 0 0 1 0 0 0 1" pbc='),
    "an Atoms that is not periodic (pbc = T T F)": ("T T T", "T T F"),
    "its lengths may be in bohr; those of extended XYZ are in Å": ("pbc=", "units=bohr pbc="),
    "its positions may be fractional (Fractional); those of extended XYZ are Cartesian": ("pbc=", "Fractional=T pbc="),
    "pbc is 'T T', not three times T or F": ("T T T", "T T"),
    "the frame's second line cannot be read from 'pbc=\"T T T' on": ('T T T"', "T T T"),
    "Properties has pos:R:2, not pos:R:3": ("pos:R:3", "pos:R:2"),
    "Properties has no pos": ("pos:R:3", "scaled_positions:R:3"),
    "Properties=species:S:1:pos:R is not a list of name:type:number": ("pos:R:3", "pos:R"),
    "Properties=species:S:1:pos:Q:3 is not a list": ("pos:R:3", "pos:Q:3"),
    "Properties names pos twice": ("pos:R:3", "pos:R:3:pos:R:3"),
    "line 3 has 4 columns where Properties has 7": ("pos:R:3", "pos:R:3:forces:R:3"),
    "line 3 has 5 columns where Properties has 4": ("Na 0.00 0.00 0.00", "Na 0.00 0.00 0.00 0.1"),
    "unknown element 'Xx'": ("Na 0.00 0.00", "Xx 0.00 0.00"),
    "a position is '0.00 0.00 zero'": ("0.00 0.00 0.00", "0.00 0.00 zero"),
    "not a finite number": ("0.00 0.00 0.00", "0.00 0.00 nan"),
    "atoms 0.02 Å apart (Na and Na, atoms 1 and 2)": ("0.00 2.82 2.82", "0.00 0.00 0.02"),
    "the frame at line 1 ends after 8 of 9 atoms": ("8\n", "9\n"),
    "line 1 is 'eight', not a number of atoms": ("8\n", "eight\n"),
    "20000 atoms; at most 10000 are allowed": ("8\n", "20000\n"),
    "several frames": ("8\n", "7\n"),
}


@pytest.mark.parametrize(("reason", "change"), MUTATIONS.items(), ids=[key[:30] for key in MUTATIONS])
def test_mutations_are_refused(reason: str, change: tuple[str, str]) -> None:
    assert change[0] in SALT
    with pytest.raises(InputError) as error:
        parse_xyz(SALT.replace(*change, 1))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_partial_occupancies_that_ase_keeps_in_info() -> None:
    atoms = by_ase(SALT)[0]
    for occupancy, good in (({"0": {"Na": 1.0}, "1": {"Cl": 1.0}}, True), ({"0": {"Na": 0.5, "K": 0.5}}, False)):
        atoms.info["occupancy"] = occupancy
        written = StringIO()
        write_xyz(written, [atoms])
        assert "_JSON" in written.getvalue()
        if good:
            assert parse_xyz(written.getvalue()).formula == "Cl1 Na1"
        else:
            with pytest.raises(InputError, match=r"^partial occupancy \(Na:0\.5, K:0\.5\)"):
                parse_xyz(written.getvalue())
    column = "\n".join(f"{line} 0.9" if line.startswith(("Na", "Cl")) else line for line in SALT.split("\n"))
    with pytest.raises(InputError, match=r"^partial occupancy \(0\.9\)"):
        parse_xyz(column.replace("pos:R:3", "pos:R:3:occupancy:R:1"))


def test_a_broken_frame_does_not_hide_the_others_but_a_lost_count_ends_the_file() -> None:
    bad = SALT.replace("Na 0.00", "Qq 0.00", 1)
    first, second, third = frames(StringIO(SALT + bad + "\n" + SALT))
    assert parse_frame(first).digest == parse_frame(third).digest
    with pytest.raises(InputError, match="unknown element"):
        parse_frame(second)
    read = list(frames(StringIO(SALT + "nonsense\n" + SALT)))
    assert len(read) == 2
    with pytest.raises(InputError, match=r"^line 11 is 'nonsense', .* the file is not read any further$"):
        parse_frame(read[1])
    with pytest.raises(InputError, match=r"is longer than 1,000,000 characters; the file is not read any further$"):
        parse_frame(next(frames(StringIO("1" * (MAX_LINE + 5)))))


def test_pairs() -> None:
    pairs = read_pairs(r"""a=1 "b c"="x \"y\" z" d e='1 2' f=[1, 2] done=F""")
    assert pairs == {"a": "1", "b c": 'x "y" z', "d": "True", "e": "1 2", "f": "[1, 2]", "done": "False"}
    assert read_pairs("") == {}


def test_whatever_is_read_of_damaged_files_ase_reads_too() -> None:
    """Letters of the two first lines are replaced, added and deleted; half of the results are still read."""
    rng = random.Random(0)
    read = 0
    for _ in range(400):
        text = list(SALT)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(SALT.index("Na"))
            text[at : at + rng.randrange(2)] = rng.choice(["", *" \"'=[]{}:,.0123456789FxQ\n"])
        try:
            crystal = parse_xyz("".join(text))
        except InputError:
            continue
        read += 1
        (atoms,) = by_ase("".join(text))
        assert atoms.pbc.all()
        assert crystal.numbers.tolist() == atoms.numbers.tolist()
        np.testing.assert_allclose(crystal.lattice, atoms.cell[:])
        np.testing.assert_allclose(crystal.frac @ crystal.lattice, atoms.positions, atol=1e-9)
    assert read > 100
