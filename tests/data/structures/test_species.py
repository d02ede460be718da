"""Type symbols, labels and formulas name the elements that a crystallographer reads, or none."""

from __future__ import annotations

import pytest

from zoo.data.structures.species import element_of_label, element_of_type, element_of_word, parse_formula
from zoo.errors import InputError


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("Na", "Na"),
        ("Na1+", "Na"),
        ("O2-", "O"),
        ("Fe3+", "Fe"),
        ("Fe+2", "Fe"),
        ("FE", "Fe"),
        ("si", "Si"),
        ("D", "H"),
    ],
)
def test_type_symbols(text: str, element: str) -> None:
    assert element_of_type(text) == element


@pytest.mark.parametrize(
    "text", ["CO3", "NH4", "OH", "HF", "CN", "NO3", "PO4", "H2O", "Xx", "T", "T1", "", "Na,K", "SO4", "RE"]
)
def test_type_symbols_that_are_no_element(text: str) -> None:
    with pytest.raises(InputError):
        element_of_type(text)


def test_a_formula_settles_capitals() -> None:
    assert element_of_type("CO", ("Co", "O")) == "Co"
    assert element_of_type("RE", ("O", "Re")) == "Re"
    assert element_of_type("T", ("H", "O")) == "H"
    with pytest.raises(InputError, match="group of atoms"):
        element_of_type("CO", ("C", "O"))


@pytest.mark.parametrize(
    ("label", "formula", "element"),
    [
        ("Na1", None, "Na"), ("O1A", None, "O"), ("C12", None, "C"), ("OH1", None, "O"), ("Wat2", None, "O"),
        ("O-H3", ("Al", "H", "O"), "O"), ("O-h1", ("Al", "H", "O"), "O"),
        ("HOh1", ("H", "O"), "H"), ("NB1", ("C", "N"), "N"), ("CA", ("C", "O"), "C"),
        ("CA", ("Ca", "O"), "Ca"), ("Ho1", ("H", "O"), "H"), ("D1", None, "H"), ("SiT1", ("Al", "O", "Si"), "Si"),
    ],
)  # fmt: skip
def test_labels(label: str, formula: tuple[str, ...] | None, element: str) -> None:
    assert element_of_label(label, formula) == element


@pytest.mark.parametrize(
    ("label", "formula"),
    [("CA1", None), ("NB1", None), ("T1", None), ("Na,K", None), ("M1", None), ("CA", ("C", "Ca")), ("Zn1", ("Cu",))],
)
def test_labels_that_are_refused(label: str, formula: tuple[str, ...] | None) -> None:
    with pytest.raises(InputError, match=r"label|unknown element"):
        element_of_label(label, formula)


def test_words_of_a_poscar() -> None:
    assert [element_of_word(word) for word in ("Na", "NA", "cl", "Fe_pv", "O_s/1a2b")] == ["Na", "Na", "Cl", "Fe", "O"]
    for word in ("CO", "Xx", "H2O"):
        with pytest.raises(InputError, match="unknown element"):
            element_of_word(word)


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Al2 O3", {"Al": 2, "O": 3}),
        ("Hf3(CuSi)4", {"Hf": 3, "Cu": 4, "Si": 4}),
        ("C6 H5 O 1-, 2(H2 O)", {"C": 6, "H": 9, "O": 3}),
        ("'D2 O'", {"H": 2, "O": 1}),
        ("NA CL", {"Na": 1, "Cl": 1}),
        ("Fe0.95 O", {"Fe": 0.95, "O": 1}),
    ],
)
def test_formulas(text: str, amounts: dict[str, float]) -> None:
    read = parse_formula(text)
    assert read is not None
    assert {symbol: amount for symbol, (amount, _) in read.items()} == pytest.approx(amounts)


@pytest.mark.parametrize("text", ["", "?", "unknown", "C6 H5)n", "(C H2", "Xx2 O"])
def test_texts_that_are_no_formula(text: str) -> None:
    assert parse_formula(text) is None
