"""Methods and cells of a study."""

from __future__ import annotations

from pathlib import Path

from zoo.jobs.study.options import StudyOptions
from zoo.jobs.study.plan import Cell, Method, plan
from zoo.training.settings import FROM_SCRATCH


def test_methods_in_the_order_of_the_report() -> None:
    options = StudyOptions(
        "band-gap",
        Path("gaps.csv"),
        backbones=("dEf-10k", "Eg-NM"),
        modes=("full", "head", "frozen-ridge"),
        baselines=("rf",),
    )
    found = plan(options)
    assert [method.name for method in found] == [
        FROM_SCRATCH,
        *("dEf-10k", "dEf-10k, head", "dEf-10k, frozen + ridge"),
        *("Eg-NM", "Eg-NM, head", "Eg-NM, frozen + ridge"),
        "rf",
    ]
    assert [method.kind for method in found] == ["scratch", *["transfer"] * 6, "classical"]
    assert found[3] == Method("dEf-10k, frozen + ridge", "dEf-10k", baseline="ridge")


def test_cells_of_different_methods_have_different_files() -> None:
    names = ["dEf-10k, head", "dEf-10k head", "runs/dEf-10k/head", "hf://ada/dEf@main"]
    keys = {Cell(Method(name), size, seed).key for name in names for size in (50, 100) for seed in (0, 1)}
    assert len(keys) == 16
    assert all("/" not in key and ":" not in key and " " not in key for key in keys)
