"""Pretraining: from a recipe to a backbone.

`run` tells the story: read the `recipe`, select and read its `rows`, load the backbones that it starts from (`start`),
train, measure the errors and write the `card`.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.pretrain.card import Report as Report
    from zoo.jobs.pretrain.recipe import Recipe as Recipe
    from zoo.jobs.pretrain.recipe import read_recipe as read_recipe
    from zoo.jobs.pretrain.run import pretrain as pretrain
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
