"""The network that several targets share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.jobs.finetune.joint.fits import shared_fits
from zoo.jobs.finetune.joint.rows import read_rows
from zoo.jobs.finetune.start import prepare
from zoo.jobs.finetune.target import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.finetune.blend import SharedFits
    from zoo.jobs.finetune.options import Options


def fits(options: Options, out: Path) -> list[list[SharedFits]]:
    every = options.each()
    (start,) = prepare(every[0])
    rows = read_rows(options, every, start, out, print, print)
    store = open_store(options, [start], replace(rows.of_target[0], splits=rows.splits), out, resume=False)
    return shared_fits(options, start, rows, store, "cpu", quiet=True)


def test_the_order_of_the_targets_does_not_matter_to_the_fit(options: Options, tmp_path: Path) -> None:
    """The one with the most values has the first head, whatever comes first on the command line."""
    bulk, shear = fits(options, tmp_path / "one")
    other_shear, other_bulk = fits(replace(options, target=("G_VRH", "K_VRH")), tmp_path / "two")
    for one, other in ((bulk, other_bulk), (shear, other_shear)):
        np.testing.assert_allclose(one[0].fits[0].predictions, other[0].fits[0].predictions, rtol=1e-6)


def test_only_the_first_target_has_its_error_in_the_history(options: Options, tmp_path: Path) -> None:
    bulk, shear = fits(options, tmp_path / "run")
    assert np.isfinite([row["validation_mae"] for row in bulk[0].fits[0].history]).all() or (
        np.isfinite([row["validation_mae"] for row in shear[0].fits[0].history]).all()
    )
    both = [row["validation_mae"] for each in (bulk, shear) for row in each[0].fits[0].history]
    assert np.isfinite(both).sum() == len(both) / 2
    assert bulk[0].folds == shear[0].folds == []


def test_a_baseline_has_no_network_to_share(options: Options, tmp_path: Path) -> None:
    bulk, shear = fits(replace(options, mode="mean"), tmp_path / "run")
    assert bulk[0].fits == shear[0].fits == []
    assert sum(map(len, bulk[0].folds)) == pytest.approx(sum(map(len, shear[0].folds)), abs=10)
