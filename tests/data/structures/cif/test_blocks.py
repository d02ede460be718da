"""Names and values of a CIF: dialects of names, quotes, loops, and lines that break the grammar."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.data.structures.cif.blocks import number, read_blocks, unquoted
from zoo.errors import InputError

SALT = (Path(__file__).parents[2] / "nacl.cif").read_text()


def test_rock_salt() -> None:
    (block,) = read_blocks(SALT)
    assert block.name == "NaCl"
    assert block.get("_space_group_it_number", "_symmetry_int_tables_number") == "225"
    assert block.get("_cell_length_a") == "5.6402"
    assert block.get("_chemical_formula_sum") == "Na Cl"
    assert block.column("_atom_site_type_symbol") == ["Na+", "Cl-"]
    assert block.sites["_atom_site_fract_x"] == ["0", "0.5"]
    assert block.has_structure
    assert block.repeated == ""
    assert block.get("_cell_volume") == ""


@pytest.mark.parametrize(
    "text",
    [
        SALT.replace("_atom_site_", "_atom_site.").replace("_cell_", "_cell."),  # dotted dictionaries
        SALT.replace("_atom_site_fract_x", "_ATOM_SITE_FRACT_X").replace("_cell_length_a", "_Cell_Length_A"),
        SALT.replace("5.6402\n_cell_length_b", "\u00a05.6402\n_cell_length_b"),  # a space that does not break
        SALT.replace("data_NaCl", "data_NaCl\n_publ_author_name 'O'Neill"),  # not needed, and dropped
    ],
)
def test_dialects_hold_the_same(text: str) -> None:
    (plain,), (block,) = read_blocks(SALT), read_blocks(text)
    assert block.sites == plain.sites
    assert block.get("_cell_length_a") == "5.6402"


def test_blocks_without_coordinates_hold_no_structure() -> None:
    words, salt = read_blocks("data_global\n_journal_year 2001\n" + SALT)
    assert (words.has_structure, salt.has_structure) == (False, True)
    (empty,) = read_blocks(SALT.replace("Na1 Na+ 0 0 0 1", "Na1 Na+ ? ? ? 1").replace("0.5 0.5 0.5", "? ? ?"))
    assert empty.sites
    assert not empty.has_structure


def test_a_single_site_needs_no_loop() -> None:
    (block,) = read_blocks(
        "data_Po\n_atom_site_label Po\n_atom_site_fract_x 0\n_atom_site_fract_y 0\n_atom_site_fract_z 0"
    )
    assert block.sites["_atom_site_label"] == ["Po"]
    assert block.has_structure


@pytest.mark.parametrize(("second", "repeated"), [("5.6402", ""), ("?", ""), ("5.65", "_cell_length_a")])
def test_a_name_given_twice(second: str, repeated: str) -> None:
    (block,) = read_blocks(SALT.replace("_cell_length_b", f"_cell_length_a {second}\n_cell_length_b"))
    assert block.repeated == repeated
    assert repeated or block.get("_cell_length_a") == "5.6402"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rock salt", "broken CIF: no line begins with data_"),
        (SALT.rstrip().removesuffix("1"), "broken CIF: a loop_ ends in the middle of a row"),
        ("5.64\ndata_x\n_cell_length_a 5\n", "broken CIF: line 1 (5.64) comes before the first data_"),
        (
            SALT.replace("_cell_length_b   5.6402", "_cell_length_b   'five"),
            "broken CIF: line 6 (_cell_length_b 'five) breaks the grammar",
        ),
    ],
)
def test_broken_texts_are_refused_with_the_line(text: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        read_blocks(text)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("text", "value"),
    [("5.64(2)", 5.64), ("-.5", -0.5), ("1.2e-3", 0.0012), ("+7.", 7.0), ("?", None), ("1/3", None), ("nan", None)],
)
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("'P 1'", "P 1"), ('"x, y"', "x, y"), ("O1'", "O1'"), (";two\nlines\n;", "two\nlines"), ("'", "'")],
)
def test_quotes(text: str, value: str) -> None:
    assert unquoted(text) == value


def test_words_after_the_name_of_a_block() -> None:
    (block,) = read_blocks("data_rock salt (halite)\n_cell_length_a 5.64\n")
    assert (block.name, block.get("_cell_length_a")) == ("rock", "5.64")
    (block,) = read_blocks("data_ NaCl\n_cell_length_a 5.64\n")
    assert block.get("_cell_length_a") == "5.64"
