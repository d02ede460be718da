"""The plugin keeps its contract, and the equations of the paper."""

import torch
from zoo_plugin_schnet import Settings, schnet
from zoo_plugin_schnet.module import Interaction, shifted_softplus

import zoo
from zoo.testing import crystals, parametrize_with_checks


@parametrize_with_checks([schnet])
def test_conforms(plugin, check):
    """It passes each check of networks."""
    check(plugin)


def test_the_shifted_softplus_is_zero_at_zero():
    """As in the paper."""
    assert abs(float(shifted_softplus(torch.zeros(1)))) < 1e-6


def test_an_interaction_is_that_of_the_paper():
    """The sum over neighbours, written as a loop over edges."""
    graph = zoo.graph(crystals()["SrTiO3"])
    layer, atoms = Interaction(4, 3), torch.randn(graph.num_nodes(), 4)
    gaussians = torch.rand(graph.num_edges(), 3)
    expected = torch.zeros_like(atoms)
    for edge, (neighbor, center) in enumerate(zip(*map(torch.Tensor.tolist, graph.edges()), strict=True)):
        weight = layer.filter2(shifted_softplus(layer.filter1(gaussians[edge])))
        expected[center] += graph.edata["count"][edge] * weight * layer.before(atoms[neighbor])
    expected = atoms + layer.after2(shifted_softplus(layer.after1(expected)))
    torch.testing.assert_close(layer(graph, atoms, gaussians), expected, rtol=1e-4, atol=1e-5)


def test_the_smallest_network():
    """One interaction with one feature."""
    assert schnet.build(Settings(features=1, interactions=1)).vector_size == 1
