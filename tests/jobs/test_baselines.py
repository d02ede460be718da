"""Baselines: fitted on training rows alone, each featurizer run once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo._utils.progress import progress
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.splits import Split
from zoo.data.tables.table import Table, read_table
from zoo.errors import PluginError, UnknownNameError
from zoo.jobs.baselines import baseline_digest, featurize, find_baselines, fit_baseline, fit_baselines
from zoo.jobs.fit_store import FitStore
from zoo.jobs.methods import Dataset, build_dataset
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPLIT = Split(0, np.arange(12), np.arange(12, 15), np.arange(15, 20))


@pytest.fixture(scope="module")
def data(moduli: Callable[[int], Path]) -> tuple[Table, Dataset]:
    table = read_table(moduli(20), plugins.task("bulk-modulus"))
    return build_dataset(table, plugins.task("bulk-modulus"), GraphSettings(), frozenset(range(1, 119)), "zoo", 0.1)


def test_each_is_found_once_under_the_name_that_is_shown() -> None:
    assert find_baselines(("mean", "rf", "mean")) == {"mean": "mean", "rf": "rf"}
    assert len({baseline_digest(name) for name in ("mean", "rf", "ridge")}) == 3
    with pytest.raises(UnknownNameError, match="did you mean"):
        find_baselines(("ridgee",))


def test_it_learns_from_training_rows_alone(data: tuple[Table, Dataset]) -> None:
    _, dataset = data
    slope = np.linspace(0, 1, 20)
    line = Dataset(dataset.graphs, 10 ** (1 + slope), "log10")
    ridge = plugins.baseline("ridge")
    before = fit_baseline(line, SPLIT, ridge, slope[:, None])
    assert before.predictions[SPLIT.test] == pytest.approx(line.targets[SPLIT.test], rel=0.2)
    assert before.parameters.keys() == set(ridge.grid)
    others = line.targets.copy()
    others[12:] = 1e6
    after = fit_baseline(Dataset(dataset.graphs, others, "log10"), SPLIT, ridge, slope[:, None])
    np.testing.assert_array_equal(after.predictions, before.predictions)


def test_an_error_of_the_featurizer_fails_the_fits_to_it(data: tuple[Table, Dataset]) -> None:
    with pytest.raises(PluginError, match="it failed"):
        fit_baseline(data[1], SPLIT, plugins.baseline("ridge"), PluginError("it failed"))


def test_finished_fits_are_read_and_not_repeated(data: tuple[Table, Dataset], tmp_path: Path) -> None:
    table, dataset = data
    store = FitStore(tmp_path, resume=True)
    crystals = [record.crystal for record in table.records]
    first = fit_baselines({"mean": "mean"}, crystals, dataset, [SPLIT], store, quiet=True)
    assert FitStore.count(tmp_path) == 1
    shifted = Dataset(dataset.graphs, dataset.targets * 2, "log10")
    again = fit_baselines({"mean": "mean"}, crystals, shifted, [SPLIT], store, quiet=True)
    np.testing.assert_array_equal(again["mean"][0].predictions, first["mean"][0].predictions)
    mean = 10 ** np.log10(dataset.targets[SPLIT.train]).mean()
    assert first["mean"][0].predictions[SPLIT.test] == pytest.approx(mean)
    assert fit_baselines({}, crystals, dataset, [SPLIT], store, quiet=True) == {}


def test_a_featurizer_that_two_baselines_share_runs_once(data: tuple[Table, Dataset]) -> None:
    crystals = [record.crystal for record in data[0].records][:3]
    with progress("", None, quiet=True) as bar:
        found = featurize({plugins.baseline(name).featurizer for name in ("ridge", "lasso", "mean")}, crystals, bar)
    assert plugins.baseline("ridge").featurizer == plugins.baseline("lasso").featurizer
    assert len(found) == len({plugins.baseline(name).featurizer for name in ("ridge", "mean")})
    assert all(len(vectors) == 3 for vectors in found.values())  # type: ignore[arg-type]
