"""Files in TOML, checked against a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ConfigDict

from zoo._utils.validation import read_toml
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


class Fit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    epochs: int


class Recipe(BaseModel):
    fit: Fit


def test_a_file_is_read_with_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[fit]\nepochs = 3\n")
    assert read_toml(path, Recipe) == (Recipe(fit=Fit(epochs=3)), b"[fit]\nepochs = 3\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[fit", "is not valid TOML"),
        (b"\xff", "is not valid TOML"),
        (b"[fit]\nepochs = 3\nepoch = 3", "fit.epoch: there is no such key"),
        (b"[fit]", "fit.epochs: is missing"),
        (b"[fit]\nepochs = 'many'", "fit.epochs: must be a whole number"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_toml(path, Recipe)
    assert str(raised.value).startswith(str(path))
    assert said in str(raised.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recipe\.toml cannot be read: No such file"):
        read_toml(tmp_path / "recipe.toml", Recipe)
