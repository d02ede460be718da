"""The vectors keep the contract, and are CHGNet's."""

import numpy as np
import pytest

pytest.importorskip("chgnet")

from zoo_plugin_chgnet import WIDTH, AtomVectors

from zoo.testing import crystals, parametrize_with_checks


@pytest.fixture(scope="module")
def vectors():
    """Load the network once."""
    return AtomVectors()


@parametrize_with_checks([AtomVectors()])
def test_conforms(plugin, check):
    """The plugin passes each check."""
    check(plugin)


def test_the_mean_gives_the_energy(vectors):
    """CHGNet's energy per atom is the mean over atoms of a function of these vectors."""
    from chgnet.model import CHGNet

    network = CHGNet.load(use_device="cpu", verbose=False)
    salt = crystals()["NaCl"]
    found = network.predict_structure(salt, task="e", return_atom_feas=True)
    row = vectors.featurize([salt])[0]
    np.testing.assert_allclose(row[:WIDTH], found["atom_fea"].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(row[WIDTH:], found["atom_fea"].std(axis=0), atol=1e-6)


def test_a_supercell_has_the_same_vector(vectors):
    """Pooled vectors describe the crystal, not its cell."""
    salt = crystals()["NaCl"]
    primitive, larger = vectors.featurize([salt.get_primitive_structure(), salt * (1, 1, 2)])
    np.testing.assert_allclose(larger, primitive, atol=1e-4)
