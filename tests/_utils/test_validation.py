"""Options validated by pydantic, with errors of zoo's own that name the option."""

from __future__ import annotations

import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from zoo._utils.validation import LaxPath, Number, Whole, validated
from zoo.errors import InputError


@validated
@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Demo:
    """Options of every kind."""

    name: str
    folder: LaxPath = Path()
    max_steps: Annotated[Whole | None, Field(ge=1)] = None
    rate: Annotated[Number, Field(gt=0, le=1)] = 0.5
    kind: Literal["a", "b"] = "a"
    parts: tuple[str, ...] = ()
    flag: bool = False


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_steps": 2.0}, "max_steps=2.0: must be a whole number"),
        ({"max_steps": True}, "max_steps=True: must be a whole number"),
        ({"max_steps": 0}, "max_steps 0: must be at least 1"),
        ({"rate": "x"}, "rate='x': must be a number"),
        ({"rate": float("nan")}, "rate nan: must be more than 0"),
        ({"rate": 2}, "rate 2: must be at most 1"),
        ({"kind": "c"}, "kind c: must be one of a, b"),
        ({"parts": "ab"}, "parts='ab': must be a tuple"),
        ({"parts": ("a", 1)}, "parts.1=1: must be text"),
        ({"flag": "yes"}, "flag='yes': must be True or False"),
        ({"folder": np.zeros((2, 2))}, "folder=ndarray: must be the path of a file or folder"),
        ({"max_step": 1}, "max_step: there is no such option"),
        ({"name": 3}, "name=3: must be text"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Demo(**{"name": "x", **wrong})
    assert str(caught.value) == message


def test_options_by_position_and_missing_ones_are_named() -> None:
    with pytest.raises(InputError, match=r"^name=3: must be text$"):
        Demo(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^name is missing$"):
        Demo()  # type: ignore[call-arg]


def test_it_is_a_dataclass_like_any_other() -> None:
    demo = Demo("x", "here", np.int64(3), np.float32(0.25))  # type: ignore[arg-type]
    assert asdict(demo) == {
        "name": "x",
        "folder": Path("here"),
        "max_steps": 3,
        "rate": 0.25,
        "kind": "a",
        "parts": (),
        "flag": False,
    }
    assert (type(demo.max_steps), type(demo.rate)) == (int, float)
    assert replace(demo, flag=True) == Demo("x", Path("here"), 3, 0.25, flag=True)
    assert pickle.loads(pickle.dumps(demo)) == demo
    with pytest.raises(InputError, match="max_steps 0"):
        replace(demo, max_steps=0)
