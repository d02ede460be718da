"""The crystals for trying things out are those of the literature."""

from __future__ import annotations

import pytest

from zoo.testing.sample_crystals import crystals


def test_crystals_are_the_published_ones() -> None:
    expected = {
        "NaCl": (225, 8, 2.165),
        "Si": (227, 8, 2.329),
        "CsCl": (221, 2, 3.99),
        "SrTiO3": (221, 5, 5.12),
        "ZnO": (186, 4, 5.68),
    }
    made = crystals()
    assert list(made) == list(expected)
    for name, (group, sites, density) in expected.items():
        assert made[name].composition.reduced_formula == name
        assert made[name].get_space_group_info()[1] == group
        assert len(made[name]) == sites
        assert made[name].density == pytest.approx(density, rel=2e-3)
    # Ti has six O at a/2, Zn its four O at about 1.97-1.99 Å.
    titanium = made["SrTiO3"].get_neighbors(made["SrTiO3"][0], 2.0)
    assert [n.specie.symbol for n in titanium] == ["O"] * 6
    assert sorted(n.nn_distance for n in made["ZnO"].get_neighbors(made["ZnO"][0], 2.5)) == pytest.approx(
        [1.796, 2.04, 2.04, 2.04], abs=0.01
    )


def test_crystals_are_ones_own() -> None:
    crystals()["NaCl"].remove_sites([0])
    assert len(crystals()["NaCl"]) == 8
