"""Pretraining: from a recipe to a backbone.

`run` is the entry point: it reads the `recipe`, selects and reads its `rows`, loads the initial backbones (`start`),
trains the network, measures its errors and writes the `card`.
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
