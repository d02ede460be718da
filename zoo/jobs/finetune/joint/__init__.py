"""Several target properties at once: one table, one split, one network with a head for each.

A run of several targets is a folder with an ordinary run for each of them, so that everything that takes a run takes
these. `rows` reads the table and draws the split that all share, `fits` fits the shared network, and `run` hands its
fits to the runs of the targets, whose regressors are fitted to the rows that have a value. `folder` writes the files
that cover all targets.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.finetune.joint.run import finetune_jointly as finetune_jointly
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
