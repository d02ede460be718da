"""``--backbone all``: every backbone is compared on validation rows, and the best one kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.interrupted import Cut, cut_after

from zoo.data.splits import make_split
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.jobs.finetune import target as job
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.finetune.start import choice_split
from zoo.registry import backbones, plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def data(moduli: Callable[[int], Path]) -> Path:
    return moduli(60)


def _cut(*_args: object) -> None:
    raise Cut


def test_the_best_backbone_on_validation_rows_is_kept(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    request = Options("bulk-modulus", data, mode="mixture", backbone="all", epochs=2, test=0.2, val=0.3)
    found = finetune(request, tmp_path / "run", quiet=True, say=said.append)
    there = [card.name for card in backbones.cards() if card.bundled]
    assert len(there) > 2
    assert set(found.tried) == set(there)
    assert list(found.tried.values()) == sorted(found.tried.values())
    best = next(iter(found.tried))
    assert found.backbone is not None
    assert found.backbone.name == best
    assert any(
        f"backbone {best} from" in line and "the best on validation rows (MAE of log10: " in line for line in said
    )
    # The errors are those of a fine-tuning of each on the same split.
    for name in {best, there[-1]}:
        alone = finetune(replace(request, backbone=name), tmp_path / name, quiet=True)
        outcome, split = alone.outcomes[alone.model][0], alone.splits[0]
        targets = np.array([record.target for record in alone.records])
        error = np.abs(np.log10(outcome.predictions[split.val]) - np.log10(targets[split.val])).mean()
        assert found.tried[name] == pytest.approx(error, rel=1e-3)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["backbones_tried"] == pytest.approx(found.tried)


def test_a_comparison_that_was_cut_off_goes_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request, out = (
        Options("bulk-modulus", data, backbone="all", mode="head", epochs=1, val=0.3),
        tmp_path / "run",
    )
    fitted = cut_after(2, monkeypatch)
    with pytest.raises(Cut):
        finetune(request, out, quiet=True)
    with pytest.raises(InputError, match="unfinished run; give resume=True"):
        finetune(request, out, quiet=True)
    fitted.append(())  # no longer two
    result = finetune(request, out, resume=True, quiet=True)
    assert len(result.tried) > 2
    assert len(fitted) == 3 + len(result.tried) - 2  # what was missing; the best one's fit is the run's own


def test_more_seeds_on_resume_do_not_mix_backbones(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice may fall otherwise, for other rows are left to judge by: each network is kept under its backbone."""
    request = Options("bulk-modulus", data, backbone="all", mode="head", epochs=1, test=0.2, val=0.4)
    real, judged = job.compare_backbones, []

    def otherwise(*args: Any, **kwargs: Any) -> dict[str, float]:
        found = real(*args, **kwargs)
        judged.append(dict(sorted(found.items(), key=lambda item: item[0] != ("Eg-NM", "dEf-10k")[len(judged) % 2])))
        return judged[-1]

    monkeypatch.setattr(job, "compare_backbones", otherwise)
    with monkeypatch.context() as patch:
        patch.setattr("zoo.jobs.finetune.folder.write_run", _cut)
        with pytest.raises(Cut):
            finetune(request, tmp_path / "run", quiet=True)
    result = finetune(replace(request, seeds=2), tmp_path / "run", resume=True, quiet=True)
    assert result.backbone is not None
    assert result.backbone.name == "dEf-10k"
    alone = finetune(replace(request, backbone="dEf-10k"), tmp_path / "alone", quiet=True)
    ours, theirs = (each.outcomes[each.model][0].predictions for each in (result, alone))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_no_row_that_a_seed_tests_on_helps_to_choose(data: Path, tmp_path: Path) -> None:
    records = read_table(data, plugins.task("bulk-modulus")).records
    splits = [make_split(records, seed=seed, test=0.2, val=0.4) for seed in range(3)]
    found = choice_split(splits)
    tested = {row for split in splits for row in split.test}
    assert set(found.val) == set(splits[0].val) - tested < set(splits[0].val)
    assert set(found.train) == set(splits[0].train) - tested < set(splits[0].train)
    assert choice_split(splits[:1]).as_ids(records) == splits[0].as_ids(records)
    with pytest.raises(InputError, match=r"backbone all: only [0-9] validation rows are test rows of no seed"):
        finetune(
            Options("bulk-modulus", data, mode="mixture", backbone="all", epochs=1, seeds=8, test=0.3, val=0.4),
            tmp_path / "run",
        )
    assert not (tmp_path / "run.partial").exists()
