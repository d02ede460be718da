import subprocess
import sys
import warnings

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from zoo.plugins.featurizers import Embedding, Magpie, MagpieStructure

from zoo.errors import InputError, ZooError
from zoo.models.checkpoint.schema import TargetConfig
from zoo.registry import plugins
from zoo.testing import check_featurizer, checks_for, crystals, parametrize_with_checks


@pytest.fixture(scope="module")
def samples():
    rutile = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    quartz = Structure.from_spacegroup(
        "P3_221", Lattice.hexagonal(4.913, 5.405), ["Si", "O"], [[0.4697, 0, 2 / 3], [0.4133, 0.2672, 0.7855]]
    )
    plutonia = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.396), ["Pu", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    actinium = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.311), ["Ac"], [[0, 0, 0]])
    helium = Structure(Lattice.hexagonal(3.531, 5.693), ["He", "He"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])
    return [*crystals().values(), rutile, quartz, plutonia, actinium, helium]


@parametrize_with_checks([Magpie(), MagpieStructure()])
def test_conforms(plugin, check):
    assert check in checks_for(plugin)
    check(plugin)


@pytest.mark.parametrize("name", ["magpie", "magpie-structure", "embedding"])
def test_is_found_by_name(name):
    made = plugins.featurizer(name)
    assert made.name == name
    assert all("doi:" in citation for citation in made.citations)


def test_magpie_agrees_with_matminer(samples, real_structures):
    structures = [*samples, *real_structures]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.composition import ElementProperty

        reference = ElementProperty.from_preset("magpie", impute_nan=False)
        expected = np.array([reference.featurize(s.composition) for s in structures], dtype=float)
    assert Magpie().labels == reference.feature_labels()
    np.testing.assert_allclose(Magpie().featurize(structures), expected, rtol=1e-12, atol=1e-10)


def test_crystals_in_other_forms(samples):
    """ASE's Atoms, and text of CIFs, give the vectors of pymatgen's structures."""
    given = [AseAtomsAdaptor.get_atoms(structure) for structure in samples]
    given[0] = samples[0].to(fmt="cif")
    for made in (Magpie(), MagpieStructure()):
        np.testing.assert_allclose(made.featurize(given), made.featurize(samples), atol=1e-5)
    check_featurizer(Magpie, (each for each in given))


def test_properties_that_nobody_knows_are_nan():
    structure = Structure(Lattice.cubic(4.0), ["Lr"], [[0, 0, 0]])
    (row,) = Magpie().featurize([structure])
    values = dict(zip(Magpie().labels, row, strict=True))
    assert values["MagpieData mean Number"] == 103
    assert np.isnan(values["MagpieData mean Electronegativity"])


def test_structure_columns_agree_with_matminer(samples, real_structures):
    # Without helium, for which matminer lacks a radius.
    structures = [s for s in (*samples, *real_structures) if s[0].specie.symbol != "He"]
    start = len(Magpie().labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.structure import DensityFeatures, GlobalSymmetryFeatures
        from matminer.featurizers.structure.order import StructuralComplexity

        references = (
            DensityFeatures(),
            GlobalSymmetryFeatures(["spacegroup_num", "crystal_system_int", "is_centrosymmetric"]),
            StructuralComplexity(symprec=0.01),
        )
        expected = [[float(x) for r in references for x in r.featurize(s)][:7] for s in structures]
    labels = [label for reference in references for label in reference.feature_labels()][:7]
    assert MagpieStructure().labels[start : start + 7] == labels
    rows = MagpieStructure().featurize(structures)[:, start : start + 7]
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-12)


def test_known_values():
    given = crystals()
    labels, rows = MagpieStructure().labels, MagpieStructure().featurize(list(given.values()))
    table = {name: dict(zip(labels, row, strict=True)) for name, row in zip(given, rows, strict=True)}
    # Published densities in g/cm³, and the closed forms of the structures.
    for name, density in {"NaCl": 2.165, "Si": 2.329, "CsCl": 3.99, "SrTiO3": 5.12, "ZnO": 5.68}.items():
        assert table[name]["density"] == pytest.approx(density, rel=2e-3)
    groups = {"NaCl": (225, 48), "Si": (227, 48), "CsCl": (221, 48), "SrTiO3": (221, 48), "ZnO": (186, 12)}
    for name, (number, order) in groups.items():
        assert (table[name]["spacegroup_num"], table[name]["point group order"]) == (number, order)
    assert [table[name]["is_centrosymmetric"] for name in given] == [1, 1, 1, 1, 0]
    assert [table[name]["inequivalent sites"] for name in given] == [2, 1, 2, 3, 2]
    assert table["NaCl"]["minimum nearest distance"] == pytest.approx(5.6402 / 2)
    assert table["Si"]["maximum nearest distance"] == pytest.approx(5.4310 * 3**0.5 / 4)
    # NaCl: six neighbours at a/2 and six of the twelve at a/√2.
    assert table["NaCl"]["mean distance of 12 neighbours"] == pytest.approx(5.6402 / 4 * (1 + 2**0.5))
    assert table["Si"]["structural complexity per atom"] == 0
    assert table["NaCl"]["structural complexity per atom"] == pytest.approx(1.0)
    # One site in five, one in five, three in five.
    expected = -(2 * 0.2 * np.log2(0.2) + 0.6 * np.log2(0.6))
    assert table["SrTiO3"]["structural complexity per atom"] == pytest.approx(expected)


@pytest.mark.parametrize("featurizer", [Magpie(), MagpieStructure()])
def test_the_choice_of_cell_changes_nothing(featurizer, samples):
    before = featurizer.featurize(samples)
    larger = [structure * (2, 1, 3) for structure in samples]
    smaller = [structure.get_primitive_structure() for structure in samples]
    for cells in (larger, smaller):
        np.testing.assert_allclose(featurizer.featurize(cells), before, rtol=1e-5, atol=1e-6)


def test_charges_and_labels_on_sites_change_nothing():
    plain = crystals()["NaCl"]
    charged = plain.copy()
    charged.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    np.testing.assert_array_equal(MagpieStructure().featurize([charged]), MagpieStructure().featurize([plain]))


def test_an_element_without_a_radius_has_no_packing_fraction(samples):
    (row,) = MagpieStructure().featurize(samples[-1:])
    helium = dict(zip(MagpieStructure().labels, row, strict=True))
    assert np.isnan(helium["packing fraction"])
    assert helium["spacegroup_num"] == 194
    assert helium["density"] == pytest.approx(2 * 4.002602 * 1.66054 / (3.531**2 * 3**0.5 / 2 * 5.693), rel=1e-5)


def test_no_structures_give_no_rows():
    assert Magpie().featurize([]).shape == (0, 132)
    assert MagpieStructure().featurize([]).shape == (0, 145)


def test_disorder_is_refused():
    brass = Structure(Lattice.cubic(2.95), [{"Cu": 0.5, "Zn": 0.5}], [[0, 0, 0]])
    with pytest.raises(InputError, match="partial occupancy"):
        Magpie().featurize([brass])


@pytest.mark.usefixtures("inner_loops")
def test_symmetry_is_pymatgens_on_real_crystals(real_structures):
    """Space groups and orbits as pymatgen's analyzer finds them, with and without the compiled search."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    labels = MagpieStructure().labels
    rows = MagpieStructure().featurize(real_structures)
    for structure, row in zip(real_structures, rows, strict=True):
        found = SpacegroupAnalyzer(structure, symprec=0.01)
        values = dict(zip(labels, row, strict=True))
        assert values["spacegroup_num"] == found.get_space_group_number()
        assert values["inequivalent sites"] == len(set(found.get_symmetry_dataset().crystallographic_orbits))


def test_a_prediction_imports_neither_matminer_nor_pymatgen():
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from zoo import Crystal\n"
        "from zoo.plugins.featurizers import MagpieStructure\n"
        "salt = Crystal(np.array([11, 17]), 3 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]))\n"
        "MagpieStructure().featurize_crystals([salt])\n"
        "sys.exit(', '.join({'matminer', 'pymatgen', 'torch'} & set(sys.modules)) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_printed_or_warned(capfd, samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MagpieStructure().featurize(samples)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def backbone(tmp_path):
    """Save a small network with random weights, as a fine-tuned run would be."""
    import torch

    from zoo.data.elements import atom_table
    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.data.scaling import TargetScaler
    from zoo.models.architecture import default_architecture
    from zoo.models.checkpoint import networks
    from zoo.training.transfer import scratch

    network = scratch(default_architecture(width=16, convolutions=2), torch.from_numpy(atom_table().copy()), seed=3)
    member = networks.Member(network, TargetScaler.fit(np.array([-1.0, 0.0, 2.0])))
    described = networks.describe(
        [member],
        name="tiny",
        targets=[TargetConfig(name="formation_energy_per_atom", unit="eV/atom", task="formation-energy")],
        graph=GraphSettings(),
        elements=["Na", "Cl"],
    )
    networks.save(described, tmp_path)
    return str(tmp_path)


def test_embedding_is_the_backbones_own(backbone, samples):
    import zoo

    embedding = Embedding(backbone)
    check_featurizer(embedding)
    vectors = embedding.featurize(samples)
    assert vectors.shape == (len(samples), 3 * 16)
    np.testing.assert_array_equal(vectors, zoo.load(backbone).embed(samples))
    larger = embedding.featurize([structure * (1, 2, 1) for structure in samples])
    np.testing.assert_allclose(larger, vectors, atol=1e-5)
    assert len(np.unique(vectors.round(6), axis=0)) == len(samples)


def test_embedding_of_an_unknown_backbone_is_one_clear_error():
    with pytest.raises(ZooError, match="dEf-9k"):
        Embedding("dEf-9k").featurize(list(crystals().values()))
