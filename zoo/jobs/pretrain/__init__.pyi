# The public names, each once: zoo/jobs/pretrain/__init__.py reads this file.
from zoo.jobs.pretrain.card import Report as Report
from zoo.jobs.pretrain.recipe import Recipe as Recipe
from zoo.jobs.pretrain.recipe import read_recipe as read_recipe
from zoo.jobs.pretrain.run import pretrain as pretrain
