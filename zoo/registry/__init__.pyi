# The public names, each once: zoo/registry/__init__.py reads this file.
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
from zoo.registry.plugins import Plugin as Plugin
from zoo.registry.plugins import add_file as add_file
