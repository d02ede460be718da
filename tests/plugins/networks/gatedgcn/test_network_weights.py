"""The weights that ship with zoo know crystals from a textbook."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

import zoo

ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
COPPER = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.62), ["Cu"], [[0, 0, 0]])


def test_rock_salt_is_an_insulator_and_copper_a_metal() -> None:
    """Experiment: −411 kJ/mol, −2.13 eV/atom (NIST-JANAF); the PBE gap of rock salt is 5.0 eV."""

    def predicted(target: str | None = None) -> list[float]:
        model = zoo.load("multi-113k-gatedgcn", target=target)
        return model.predict([ROCK_SALT, COPPER])["prediction"].tolist()

    assert predicted() == pytest.approx([-2.13, 0.0], abs=0.1)
    assert predicted("band_gap")[0] == pytest.approx(5.0, abs=0.3)
    assert predicted("is_metal") == pytest.approx([0, 1], abs=0.05)
