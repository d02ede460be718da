"""POSCARs in the dialects that VASP and its users write."""

from __future__ import annotations

import pytest

from zoo.data.structures.poscar import parse_poscar
from zoo.errors import InputError

HEAD = "salt\n1.0\n5.64 0 0\n0 5.64 0\n0 0 5.64\n"
ROWS = "0 0 0\n0.5 0.5 0.5\n"
GOOD = HEAD + "Na Cl\n1 1\nDirect\n" + ROWS

READ = {
    "plain": GOOD,
    "selective dynamics": HEAD + "Na Cl\n1 1\nSelective dynamics\nDirect\n0 0 0 T T F\n0.5 0.5 0.5 F F F\n",
    "symbols behind": HEAD + "1 1\nDirect\n0 0 0 Na\n0.5 0.5 0.5 Cl\n",
    "pseudopotentials": GOOD.replace("Na Cl", "Na_pv/2f1d Cl"),
    "three scales": GOOD.replace("1.0\n5.64 0 0\n0 5.64 0\n0 0 5.64", "5.64 5.64 5.64\n1 0 0\n0 1 0\n0 0 1"),
    "Cartesian, scaled": GOOD.replace("1.0\n5.64 0 0\n0 5.64 0\n0 0 5.64", "5.64\n1 0 0\n0 1 0\n0 0 1").replace(
        "Direct", "c"
    ),
    "Fortran's exponents": GOOD.replace("0.5 0.5 0.5", "5.0D-01 0.5d0 0.5"),
    "velocities": GOOD + "\n0.1 0.1 0.1\n0.2 0.2 0.2\n",
    "velocities below their kind": GOOD + "Cartesian\n0.1 0.1 0.1\n0.2 0.2 0.2\n",
    "velocities of the cell": GOOD + "Lattice velocities and vectors\n1\n0 0 0\n0 0 0\n0 0 0\n5 0 0\n0 5 0\n0 0 5\n",
    "one frame": GOOD.replace("Direct", "Direct configuration=     1"),
    "charge density": GOOD + "\n 2 2 2\n 1 2 3 4 5\n 6 7 8\n",
    "comments": GOOD.replace("1 1\n", "1 1 ! atoms\n"),
}


@pytest.mark.parametrize("name", READ)
def test_dialects(name: str) -> None:
    crystal = parse_poscar(READ[name])
    assert crystal.numbers.tolist() == [11, 17]
    assert crystal.lattice.diagonal().tolist() == pytest.approx([5.64] * 3)
    assert crystal.frac[1].tolist() == pytest.approx([0.5] * 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("1 1\n", "1 1 1\n"), "2 symbols"),
        (GOOD.replace("1 1\n", "1 2\n"), "the file ends too early|is empty|not three numbers"),
        (GOOD + "0.1 0.1 0.1\n", "more positions than the 2 atoms"),
        (GOOD.replace("Direct\n", ""), "neither Direct nor Cartesian"),
        (GOOD.replace("1.0\n", "0\n", 1), "a scale of 0"),
        (HEAD + "Na Cl\n1 1\nDirect\n0 0 0 Na\n0.5 0.5 0.5 K\n", "Cl by the counts, K by its line"),
        (GOOD + GOOD, "several structures"),
        (GOOD + "\n" + GOOD, "several structures"),
        (GOOD + "\n\n" + GOOD.replace("1.0\n", "1.0 ! scale\n", 1), "several structures"),
        (HEAD + "1 1\nDirect\n" + ROWS, "VASP 4"),
        ("", "the file ends too early"),
    ],
)  # fmt: skip
def test_refusals(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_poscar(text)
