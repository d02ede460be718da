"""Real crystals written in many dialects are read as they are, and mutated texts never become another crystal."""

from __future__ import annotations

import json
import random
import re
from collections import Counter

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from zoo.data.crystal import SYMBOLS, Crystal
from zoo.data.structures.parse import parse
from zoo.errors import InputError
from zoo.testing import crystals

SAMPLES = {name: structure for name, structure in crystals().items() if structure.is_ordered}
GROUPS = {
    "rock salt": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "wurtzite": Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.82, 6.26), ["Zn", "S"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]
    ),
    "corundum": Structure.from_spacegroup(
        "R-3c", Lattice.hexagonal(4.759, 12.991), ["Al", "O"], [[0, 0, 0.3522], [0.3064, 0, 0.25]]
    ),
    "rutile": Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.3053, 0.3053, 0]]
    ),
    "quartz": Structure.from_spacegroup(
        "P3_221", Lattice.hexagonal(4.9134, 5.4052), ["Si", "O"], [[0.4699, 0, 2 / 3], [0.4141, 0.2681, 0.7854]]
    ),
}


def same(crystal: Crystal, structure: Structure) -> bool:
    """Compare content, volume and the distances of nearest atoms."""
    other = Crystal.from_structure(structure)
    ratio = len(crystal) / len(other)
    counts, others = Counter(crystal.numbers.tolist()), Counter(other.numbers.tolist())
    return (
        all(counts[z] == ratio * others[z] for z in counts | others)
        and abs(crystal.volume / ratio / other.volume - 1) < 0.01
        and np.allclose(sorted(set(np.round(nearest(crystal), 1))), sorted(set(np.round(nearest(other), 1))), atol=0.11)
    )


def nearest(crystal: Crystal) -> list[float]:
    centers, _, _, distances = crystal.to_structure().get_neighbor_list(6.0)
    return [float(distances[centers == i].min()) for i in range(len(crystal))]


def by_rows(text: str, change: object) -> str:
    """Apply a change to the lines of sites."""
    head, mark, tail = text.partition("_atom_site_occupancy\n")
    lines = [change(line) if line.strip() else line for line in tail.split("\n")]  # type: ignore[operator]
    return head + mark + "\n".join(lines)


DIALECTS = {
    "as written": lambda text: text,
    "dotted names": lambda text: re.sub(r"_(cell|atom_site)_", r"_\1.", text),
    "capitals": lambda text: re.sub(r"^ ?_\S+", lambda m: m[0].upper(), text, flags=re.MULTILINE),
    "LOOP_": lambda text: text.replace("loop_", "LOOP_").replace("data_", "DATA_"),
    "occupancy .": lambda text: by_rows(text, lambda line: re.sub(r"\S+$", ".", line)),
    "occupancy ?": lambda text: by_rows(text, lambda line: re.sub(r"\S+$", "?", line)),
    "occupancy 1.001": lambda text: by_rows(text, lambda line: re.sub(r"\S+$", "1.001(2)", line)),
    "uncertainties": lambda text: by_rows(text, lambda line: re.sub(r"(\.\d{5})\d+", r"\1(2)", line)),
    "four digits": lambda text: by_rows(text, lambda line: re.sub(r"(\.\d{4})\d+", r"\1", line)),
    "no-break spaces": lambda text: by_rows(text, lambda line: line.replace("  ", "\u00a0 ")),
    "tabs": lambda text: by_rows(text, lambda line: line.replace("  ", "\t")),
    "a block before": lambda text: "data_global\n_journal_name_full 'A journal'\n" + text,
    "a block after": lambda text: text + "\ndata_more\n_publ_author_name 'A. N. Other'\n",
    "text field": lambda text: text + "\n_refine_special_details\n;\nloop_\ndata_x\n_cell_length_a 99\n;\n",
    "charges": lambda text: by_rows(text, lambda line: re.sub(r"^(\s*[A-Z][a-z]?)(?=\s)", r"\g<1>2+", line)),
    "Latin-1": lambda text: ("# Müller, 5 Å\n" + text).encode("latin-1"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "Windows' UTF-8": lambda text: b"\xef\xbb\xbf" + text.encode(),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("symprec", [None, 0.01], ids=["P 1", "with symmetry"])
def test_dialects_of_cif(name: str, dialect: str, symprec: float | None) -> None:
    text = str(CifWriter(GROUPS[name], symprec=symprec))
    assert same(parse(DIALECTS[dialect](text)), GROUPS[name])


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_that_is_only_named(name: str) -> None:
    """Without its list of operations, the file's symbol gives them."""
    text = str(CifWriter(GROUPS[name], symprec=0.01))
    named = re.sub(r"loop_\n _symmetry_equiv_pos_site_id\n _symmetry_equiv_pos_as_xyz\n(  \d+ .*\n)+", "", text)
    assert "xyz" not in named
    assert same(parse(named), GROUPS[name])


@pytest.mark.parametrize("name", GROUPS)
def test_an_operation_that_is_lost_or_wrong(name: str) -> None:
    """With one operation less the group is still told by the others and its name; a wrong one is refused."""
    lines = str(CifWriter(GROUPS[name], symprec=0.01)).split("\n")
    listed = [i for i, line in enumerate(lines) if re.match(r"\s+\d+\s+'", line)]
    for i in (listed[1], listed[-1]):
        assert same(parse("\n".join(lines[:i] + lines[i + 1 :])), GROUPS[name])
    text = "\n".join(lines)
    for wrong in ("'x, y, y'", "'x+x, y, z'", "'x, y'", "'2x, y, z'", "'x, y, z+0.123'"):
        with pytest.raises(InputError, match="is not a symmetry operation"):
            parse(text.replace(lines[listed[1]].split("  ")[-1], wrong))


def test_poscar_and_dictionary_of_every_sample() -> None:
    for structure in SAMPLES.values():
        for value in (Poscar(structure).get_str(), structure.as_dict(), json.dumps(structure.as_dict()), structure):
            assert same(parse(value), structure)


def statement(text: str) -> Counter[str]:
    """Return the composition that a CIF by pymatgen states for its cell."""
    formula = re.search(r"_chemical_formula_sum\s+'?([^'\n]*)", text)
    assert formula
    words = re.findall(r"([A-Z][a-z]?)(\d*)", formula[1])
    return Counter({symbol: int(count or 1) for symbol, count in words})


def mutated(text: str, chance: random.Random) -> str:
    """Change a text in one place: a character, a word or a line."""
    lines = text.split("\n")
    row = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[row]
        case 1:
            lines.insert(row, lines[chance.randrange(len(lines))])
        case 2:
            lines[row] = lines[row][: chance.randrange(len(lines[row]) + 1)]
        case 3:
            words = lines[row].split(" ")
            words[chance.randrange(len(words))] = chance.choice(
                ["?", ".", "nan", "-1", "1e9", "Xx", "'", ";", "0", "é"]
            )
            lines[row] = " ".join(words)
        case 4:
            place = chance.randrange(len(text))
            return text[:place] + chance.choice("0123456789.-+()'\"; \n_xXeE{[,\0") + text[place + 1 :]
        case _:
            other = chance.randrange(len(lines))
            lines[row], lines[other] = lines[other], lines[row]
    return "\n".join(lines)


def texts(kind: str) -> list[str]:
    structures = [*GROUPS.values(), *SAMPLES.values()]
    match kind:
        case "CIF":
            return [str(CifWriter(each, symprec=s)) for each in structures for s in (None, 0.01)]
        case "POSCAR":
            return [Poscar(each).get_str() for each in structures]
        case "XDATCAR":
            return [Poscar(each).get_str().replace("direct", "Direct configuration=     1") for each in structures]
        case "mmCIF":
            written = [str(CifWriter(each)) for each in structures]
            return [re.sub(r"_(cell|atom_site|symmetry)_", r"_\1.", text) for text in written]
        case _:
            return [json.dumps(each.as_dict(), indent=0) for each in structures]


@pytest.mark.parametrize("kind", ["CIF", "mmCIF", "POSCAR", "XDATCAR", "JSON"])
def test_mutated_texts_are_refused_in_one_line_or_read_as_they_state(kind: str) -> None:
    chance = random.Random(23)
    originals = texts(kind)
    read, reasons = 0, list[str]()
    for _ in range(500):
        text = chance.choice(originals)
        for _ in range(chance.choice([1, 1, 2, 4])):
            text = mutated(text, chance)
        try:
            crystal = parse(text)
        except InputError as error:
            reasons.append(str(error))
            continue
        read += 1
        if kind in ("CIF", "mmCIF") and "_chemical_formula_sum" in text:
            stated = statement(text)
            found = Counter(SYMBOLS[z] for z in crystal.numbers.tolist())
            assert {s: n * sum(stated.values()) for s, n in found.items()} == {
                s: n * sum(found.values()) for s, n in stated.items()
            }, text
    assert read > 20
    assert not any("\n" in reason for reason in reasons)
