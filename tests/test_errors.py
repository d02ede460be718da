"""Errors: exit codes, and what they say of a name that does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import errors
from zoo.errors import IntegrityError, UnknownNameError, ZooError

DOCS = Path(__file__).parents[1] / "docs"
ALL = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


def test_all_are_zoo_errors_and_stand_in_the_overview() -> None:
    assert len(ALL) > 10
    for each in ALL:
        assert issubclass(each, ZooError)
        assert f" {each.__name__} " in f" {errors.__doc__} "


def test_their_pages_are_in_the_documentation() -> None:
    pages = {each.page for each in ALL if each.page}
    assert len(pages) > 4
    for page in pages:
        assert (DOCS / f"{page}.md").is_file(), page
    assert not ZooError.page  # that of the command


def test_only_bytes_that_are_not_the_pinned_ones_have_an_exit_code_of_their_own() -> None:
    assert {each.exit_code for each in ALL if each is not IntegrityError} == {2}
    assert IntegrityError.exit_code == 3


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("DIELEKTRIC", ["dielectric", "band-gap"], "no task is called 'DIELEKTRIC'; did you mean dielectric?"),
        ("xyz", ["b", "a"], "no task is called 'xyz'; there is: a, b"),
        ("xyz", [], "no task is called 'xyz'; there is: none"),
    ],
)
def test_the_nearest_names_are_suggested(name: str, known: list[str], said: str) -> None:
    error = UnknownNameError("task", name, iter(known))
    assert str(error) == said
    assert (error.kind, error.name, error.known) == ("task", name, sorted(known))
