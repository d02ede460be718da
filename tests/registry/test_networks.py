"""What a network plugin must be, and what is said of one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import PluginError
from zoo.models.architecture import Architecture
from zoo.registry import plugins
from zoo.registry.networks import Network

if TYPE_CHECKING:
    from collections.abc import Callable


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = 4


class Loose(BaseModel):
    width: int = 4


class Taken(Settings):
    targets: int = 1


def test_zoos_own_network_is_registered_like_everybodys() -> None:
    network = plugins.network("CGCNN")
    assert isinstance(network, Network)
    settings = network.settings(atom_features=111, width=64, convolutions=4, gaussians=41, gaussian_end=8.0)
    assert network.transferred(settings).pooling == "all"
    assert network.normalized(network.transferred(settings))
    assert not network.normalized(settings)


def test_the_vectors_of_a_network_that_says_nothing_else_are_always_the_same_and_normalised() -> None:
    network = Network("plain", Settings, lambda _settings: None)  # type: ignore[arg-type,return-value]
    assert network.transferred(Settings()) == Settings()
    assert network.normalized(Settings())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Network("a b", Settings, print), "network 'a b': not a valid name"),
        (lambda: Network("net", dict, print), "settings=<class 'dict'> is not a pydantic model"),
        (lambda: Network("net", Loose, print), 'settings need model_config = ConfigDict(extra="forbid", frozen=True)'),
        (lambda: Network("net", Taken, print), "settings.targets is a name that zoo uses"),
        (
            lambda: Network("net", Settings, print, elements=("Si",)),
            "('Si',) is not a tuple of atomic numbers, 1 to 118",
        ),
        (lambda: Network("net", Settings, print, elements=(119,)), "(119,) is not a tuple of atomic numbers, 1 to 118"),
        (lambda: Network("net", Settings, "SchNet"), "build='SchNet' must be a function that returns a module"),
    ],
)
def test_what_is_no_network(make: Callable[[], Network], why: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert why in str(caught.value)


def test_two_networks_of_one_name_are_an_error_that_names_both(install: Callable[..., object]) -> None:
    code = """
from pydantic import BaseModel, ConfigDict
from zoo import Network

class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

net = Network("net", Settings, print)
"""
    for name in ("one-package", "other-package"):
        module = name.replace("-", "_")
        install(name, {"networks": {"net": f"{module}:net"}}, {module: code})
    with pytest.raises(PluginError) as caught:
        plugins.network("net")
    both = "network 'net' is offered by package one-package 1.2 and package other-package 1.2; say which one: "
    assert both + "one-package:net or other-package:net" in str(caught.value)
    with pytest.raises(ValidationError, match="one-package:net or other-package:net"):
        Architecture.model_validate({"network": "net", "head": 8, "head_layers": 1})
    size = Architecture.model_validate({"network": "other-package:net", "head": 8, "head_layers": 1})
    assert (size.network, size.package) == ("net", "other-package 1.2")
    assert size.plugin is plugins.network("other-package:net") is plugins.network("Other_Package:net")
    recorded = {"network": "NET", "package": "one-package 1.1", "head": 8, "head_layers": 1}  # as in a checkpoint
    size = Architecture.model_validate(recorded)
    assert size.plugin is plugins.network("one-package:net")
    assert (size.network, size.package, size.installed) == ("net", "one-package 1.1", "one-package 1.2")
    assert size.as_installed() == size.changed(package="one-package 1.2")
