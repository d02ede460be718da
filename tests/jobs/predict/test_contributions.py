"""Contributions of atoms: equal for equal environments, whatever the cell, and near the prediction on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.smallblend import blend

from zoo.data.crystal import Crystal
from zoo.data.structures.conversion import as_crystal
from zoo.errors import InputError
from zoo.jobs.predict import load
from zoo.jobs.predict.contributions import MAX_ATOMS, contributions
from zoo.jobs.predict.model import Model
from zoo.models import torch_free
from zoo.models.checkpoint import networks, weights
from zoo.testing import sample_crystals

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure


@pytest.fixture(scope="module")
def model() -> Model:
    return load("dEf-113k", device="cpu")


def test_on_average_they_are_near_the_prediction(model: Model, real_structures: list[Structure]) -> None:
    """Formation energies of these crystals spread by 0.9 eV/atom."""
    crystals = [as_crystal(each) for each in real_structures[:20]]
    means = np.array([contributions(model, each).mean() for each in crystals])
    predictions = model.predict(crystals).prediction.to_numpy()
    assert np.sqrt(np.mean((means - predictions) ** 2)) < 0.2  # eV/atom
    assert np.corrcoef(means, predictions)[0, 1] > 0.98


def test_neither_the_cell_nor_symmetric_copies_matter(model: Model) -> None:
    perovskite = sample_crystals.crystals()["SrTiO3"]
    titanium_first = contributions(model, as_crystal(perovskite))
    oxygen = titanium_first[[site.specie.symbol == "O" for site in perovskite]]
    assert np.ptp(oxygen) < 1e-4
    assert np.ptp(titanium_first) > 0.1
    double = perovskite * (2, 1, 1)
    found = {
        site.specie.symbol: value for site, value in zip(double, contributions(model, as_crystal(double)), strict=True)
    }
    for site, value in zip(perovskite, titanium_first, strict=True):
        assert found[site.specie.symbol] == pytest.approx(value, abs=1e-3)


def test_they_belong_to_the_atoms_in_their_order(model: Model) -> None:
    """No two atoms of a distorted cell are equal."""
    whole = as_crystal(sample_crystals.crystals()["SrTiO3"] * (2, 1, 1))
    moved = whole.frac + np.random.default_rng(0).normal(0, 0.01, whole.frac.shape)
    found = contributions(model, Crystal(whole.numbers, whole.lattice, moved))
    assert len(np.unique(found.round(5))) == len(whole)
    backwards = contributions(model, Crystal(whole.numbers[::-1].copy(), whole.lattice, moved[::-1].copy()))
    assert backwards == pytest.approx(found[::-1], abs=1e-4)


def test_of_equal_atoms_it_is_the_prediction(model: Model) -> None:
    silicon = sample_crystals.crystals()["Si"]
    (prediction,) = model.predict(silicon).prediction
    assert contributions(model, as_crystal(silicon)) == pytest.approx(prediction, abs=1e-4)


def test_torch_agrees(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    crystal = as_crystal(sample_crystals.crystals()["ZnO"])
    compiled = contributions(model, crystal)
    monkeypatch.setattr(torch_free, "possible", lambda _architecture: False)
    again = Model(weights.read(model.directory), model.name, model.directory)
    assert contributions(again, crystal) == pytest.approx(compiled, abs=1e-4)


def test_a_blend_has_them_within_its_valid_range(tmp_path: Path) -> None:
    networks.save(blend(), tmp_path)
    small = load(tmp_path, device="cpu")
    found = contributions(small, as_crystal(sample_crystals.crystals()["SrTiO3"]))
    assert ((found >= 1) & (found <= 500)).all()


def test_large_cells_and_unusable_ones_are_refused(model: Model) -> None:
    silicon = sample_crystals.crystals()["Si"]
    with pytest.raises(InputError, match=f"the cell has 216 atoms; contributions are for at most {MAX_ATOMS}"):
        contributions(model, as_crystal(silicon * (3, 3, 3)))
