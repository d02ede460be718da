"""GatedGCN keeps the contract of networks."""

from __future__ import annotations

from zoo.plugins.networks.gatedgcn.network import gatedgcn

from zoo.registry import plugins
from zoo.testing import check_network


def test_it_keeps_the_contract() -> None:
    check_network(gatedgcn)


def test_it_is_registered() -> None:
    assert plugins.network("gatedgcn") is gatedgcn
