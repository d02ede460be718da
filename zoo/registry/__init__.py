"""What zoo knows by name: the plugins and their contracts, and backbones with their model cards."""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
