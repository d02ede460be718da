"""Structures in all forms are the same crystal, and broken ones are refused with a reason."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from zoo.data.crystal import MAX_ATOMS
from zoo.data.structures.files import structure_files
from zoo.data.structures.parse import from_arrays, parse, parse_named, read_file
from zoo.errors import InputError

DATA = Path(__file__).parents[2] / "data"
SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CIF = str(CifWriter(SALT))
POSCAR = Poscar(SALT).get_str()
DICT = SALT.as_dict()


def nearest(crystal: object) -> list[float]:
    """Distance to the nearest neighbour of every atom, in Å, by pymatgen."""
    structure = crystal.to_structure()  # type: ignore[attr-defined]
    centers, _, _, distances = structure.get_neighbor_list(4.0)
    return [float(distances[centers == i].min()) for i in range(len(structure))]


@pytest.fixture(autouse=True)
def _no_warning_escapes() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


FORMS: dict[str, object] = {
    "cif": CIF,
    "crlf": CIF.replace("\n", "\r\n"),
    "bytes": CIF.encode(),
    "quoted-json": json.dumps(CIF),
    "quoted-python": repr(CIF),
    "quoted-python-2": "u" + repr(CIF),
    "escaped": CIF.replace("\n", "\\n"),
    "poscar": POSCAR,
    "quoted-poscar": json.dumps(POSCAR),
    "dictionary": DICT,
    "json": json.dumps(DICT),
    "literal": repr(DICT),
    "structure": SALT,
    "symmetry": (DATA / "nacl.cif").read_text(),
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_every_form_is_rock_salt(value: object) -> None:
    salt = parse(value)
    assert salt.formula == "Cl1 Na1"
    assert len(salt) == 8
    assert salt.volume == pytest.approx(5.6402**3, rel=1e-6)
    assert nearest(salt) == pytest.approx([5.6402 / 2] * 8, rel=1e-6)


def test_a_crystal_passes_through() -> None:
    crystal = parse(CIF)
    assert parse(crystal) is crystal


def test_arrays_in_all_forms() -> None:
    arrays = [list(SALT.atomic_numbers), SALT.lattice.matrix.tolist(), SALT.frac_coords.tolist()]
    flat = [np.ravel(array).tolist() for array in arrays]
    text = [json.dumps(array) for array in arrays]
    monty = [{"@module": "numpy", "@class": "array", "data": array} for array in arrays]
    digests = {from_arrays(*form).digest for form in (arrays, flat, text, monty)}
    assert digests == {parse(SALT).digest}


@pytest.mark.parametrize(
    ("numbers", "lattice", "frac", "reason"),
    [
        ([11], [3.0] * 8, [0, 0, 0], "the lattice has 8 numbers, not 9"),
        ([11, 17], np.eye(3) * 3, [0, 0, 0], "3 coordinates do not fit 2 atoms"),
        ([11.5], np.eye(3) * 3, [0, 0, 0], "unknown element: atomic number 11.5"),
        ([0], np.eye(3) * 3, [0, 0, 0], "unknown element: atomic number 0"),
        ([300], np.eye(3) * 3, [0, 0, 0], "unknown element: atomic number 300"),
        (["Na"], np.eye(3) * 3, [0, 0, 0], "atomic_numbers is not a list of numbers"),
        ([11], np.eye(3) * 3, [0, 0, np.inf], "frac_coords holds a value that is not a finite number"),
        ([11], [[np.nan] * 3] * 3, [0, 0, 0], "lattice holds a value that is not a finite number"),
        ([11], np.zeros((3, 3)), [0, 0, 0], "the cell has no volume"),
        ([], np.eye(3) * 3, [], "the structure has no atoms"),
        (None, np.eye(3) * 3, [0, 0, 0], "no atomic_numbers given"),
        ("[11", np.eye(3) * 3, [0, 0, 0], "broken JSON"),
        (
            [11] * (MAX_ATOMS + 1),
            np.eye(3) * 3,
            [0, 0, 0],
            f"{MAX_ATOMS + 1} atoms; at most {MAX_ATOMS} are allowed",
        ),
    ],
)
def test_bad_arrays(numbers: object, lattice: object, frac: object, reason: str) -> None:
    with pytest.raises(InputError) as error:
        from_arrays(numbers, lattice, frac)
    assert str(error.value) == reason


ALLOY = Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])
NO_OPERATIONS = CIF.replace("loop_\n _symmetry_equiv_pos_site_id\n _symmetry_equiv_pos_as_xyz\n  1  'x, y, z'\n", "")
BAD = {
    "partial occupancy (Cu:0.75, Au:0.25); zoo needs ordered structures": [
        str(CifWriter(ALLOY)),
        ALLOY.as_dict(),
        ALLOY,
    ],
    "the structure has no atoms": [{**DICT, "sites": []}],
    "the structure has no atoms: the CIF's loop of sites has no coordinates": [CIF[: CIF.index("  Na  Na0")]],
    "unknown element 'Xx'": [
        CIF.replace("  Na  Na0", "  Xx  Na0"),
        POSCAR.replace("Na Cl", "Xx Cl"),
        json.dumps(DICT).replace('"element": "Na"', '"element": "Xx"'),
    ],
    "unknown element 'Qz'": [POSCAR.replace("Na Cl", "Qz Cl")],
    "unknown element 'Nx'": [CIF.replace("  Na  Na0", "  Nx  Na0")],
    "the lattice or a coordinate is not a finite number": [
        CIF.replace("0.50000000", "nan", 1),
        CIF.replace("0.50000000", "inf", 1),
        POSCAR.replace("0.5000000000000000", "nan", 1),
        CIF.replace("_cell_length_a   5.64020000", "_cell_length_a   nan"),
    ],
    "the CIF has the coordinate '?', which is not a number": [CIF.replace("0.50000000", "?", 1)],
    "broken CIF: the cell has no volume": [CIF.replace("_cell_length_a   5.64020000", "_cell_length_a   0")],
    "broken CIF: _cell_length_a is -5.64(2)": [CIF.replace("_cell_length_a   5.64020000", "_cell_length_a   -5.64(2)")],
    "broken CIF: _cell_angle_beta is 180": [CIF.replace("_cell_angle_beta   90.00000000", "_cell_angle_beta   180")],
    "broken CIF: _cell_angle_beta is 700": [CIF.replace("_cell_angle_beta   90.00000000", "_cell_angle_beta   700")],
    "broken CIF: _cell_length_b is missing": [CIF.replace("_cell_length_b   5.64020000\n", "")],
    "broken CIF: a loop_ ends in the middle of a row": [CIF[:-15]],
    "broken CIF: no line begins with data_": [CIF.replace("data_NaCl", "")],
    "broken CIF: an occupancy of 1.5, more than 1": [CIF.replace("0.00000000  1\n", "0.00000000  1.5\n")],
    "the CIF holds no crystal structure: there are no fractional coordinates": [CIF[: CIF.index("_cell_angle")]],
    "the CIF holds 2 structures; give each its own file or row": [CIF + CIF.replace("data_NaCl", "data_more")],
    "the type symbol 'Wat' names a group of atoms, not an element": [CIF.replace("  Na  Na0", "  Wat  Na0")],
    "hydrogen atoms are missing: the formula is Na4 Cl4 H8, but no site holds H": [
        CIF.replace("'Na4 Cl4'", "'Na4 Cl4 H8'")
    ],
    "the CIF lists no symmetry operations, and its space group 'F9' is not known": [
        NO_OPERATIONS.replace("'P 1'", "F9").replace("_number   1", "_number   ?")
    ],
    "broken CIF: 'x, y, ?' is not a symmetry operation": [CIF.replace("x, y, z", "x, y, ?")],
    "broken POSCAR: 1000000003 atoms are declared in 16 lines": [POSCAR.replace("4 4\n", "999999999 4\n").rstrip()],
    "broken POSCAR: the file ends too early": ["\n".join(POSCAR.split("\n")[:12])],
    "the POSCAR names no elements (VASP 4); add a line of symbols above the counts": [
        "\n".join(" ".join(line.split()[:3]) for line in POSCAR.split("\n") if line != "Na Cl")
    ],
    "not a crystal: pymatgen's dictionary has no 'lattice'": [Molecule(["O"], [[0, 0, 0]]).as_dict()],
    "a Molecule is not a crystal structure: it has no cell": [Molecule(["O"], [[0, 0, 0]])],
    "not a pymatgen dictionary of a structure: it has no 'sites'": [{"lattice": DICT["lattice"]}],
    "broken pymatgen dictionary: matrix is missing": [{**DICT, "lattice": {}}],
    f"{MAX_ATOMS + 1} sites; at most {MAX_ATOMS} atoms are allowed": [{**DICT, "sites": [{}] * (MAX_ATOMS + 1)}],
    "broken JSON": ['{"lattice": ', '{"a":' * 100_000],
    "no structure is given": ["", " \n", "NaN", None, float("nan")],
    "neither CIF nor POSCAR text, nor a pymatgen dictionary": ["rock salt", "[1, 2]", "'\"rock salt\"'"],
    "an int is not a structure": [3],
    "a text of 9000000 characters is not a single crystal structure": ["x" * 9_000_000],
}


@pytest.mark.parametrize(
    ("value", "reason"),
    [(v, reason) for reason, values in BAD.items() for v in values],
    ids=lambda v: str(v)[:20],
)
def test_bad_structure(value: object, reason: str) -> None:
    with pytest.raises(InputError) as error:
        parse(value)
    assert str(error.value) == reason


def test_space_group_without_operations_is_expanded() -> None:
    """The symbol alone gives the 192 operations: 2 listed sites become 8 atoms."""
    assert "equiv_pos" not in (DATA / "nacl.cif").read_text()
    assert len(read_file(DATA / "nacl.cif")) == 8


def test_deuterium_is_hydrogen() -> None:
    ice = CIF.replace("  Na  Na", "  D  Na").replace("'Na4 Cl4'", "'D4 Cl4'")
    assert parse(ice).formula == "Cl1 H1"


def test_read_poscar_file() -> None:
    silicon = read_file(DATA / "POSCAR_si")
    assert silicon.formula == "Si1"
    assert nearest(silicon) == pytest.approx([5.431 * np.sqrt(3) / 4] * 2)


@pytest.mark.parametrize("name", ["a.cif", "a.vasp", "POSCAR", "CONTCAR.old", "a.poscar", "a.json", "a.xsf", "a.cssr"])
def test_read_file_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix in (".xsf", ".cssr"):
        SALT.to(str(path))
    else:
        path.write_text({".cif": CIF, ".json": json.dumps(DICT)}.get(path.suffix, POSCAR))
    assert structure_files(tmp_path) == [path]
    assert read_file(path).formula == "Cl1 Na1"
    packed = path.with_name(f"{name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_file(packed).digest == read_file(path).digest


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"\x00\x01\x02\xff" * 100, "a binary file, not a structure"),
        (b"x" * 9_000_000, "larger than 8 MB; not a single crystal structure"),
        (b"nothing", "broken CIF: no line begins with data_"),
    ],
)
def test_bad_file(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.cif").write_bytes(content)
    with pytest.raises(InputError) as error:
        read_file(tmp_path / "a.cif")
    assert str(error.value) == reason


def test_bad_paths(tmp_path: Path) -> None:
    (tmp_path / "x.cif").mkdir()
    (tmp_path / "y.cif.gz").write_bytes(b"not gzip")
    for name, reason in [
        ("x.cif", "a folder, not a structure file"),
        ("y.cif.gz", "the file cannot be read (BadGzipFile)"),
        ("z.cif", "there is no such file"),
    ]:
        with pytest.raises(InputError) as error:
            read_file(tmp_path / name)
        assert str(error.value) == reason


def test_names_in_latin1_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_bytes(CIF.replace("data_NaCl", "# Müller\ndata_NaCl").encode("latin-1"))
    assert read_file(tmp_path / "a.cif").formula == "Cl1 Na1"


XSF = "CRYSTAL\nPRIMVEC\n0 2.82 2.82\n2.82 0 2.82\n2.82 2.82 0\nPRIMCOORD\n2 1\nNa 0 0 0\nCl 2.82 2.82 2.82\n"
CSSR = "4 4 4\n90 90 90 SPGR = 1 P 1 OPT = 1\n2 0\n0 CsCl\n1 Cs 0 0 0\n2 Cl .5 .5 .5\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.xsf", XSF.replace("CRYSTAL", "SLAB"), "not a crystal: the file describes a SLAB"),
        ("a.xsf", XSF.replace("2 1", "3 1"), "broken xsf file: 3 atoms are declared, and there are 2"),
        ("a.cssr", CSSR.replace("SPGR = 1 P 1", "SPGR =221 P m -3 m"), "a .cssr file in space group 221"),
        ("a.cssr", CSSR.replace("2 0\n", "2 1\n"), "a .cssr file with orthogonal coordinates"),
    ],
)
def test_formats_that_pymatgen_reads_in_part(name: str, text: str, reason: str) -> None:
    good = {"a.xsf": XSF, "a.cssr": CSSR}[name]
    assert len(parse_named(good, name)) == 2
    with pytest.raises(InputError, match=reason):
        parse_named(text, name)
