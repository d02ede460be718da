"""Everything that zoo finds by name: the plugins and their contracts, and backbones with their model cards."""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.registry import backbones as backbones
    from zoo.registry import cards as cards
    from zoo.registry import contracts as contracts
    from zoo.registry import plugins as plugins
    from zoo.registry.backbones import get as get
    from zoo.registry.backbones import shelf as shelf
    from zoo.registry.cards import Card as Card
    from zoo.registry.contracts import Baseline as Baseline
    from zoo.registry.contracts import Featurizer as Featurizer
    from zoo.registry.contracts import Requirement as Requirement
    from zoo.registry.contracts import Task as Task
    from zoo.registry.networks import Network as Network
    from zoo.registry.plugins import Plugin as Plugin
    from zoo.registry.plugins import add_file as add_file
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
