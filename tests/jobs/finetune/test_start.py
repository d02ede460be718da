"""What a fine-tuning starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.errors import UnknownNameError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.start import Start, describe, prepare, row_notes, row_warnings
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

TASK = plugins.task("dielectric")


def options(**changes: object) -> Options:
    return Options("dielectric", Path("d.csv"), **{"mode": "mixture", **changes})  # type: ignore[arg-type]


def test_a_mixture_reads_experts_and_a_full_fine_tuning_none() -> None:
    (mixture,) = prepare(options(backbone="dEf-10k"))
    assert mixture.method == "dEf-10k (mixture)"
    assert "dEf-10k" in [each.name for each in mixture.experts]
    names = [each.name for each in mixture.pretrained]
    assert sorted(names) == sorted(set(names))
    (full,) = prepare(options(backbone="dEf-10k", mode="full"))
    assert (full.method, full.experts) == ("dEf-10k (full)", ())
    assert full.key == mixture.key == f"transfer-{full.pretrained[0].digest[:12]}"


def test_an_odd_body_cannot_be_mixed(backbone: Path) -> None:
    (start,) = prepare(options(backbone=backbone))
    assert (start.mode, start.experts) == ("full", ())
    lines = describe(start, options(backbone=backbone), TASK, {})
    assert lines[1] == "mode full: no registered backbone has the graphs and sizes of tiny, so nothing to mix"


def test_random_weights() -> None:
    (start,) = prepare(options(backbone=None))
    assert (start.name, start.method, start.key, start.pretrained) == (FROM_SCRATCH, FROM_SCRATCH, "scratch", [])
    assert describe(start, options(backbone=None), TASK, {}) == []
    with pytest.raises(UnknownNameError, match="did you mean dEf-10k"):
        prepare(options(backbone="dEf-10"))


def test_the_network_from_scratch_has_the_sizes_of_the_backbone_and_nothing_of_its_weights(backbone: Path) -> None:
    (start,) = prepare(options(backbone=backbone, mode="full"))
    scratch = start.scratch()
    assert (scratch.method, scratch.key) == (FROM_SCRATCH, "scratch")
    pretrained, _ = start.initial(1)
    blank, rates = scratch.initial(1)
    again, _ = Start(start.backbone, from_scratch=True).initial(1)
    assert rates == {}
    assert blank.architecture == pretrained.architecture
    ours, theirs = blank.state_dict(), pretrained.state_dict()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in ours.items())
    assert any(not torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_leaks_are_told_with_their_numbers() -> None:
    (start,) = prepare(options(backbone="dEf-10k", mode="full"))
    lines = row_warnings(start, {"dEf-10k": [0, 5]}, [0, 5], ["10 test rows", "12 test rows"])
    assert lines == [
        "5 of 12 test rows are crystals that dEf-10k was trained on, on this very property: "
        "their error says nothing about new crystals"
    ]
    assert row_notes(start, TASK, {"dEf-10k": [0, 5]}, [0, 5], ["10 test rows", "12 test rows"]) == []


def test_crystals_seen_with_another_property_are_no_warning() -> None:
    (start,) = prepare(options(backbone="dEf-10k", mode="full"))
    (line,) = row_notes(start, TASK, {}, [2], ["10 test rows"])
    assert line.startswith("2 of 10 test rows are crystals that dEf-10k saw in training, with another property (")
    assert row_warnings(start, {}, [2], ["10 test rows"]) == []
    assert row_notes(start, TASK, {}, [0], ["10 test rows"]) == []


def test_the_target_is_not_called_another_property() -> None:
    (start,) = prepare(options(backbone="dEf-10k", mode="mixture"))
    (line,) = row_notes(start, plugins.task("formation-energy"), {}, [2], ["10 test rows"])
    assert line.startswith("2 of 10 test rows are crystals that at least one of dEf-10k, ")
    assert line.endswith("saw in training, with another property (band_gap, is_metal): no leak of the target")
