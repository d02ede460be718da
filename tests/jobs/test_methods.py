"""What is compared on one split: the data set, the settings for its size, the fit of a network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.splits import Split, make_split
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.jobs import methods, pretrained
from zoo.jobs.methods import SCRATCH, TRANSFER, build_dataset, sized, valid_range
from zoo.models.inference import expert_vectors
from zoo.registry import plugins, task_choice
from zoo.registry.contracts import Task
from zoo.training.transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.data.tables.table import Table
    from zoo.models.network import CrystalNetwork

EVERYTHING = frozenset(range(1, 119))
ANYTHING = Task("anything", "K_VRH", "GPa")


@pytest.fixture(scope="module")
def table(moduli: Callable[[int], Path]) -> Table:
    return read_table(moduli(30), plugins.task("bulk-modulus"))


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "decay"),
    [(20, 8, 250, 0.1), (160, 16, 150, 0.1), (500, 32, 100, 0.1), (5000, 32, 60, 0.02)],  # 1500 steps, 60 to 250 epochs
)
def test_few_rows_get_small_batches_many_epochs_and_more_decay(
    rows: int, batch: int, epochs: int, decay: float
) -> None:
    for settings in (SCRATCH, TRANSFER):
        found = sized(settings, rows)
        assert (found.batch_size, found.epochs) == (batch, epochs)
        assert found.weight_decay == pytest.approx(decay)
        assert found.learning_rate == settings.learning_rate


def test_the_data_set_has_the_rows_of_the_table_in_their_order(table: Table) -> None:
    found, dataset = build_dataset(table, plugins.task("bulk-modulus"), GraphSettings(), EVERYTHING, "zoo", 0.1)
    assert found.records == table.records
    assert dataset.targets.tolist() == [record.target for record in table.records]
    assert (dataset.transform, len(dataset.graphs)) == ("log10", len(table.records))
    assert (dataset.classes, dataset.valid) == (0, (0.1, 600.0))


@pytest.mark.parametrize(
    ("factor", "told"), [(1e60, r"\d.*e\+6\d in row \d+"), (1e-60, r"no value is larger than \d.*e-5\d")]
)
def test_values_that_cannot_be_computed_with_are_refused(table: Table, factor: float, told: str) -> None:
    records = [replace(record, target=(record.target or 0.0) * factor) for record in table.records]
    with pytest.raises(
        InputError, match=rf"k\.csv: column K_VRH: {told}, and the largest value must be from 1e-50 to 1e\+50 in size;"
    ):
        build_dataset(replace(table, records=records), ANYTHING, GraphSettings(), EVERYTHING, "zoo", 0.1)


def test_a_crystal_of_unknown_elements_is_rejected_with_its_reason(table: Table) -> None:
    oxides = [record for record in table.records if "O" in record.crystal.elements]
    assert 0 < len(oxides) < len(table.records)
    found, dataset = build_dataset(table, plugins.task("bulk-modulus"), GraphSettings(), EVERYTHING - {8}, "tiny", 1.0)
    assert [each.id for each in found.rejected] == [record.id for record in oxides]
    assert {each.reason for each in found.rejected} == {"tiny has no features for O"}
    assert [record.target for record in found.records] == dataset.targets.tolist()
    with pytest.raises(InputError, match=f"{len(oxides)} of 30 rows cannot be used"):
        build_dataset(table, plugins.task("bulk-modulus"), GraphSettings(), EVERYTHING - {8}, "tiny", 0.0)


def test_a_fit_depends_on_the_seed_alone_and_predicts_the_rows_of_its_split(table: Table, tmp_path: Path) -> None:
    _, dataset = build_dataset(table, plugins.task("bulk-modulus"), GraphSettings(), EVERYTHING, "zoo", 0.1)
    split = make_split(table.records, seed=3, n_train=15)
    settings = replace(sized(SCRATCH, 15), epochs=1)
    told: list[int] = []

    def fit() -> methods.Outcome:
        return methods.fit_network(
            dataset,
            split,
            lambda seed: (pretrained.new_network(seed), {}),
            settings,
            workdir=tmp_path,
            device="cpu",
            on_epoch=lambda _row, epochs: told.append(epochs),
        )

    first, again = fit(), fit()
    np.testing.assert_allclose(first.predictions, again.predictions, rtol=1e-6)
    rows = np.concatenate([split.train, split.val, split.test])
    assert np.isfinite(first.predictions[rows]).all()
    assert np.isnan(np.delete(first.predictions, rows)).all()
    assert told == [1, 1]
    assert first.member is not None
    assert first.member.scaler.mean == pytest.approx(np.log10(dataset.targets[split.train]).mean())


@pytest.mark.parametrize("keep", ["best", "last"])
def test_known_vectors_of_experts_change_nothing(keep: Literal["best", "last"], table: Table, tmp_path: Path) -> None:
    _, dataset = build_dataset(table, plugins.task("bulk-modulus"), GraphSettings(), EVERYTHING, "zoo", 0.1)
    split = Split(0, np.arange(5, 25), np.arange(5), np.arange(25, 30))  # rows whose order is not that of the table
    start = partial(_mixture, pretrained.load("dEf-10k").network)
    vectors = expert_vectors(start(0)[0], dataset.graphs, np.arange(30))
    settings = replace(TRANSFER, epochs=3, batch_size=8, keep=keep)
    one, other = (
        methods.fit_network(dataset, split, start, settings, workdir=tmp_path, device="cpu", vectors=known)
        for known in (None, vectors)
    )
    np.testing.assert_allclose(one.predictions, other.predictions, rtol=1e-5)
    assert len(one.history) == (1 if keep == "last" else 3)
    assert one.best_epoch <= one.history[-1]["epoch"] == 3


def _mixture(source: CrystalNetwork, seed: int) -> tuple[CrystalNetwork, dict[str, float]]:
    return transfer(source, "mixture", seed, experts=[source])


def test_the_transform_of_a_property_is_that_of_its_training_rows(table: Table) -> None:
    """Whatever the targets of test rows are, the choice and its reason stay."""
    _, dataset = build_dataset(table, ANYTHING, GraphSettings(), EVERYTHING, "zoo", 0.1)
    decades = np.geomspace(1e-5, 10.0, 30)
    task = task_choice.made("sigma", "S/cm")
    splits = [make_split(table.records, seed=seed) for seed in range(2)]
    tested = np.union1d(*(split.test for split in splits))
    notes = set()
    for wild in (1.0, 1e30, 1e-30):
        targets = decades.copy()
        targets[tested] = wild
        found, made, note = methods.with_proposed_transform(task, replace(dataset, targets=targets), splits)
        assert (found.transform, made.transform, found.valid) == ("log10", "log10", (0.0, np.inf))
        assert found.unit == "S/cm"
        notes.add(note)
    assert len(notes) == 1
    assert notes.pop().endswith("; --no-log takes the values themselves")


def test_no_row_is_left_out_for_a_transform_that_nobody_asked_for(table: Table) -> None:
    _, dataset = build_dataset(table, ANYTHING, GraphSettings(), EVERYTHING, "zoo", 0.1)
    split = make_split(table.records, seed=0)
    targets = np.geomspace(1e-5, 10.0, 30)
    targets[split.test[0]] = 0.0
    task = task_choice.made("sigma", "S/cm")
    dataset = replace(dataset, targets=targets)
    assert methods.with_proposed_transform(task, dataset, [split]) == (
        task,
        dataset,
        "sigma (S/cm) is learned as it is: a test row has a value that is not positive, so it has no logarithm; "
        "--log takes log10",
    )
    every_row_is_tested = [replace(split, test=np.arange(30))]
    assert "too few to tell" in methods.with_proposed_transform(task, dataset, every_row_is_tested)[2]


def test_the_valid_range_has_no_end_that_log10_does_not_take() -> None:
    assert valid_range(plugins.task("bulk-modulus")) == (0.1, 600.0)
    assert valid_range(Task("t", "t", "", transform="log10", valid=(0, float("inf")))) == (None, None)
    assert valid_range(Task("t", "t", "", valid=(0, 5))) == (0.0, 5.0)
