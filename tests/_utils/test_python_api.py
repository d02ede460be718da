"""The Python API: what ``import zoo`` says to arguments of the wrong type, and in which words."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import zoo

FUNCTIONS = {name: each for name in zoo.__all__ if inspect.isfunction(each := getattr(zoo, name))}
WITH_ARGUMENTS = {name: each for name, each in FUNCTIONS.items() if inspect.signature(each).parameters}
EXAMPLE = Path(__file__).parents[2] / "examples" / "bulk_modulus.csv"
OPTIONS = zoo.Options("bulk-modulus", EXAMPLE)


def test_what_the_api_has() -> None:
    assert {"finetune", "study", "load", "read", "predict_files", "recognize", "graph", "pull", "backbone"} == set(
        WITH_ARGUMENTS
    )


@pytest.mark.parametrize("name", WITH_ARGUMENTS)
@pytest.mark.parametrize("wrong", [None, 3, object(), pd.DataFrame({"a": [1.0]})], ids=lambda each: type(each).__name__)
def test_a_first_argument_of_a_wrong_type_is_refused_in_a_line(name: str, wrong: Any) -> None:
    required = [each for each in inspect.signature(FUNCTIONS[name]).parameters.values() if each.default is each.empty]
    with pytest.raises(zoo.ZooError) as caught:
        FUNCTIONS[name](wrong, *["nothing"] * (len(required) - 1))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", WITH_ARGUMENTS)
def test_a_number_of_arguments_that_is_wrong_is_refused_with_those_that_there_are(name: str) -> None:
    first = next(iter(inspect.signature(FUNCTIONS[name]).parameters))
    with pytest.raises(zoo.ZooError, match=rf"^zoo\.{name}\({first}.*\): missing a required argument: '{first}'$"):
        FUNCTIONS[name]()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: zoo.finetune("bulk-modulus", pd.DataFrame()), "options='bulk-modulus': must be a zoo.Options"),  # type: ignore[arg-type]
        (lambda: zoo.finetune(OPTIONS, OPTIONS), "out=Options: must be a path or text"),  # type: ignore[arg-type]
        (lambda: zoo.finetune(OPTIONS, "x", say="y"), "say='y': must be a function or None"),  # type: ignore[arg-type]
        (lambda: zoo.study(OPTIONS, "x"), "options=Options: must be a zoo.StudyOptions"),  # type: ignore[arg-type]
        (lambda: zoo.load(b"dEf-10k"), "ref=b'dEf-10k': must be text or a path"),  # type: ignore[arg-type]
        (lambda: zoo.predict_files(["dEf-10k"], "a", "b"), "model=['dEf-10k']: must be a zoo.Model or several of them"),  # type: ignore[list-item]
        (lambda: zoo.recognize("dEf-10k", "a.cif"), "model='dEf-10k': must be a zoo.Model"),  # type: ignore[arg-type]
    ],
)
def test_the_type_that_is_wanted_is_named(call: Any, said: str) -> None:
    with pytest.raises(zoo.ZooError) as caught:
        call()
    assert str(caught.value).partition(": ")[2] == said


def test_a_model_checks_its_arguments_as_well() -> None:
    model = zoo.load("dEf-10k")
    with pytest.raises(zoo.ZooError, match=r"^Model\.predict: ids=5: must be a sequence of text or None$"):
        model.predict([], ids=5)  # type: ignore[arg-type]
    with pytest.raises(zoo.ZooError, match=r"^Model\.embed: pooling=3: must be text$"):
        model.embed([], 3)  # type: ignore[arg-type]


def test_messages_speak_of_parameters(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(zoo.ZooError, match=r"^fast=True leaves the fine-tuned network out .* give it without mode"):
        zoo.Options("bulk-modulus", EXAMPLE, fast=True, mode="full")
    with pytest.raises(zoo.ZooError, match=r"^folds 3: must be at most|^seeds 0: must be at least 1$"):
        zoo.Options("bulk-modulus", EXAMPLE, seeds=0)
    with pytest.raises(zoo.ZooError, match=f"^{tmp_path} exists; give another out, or remove it$"):
        zoo.finetune(OPTIONS, tmp_path)
    with pytest.raises(zoo.ZooError, match=r"target=COLUMN unit=UNIT takes any column .*add_file\('FILE\.py'\)"):
        zoo.finetune(zoo.Options("bulk", EXAMPLE), tmp_path / "out")
    logging.getLogger("zoo").warning("continue with %s", "--resume")
    assert caplog.messages == ["continue with resume=True"]


def test_what_is_told_on_the_way_speaks_of_parameters_too(tmp_path: Path) -> None:
    frame, told = pd.read_csv(EXAMPLE, comment="#", nrows=40), []
    options = zoo.Options(target="K_VRH", data=frame, backbone="none", mode="ridge", seeds=1)
    zoo.finetune(options, tmp_path / "out", quiet=True, say=told.append)
    assert [line for line in told if "log=" in line]
    assert not [line for line in told if "--" in line]
