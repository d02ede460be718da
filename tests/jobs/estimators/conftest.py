"""Crystals with targets, and models fitted to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

import zoo

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """Fit in this process: starting others takes longer than the small fits here."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="session")
def moduli_frame() -> pd.DataFrame:
    """Sixty bulk moduli, labelled by their identifiers."""
    frame = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:60]
    return frame.set_index(frame.material_id.astype(str))


@pytest.fixture(scope="session")
def ridge(moduli_frame: pd.DataFrame, backbone: Path) -> zoo.CrystalRegressor:
    """A quick model, fitted to the first fifty rows."""
    model = zoo.CrystalRegressor("bulk-modulus", mode="ridge", backbone=str(backbone))
    return model.fit(moduli_frame.structure[:50], moduli_frame.K_VRH[:50])


@pytest.fixture(scope="session")
def blind(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backbone without features for xenon."""
    from zoo.models.checkpoint import networks

    found = networks.load(backbone)
    table = found.members[0].network.atom_table
    table[54] = 0
    folder = tmp_path_factory.mktemp("blind") / "tiny"
    folder.mkdir()
    networks.save(
        networks.describe(
            found.members,
            name="tiny",
            targets=found.config.targets,
            graph=found.config.graph_settings,
            elements=found.config.elements,
        ),
        folder,
    )
    return folder


@pytest.fixture(scope="session")
def xenon() -> Structure:
    """A crystal that a blind backbone cannot take."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.2), ["Xe"], [[0, 0, 0]])
