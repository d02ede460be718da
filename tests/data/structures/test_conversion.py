"""Structures in every form that Python users have them become the same crystals; others are named by position.

pymatgen's arrays of real crystals are the judge; ASE's forms are made by ASE.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.db import connect
from pymatgen.core import Lattice, Molecule, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry
from pymatgen.io.ase import AseAtomsAdaptor

from zoo.data.crystal import Crystal
from zoo.data.structures.conversion import as_crystal, as_crystals, convert, usable_items
from zoo.errors import InputError
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SALT, SILICON = samples.crystals()["NaCl"], samples.crystals()["Si"]
ALLOY = Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])


def ase(structure: Structure) -> Atoms:
    return Atoms(AseAtomsAdaptor.get_atoms(structure))


def jarvis(structure: Structure, *, cartesian: bool = False) -> dict[str, Any]:
    """The dictionary that jarvis-tools writes."""
    return {
        "lattice_mat": structure.lattice.matrix.tolist(),
        "coords": (structure.cart_coords if cartesian else structure.frac_coords).tolist(),
        "elements": [site.specie.symbol for site in structure],
        "abc": list(structure.lattice.abc),
        "angles": list(structure.lattice.angles),
        "cartesian": cartesian,
        "props": [""] * len(structure),
    }


def columns(structure: Structure) -> dict[str, Any]:
    return {
        "atomic_numbers": list(structure.atomic_numbers),
        "lattice": structure.lattice.matrix.ravel().tolist(),
        "frac_coords": structure.frac_coords.ravel().tolist(),
    }


FORMS: dict[str, Callable[[Structure], Any]] = {
    "pymatgen": lambda structure: structure,
    "crystal": Crystal.from_structure,
    "ase": ase,
    "as_dict": lambda structure: structure.as_dict(),
    "json": lambda structure: json.dumps(structure.as_dict()),
    "ase-dict": lambda structure: ase(structure).todict(),
    "jarvis": jarvis,
    "jarvis-cartesian": lambda structure: jarvis(structure, cartesian=True),
    "jarvis-json": lambda structure: json.dumps(jarvis(structure)),
    "columns": columns,
    "document": lambda structure: {"material_id": "mp-1", "structure": structure.as_dict()},
    "jarvis-document": lambda structure: {"jid": "JVASP-1", "atoms": jarvis(structure)},
    "entry": lambda structure: ComputedStructureEntry(structure, -1.0),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_crystal_atom_by_atom(
    form: Callable[[Structure], Any], real_structures: list[Structure]
) -> None:
    found = as_crystals([form(structure) for structure in real_structures])
    for crystal, structure in zip(found, real_structures, strict=True):
        assert crystal.numbers.tolist() == list(structure.atomic_numbers)
        np.testing.assert_allclose(crystal.lattice, structure.lattice.matrix, atol=1e-9)
        np.testing.assert_allclose(crystal.frac @ crystal.lattice, structure.cart_coords, atol=1e-6)


def test_text_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "salt.cif").write_text(SALT.to(fmt="cif"))
    (tmp_path / "POSCAR").write_text(SALT.to(fmt="poscar"))
    monkeypatch.chdir(tmp_path)
    cif = SALT.to(fmt="cif")
    given = [cif, cif.encode(), json.dumps(cif), SALT.to(fmt="poscar"), tmp_path / "salt.cif", "salt.cif", "POSCAR"]
    assert [crystal.formula for crystal in as_crystals(given)] == ["Cl1 Na1"] * 7
    assert len(as_crystals("salt.cif")[0]) == len(as_crystals(cif)[0]) == 8


def objects(*items: object) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    "collect",
    [
        list,
        tuple,
        iter,
        lambda items: (item for item in items),
        lambda items: objects(*items),
        lambda items: objects(*items).reshape(-1, 1),
        pd.Series,
        lambda items: pd.DataFrame({"structure": items}),
        lambda items: {"a": items[0], "b": items[1]},
    ],
)
def test_every_collection(collect: Callable[[list[object]], object]) -> None:
    for form in (SALT, ase(SALT), SALT.as_dict(), SALT.to(fmt="cif")):
        assert [crystal.formula for crystal in as_crystals(collect([form, SILICON]))] == ["Cl1 Na1", "Si1"]
    assert as_crystals(collect([SALT, SILICON])[:0] if collect is list else []) == []


def test_one_structure_or_a_list_of_one() -> None:
    for one in (SALT, ase(SALT), Crystal.from_structure(SALT), SALT.as_dict(), SALT.to(fmt="cif")):
        assert as_crystal(one).formula == as_crystal([one]).formula == "Cl1 Na1"
        assert len(as_crystals(one)) == 1
    with pytest.raises(InputError, match=r"^one structure is needed, not 2$"):
        as_crystal([SALT, SILICON])


def test_identifiers_are_labels_keys_or_positions() -> None:
    series = pd.Series([SALT, SILICON], index=["mp-22862", "mp-149"])
    assert convert(series).ids == convert({"mp-22862": SALT, "mp-149": SILICON}).ids == ["mp-22862", "mp-149"]
    assert convert([SALT, SILICON]).ids == ["0", "1"]
    assert convert(pd.Series([SILICON, SALT, SALT])[1:]).ids == ["1", "2"]


def test_row_labels_of_those_that_can_be_used() -> None:
    series = pd.Series([SALT, "no crystal", SALT], index=[7, 3, 5], dtype=object)
    with pytest.warns(UserWarning, match="1 of 3"):
        found = convert(series, on_error="skip")
    labels = found.labels([0, 1])
    assert labels is not None
    assert labels.tolist() == [7, 5]
    assert convert([SALT]).labels([0]) is None


def test_a_row_of_ases_database(tmp_path: Path) -> None:
    with connect(tmp_path / "a.db") as database:
        database.write(ase(SALT))
        rows = list(database.select())
    assert as_crystals(rows)[0].formula == "Cl1 Na1"


def test_a_jarvis_object_is_read_through_its_dictionary() -> None:
    """jarvis-tools is not needed: its class is recognised by its package and attributes."""
    kind = type("Atoms", (), {"__module__": "jarvis.core.atoms", "lattice_mat": 0, "to_dict": lambda _: jarvis(SALT)})
    assert as_crystals([kind()])[0].formula == "Cl1 Na1"


class Document:
    """A document of MPRester: it has a structure."""

    def __init__(self, structure: Structure | None) -> None:
        self.material_id, self.structure = "mp-1", structure


def test_rows_of_a_frame() -> None:
    frame = pd.DataFrame({"structure": [ase(SALT), SILICON.as_dict()], "y": [1.0, 2.0]})
    assert [crystal.formula for crystal in as_crystals(frame.itertuples())] == ["Cl1 Na1", "Si1"]
    assert as_crystals(frame.to_dict("records"))[0].formula == "Cl1 Na1"


def test_documents() -> None:
    assert as_crystals([Document(SALT), Document(SILICON)])[1].formula == "Si1"
    assert as_crystals(Document(SALT))[0].formula == "Cl1 Na1"
    assert convert([Document(SALT), SALT, {"jid": "JVASP-1", "atoms": jarvis(SALT)}]).ids == ["mp-1", "1", "JVASP-1"]
    with pytest.raises(InputError, match=r"^no structure is given in a Document$"):
        as_crystals(Document(None))
    with pytest.raises(InputError, match=r"^structure 1 \(mp-1\): no structure is given in a Document$"):
        as_crystals([SALT, Document(None)])


def changed(**changes: Any) -> Atoms:
    atoms = ase(SALT)
    for name, value in changes.items():
        atoms.info.update(value) if name == "info" else setattr(atoms, name, value)
    return atoms


BAD = {
    "an Atoms without a cell": Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]]),
    "an Atoms that is not periodic (pbc = F F F); if it is a crystal, set pbc=True": changed(pbc=False),
    "an Atoms that is not periodic (pbc = T T F)": changed(pbc=[True, True, False]),
    "the cell has no volume": changed(cell=[5.64, 5.64, 0]),
    "partial occupancy (Na:0.5, K:0.5)": changed(info={"occupancy": {"0": {"Na": 0.5, "K": 0.5}, "1": {"Cl": 1}}}),
    "partial occupancy (Cl:0.9)": changed(info={"occupancy": {"0": {"Na": 1.0}, "1": {"Cl": 0.9}}}),
    "partial occupancy (Cu:0.75, Au:0.25)": ALLOY,
    "unknown element": Atoms("X", cell=[3, 3, 3], pbc=True),
    "atoms 1.20 Å apart": changed(cell=[1.2, 5.6, 5.6]),
    "a Molecule is not a crystal structure: it has no cell": Molecule(["O"], [[0, 0, 0]]),
    "not periodic (pbc = T T F)": Structure(Lattice(np.eye(3) * 4, pbc=(True, True, False)), ["Si"], [[0, 0, 0]]),
    "a Lattice is not a structure": Lattice.cubic(3),
    "an int is not a structure": 3,
    "no structure is given": None,
    "no structure is given ": float("nan"),
    "no structure is given  ": pd.NA,
    "'salt.cif' is neither an existing file nor the text of a structure (CIF, POSCAR, JSON)": "salt.cif",
    "'rocksalt' is neither": "rocksalt",
    "a list; give the structures in one flat list": [SALT],
    "unknown element 'Xx'": {**jarvis(SALT), "elements": ["Xx"] * 8},
    "24 coordinates do not fit 7 atoms": {**jarvis(SALT), "elements": ["Na"] * 7},
    "does not say whether its coordinates are Cartesian": {**jarvis(SALT), "cartesian": None},
    "the dictionary says abc": {**jarvis(SALT), "abc": [5.6, 5.6, 6.7]},
    "it has no 'sites'": {"lattice": {}},
}


@pytest.mark.parametrize(("reason", "value"), BAD.items(), ids=[key[:30] for key in BAD])
def test_what_cannot_be_used_is_named_with_its_position(reason: str, value: object) -> None:
    with pytest.raises(InputError) as error:
        as_crystals([SALT, value, SILICON])
    assert str(error.value).startswith("structure 1: ")
    assert reason.strip() in str(error.value)
    assert "\n" not in str(error.value)


def test_all_positions_are_named_with_the_labels() -> None:
    series = pd.Series([SALT, None, ALLOY, SILICON, None], index=list("abcde"))
    with pytest.raises(InputError) as error:
        as_crystals(series)
    assert str(error.value) == (
        "structure 1 (b): no structure is given; structures 2 (c) and 4 (e) cannot be used either"
    )
    with pytest.raises(InputError, match=r"; structures 1, 2, 3, 4, 5 and 94 more cannot be used either$"):
        as_crystals([None] * 100)


def test_skipping_is_never_silent() -> None:
    with pytest.warns(UserWarning, match=r"^2 of 4 structures skipped: structure 1: no .* given; structure 2: partial"):
        found = convert([SALT, None, ALLOY, SILICON], on_error="skip")
    assert [crystal.formula for crystal in found.crystals] == ["Cl1 Na1", "Si1"]
    assert found.positions == [0, 3]
    assert list(found.skipped) == [1, 2]
    assert found.skipped[2].startswith("partial occupancy")
    with pytest.raises(InputError, match=r"^on_error='ignore': use 'raise' or 'skip'$"):
        convert([SALT], on_error="ignore")  # type: ignore[arg-type]


WRONG = {
    "a DataFrame; give its column of structures, such as frame['crystal']": pd.DataFrame(
        {"y": [1.0], "crystal": [SALT]}
    ),
    "an array of numbers of shape (3, 2); give pymatgen": np.zeros((3, 2)),
    "an array of single atoms of shape (2, 8): NumPy takes structures apart": np.array([SALT, SALT], dtype=object),
    "an array of single atoms of shape (1, 8): NumPy takes structures apart": np.array([ase(SALT)], dtype=object),
    "an int is not a crystal; give pymatgen Structures, ASE Atoms": 7,
    "a NoneType is not a crystal": None,
    "a set has no order": {"Si.cif", "NaCl.cif"},
    "'Si.cif' is neither an existing file": "Si.cif",
    "an array of shape (2, 2); give one structure a row": objects(*[SALT.as_dict()] * 4).reshape(2, 2),
}


@pytest.mark.parametrize(("reason", "value"), WRONG.items(), ids=[key[:30] for key in WRONG])
def test_what_is_no_collection_of_structures_is_named(reason: str, value: object) -> None:
    with pytest.raises(InputError) as error:
        as_crystals(value)
    assert str(error.value).startswith(reason)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "bad.cif").write_text("nothing")
    with pytest.raises(InputError, match=r"^structure 0: .*bad\.cif: broken CIF"):
        as_crystals([tmp_path / "bad.cif"])
    with pytest.raises(InputError, match=r": a folder; zoo\.read returns the crystals in it$"):
        as_crystals(tmp_path)
    with (tmp_path / "bad.cif").open() as file, pytest.raises(InputError, match=r"^an open file .*; give its path$"):
        as_crystals(file)


def test_results_that_are_errors() -> None:
    found = convert({"mp-1": SALT, "mp-2": SALT, "mp-3": SALT, "mp-4": SALT})
    items = [3, InputError("no features"), 5, InputError("too small")]
    assert usable_items([3, 4], convert([SALT, SALT])) == {0: 3, 1: 4}
    with pytest.raises(InputError, match=r"^structure 1 \(mp-2\): no features; structure 3 \(mp-4\) cannot be used"):
        usable_items(items, found)
    with pytest.warns(UserWarning, match=r"^2 of 4 structures skipped: structure 1 \(mp-2\): no f.*: too "):
        assert usable_items(items, found, on_error="skip") == {0: 3, 2: 5}
    with pytest.warns(UserWarning, match="1 of 3 structures skipped"):
        found = convert([SALT, None, SALT], on_error="skip")
    with pytest.raises(InputError, match=r"^structure 2: too small$"):  # its position in the input
        usable_items([3, InputError("too small")], found)
