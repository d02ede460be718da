"""Predictions by models that stay loaded: a blend with intervals beside a network without."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from support.smallblend import blend

from zoo.commands.web.answers import Structure
from zoo.commands.web.service import Service
from zoo.commands.web.uploads import read_uploads
from zoo.errors import InputError
from zoo.jobs.predict import load
from zoo.models.checkpoint import networks
from zoo.testing import sample_crystals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blend") / "blend"
    path.mkdir()
    networks.save(blend(), path)
    return path


def test_a_model_without_calibration_stands_beside_one_with_intervals(folder: Path, backbone: Path) -> None:
    models = [load(folder, device="cpu"), load(backbone, device="cpu")]
    service = Service(models, 0.9)
    service.warm_up()
    first, second = service.models
    assert (first.level, second.level) == (0.9, None)
    assert (first.label, first.reads_crystal) == ("Bulk modulus K_VRH", True)
    assert not service.described().known
    poscar = sample_crystals.crystals()["SrTiO3"].to(fmt="poscar").encode()
    (crystal,) = service.predict(read_uploads([("POSCAR", io.BytesIO(poscar))])).crystals
    expected = models[0].predict(sample_crystals.crystals()["SrTiO3"], interval=0.9).iloc[0]
    ours, other = crystal.predictions
    assert (ours.prediction, ours.lower, ours.upper) == pytest.approx(
        (expected.prediction, expected.lower, expected.upper), rel=1e-5
    )
    assert ours.note == "Sr, Ti never occurred in the training set"
    assert other.lower is None
    assert crystal.known == []
    assert [len(each.values) for each in service.contributions(crystal.structure).contributions] == [5, 5]


def test_a_large_cell_is_predicted_without_contributions(folder: Path) -> None:
    service = Service([load(folder, device="cpu")], 0.9)
    silicon = sample_crystals.crystals()["Si"] * (3, 3, 3)
    structure = Structure(
        lattice=silicon.lattice.matrix.tolist(),
        symbols=[site.specie.symbol for site in silicon],
        positions=silicon.frac_coords.tolist(),
    )
    (found,) = service.contributions(structure).contributions
    assert found.values == []
    assert "216 atoms" in found.error


def test_a_level_is_a_probability(folder: Path) -> None:
    with pytest.raises(InputError, match="--interval 90: a probability between 0 and 1"):
        Service([load(folder)], 90)
