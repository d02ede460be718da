"""`CrystalFeaturizer`: the vectors of featurizers and backbones, in scikit-learn's tools."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

import zoo
from zoo.errors import InvalidDataError, UnknownNameError
from zoo.registry import plugins
from zoo.testing import crystals

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

STRUCTURES = list(crystals().values())[:5]


def test_vectors_are_those_of_the_featurizer() -> None:
    magpie = plugins.featurizer("magpie")
    made = zoo.CrystalFeaturizer("magpie")
    for _ in range(2):  # the second time from memory
        np.testing.assert_array_equal(made.transform(STRUCTURES), magpie.featurize(STRUCTURES))
    assert made.get_feature_names_out().tolist() == magpie.labels
    assert made.fit_transform(STRUCTURES).shape == (5, len(magpie.labels))


def test_vectors_are_those_of_a_backbone(backbone: Path) -> None:
    made = zoo.CrystalFeaturizer(str(backbone)).fit(STRUCTURES)
    np.testing.assert_allclose(made.transform(STRUCTURES), zoo.load(backbone).embed(STRUCTURES), rtol=1e-6)
    assert len(made.get_feature_names_out()) == made.transform(STRUCTURES).shape[1]
    assert made.get_feature_names_out()[0].endswith("_0")
    pickle.loads(pickle.dumps(made)).transform(STRUCTURES)


def test_frames_come_out_on_request() -> None:
    made = zoo.CrystalFeaturizer("magpie").set_output(transform="pandas")
    labelled = pd.Series(STRUCTURES, index=list("abcde"), dtype=object)
    frame = made.fit_transform(labelled)
    assert list(frame.columns) == plugins.featurizer("magpie").labels
    assert list(frame.index) == list("abcde")


def test_it_works_in_pipelines(moduli_frame: pd.DataFrame) -> None:
    chain = make_pipeline(zoo.CrystalFeaturizer("magpie"), Ridge())
    chain.fit(moduli_frame.structure, np.log10(moduli_frame.K_VRH))
    assert chain.score(moduli_frame.structure, np.log10(moduli_frame.K_VRH)) > 0.8
    columns = make_column_transformer((zoo.CrystalFeaturizer("magpie"), "structure"), ("passthrough", ["K_VRH"]))
    assert columns.fit_transform(moduli_frame.iloc[:3]).shape[1] == len(plugins.featurizer("magpie").labels) + 1


def test_crystals_that_cannot_be_used(blind: Path, xenon: Structure) -> None:
    given = [STRUCTURES[0], "no crystal", xenon]
    made = zoo.CrystalFeaturizer(str(blind))
    with pytest.raises(InvalidDataError, match="structure 1: "):
        made.transform(given)
    with pytest.raises(ValueError, match=r"row 2: .* no features for the element Xe"):
        made.transform([STRUCTURES[0], STRUCTURES[1], xenon])
    with pytest.warns(UserWarning, match="1 of 3 (rows|structures) skipped"):
        found = made.set_params(on_error="skip").transform(given)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), [False, True, True])


def test_unknown_names_are_told() -> None:
    with pytest.raises(UnknownNameError, match="no featurizer or backbone is called 'magpie-structur'"):
        zoo.CrystalFeaturizer("magpie-structur").fit(STRUCTURES)
