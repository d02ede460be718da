"""Models in a notebook."""

from __future__ import annotations

from support.notebook import tables

import zoo


def test_a_notebook_shows_what_a_model_predicts() -> None:
    (facts,) = tables(zoo.load("multi-113k")._repr_html_())
    shown = dict(facts)
    assert shown["predicts"] == "formation_energy_per_atom (eV/atom)"
    assert shown["also"] == "band_gap, is_metal"
    assert shown["graph"] == "12 neighbours within 8 Å"
