"""Pretraining: from a recipe to a backbone.

`run` tells the story: read the `recipe`, select and read its `rows`, load the backbones that it starts from (`start`),
train, measure the errors and write the `card`.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
