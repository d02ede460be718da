"""Fine-tuning: from a table to a run's folder.

`run` tells the story: load the `start`, read the table, build the graphs, draw the splits, fit, compare, write.
`options` declares what can be asked for, `splitting` draws the splits, `backbone_choice` implements ``--backbone all``,
`result` holds the outcome, and `folder`, `card` and `pictures` write it down. ``--mode blend`` goes through `blend`
to :mod:`zoo.jobs.crossfit`; `out_of_fold` tells what is then known of each row.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.finetune.options import Options as Options
    from zoo.jobs.finetune.options import default_out as default_out
    from zoo.jobs.finetune.result import Result as Result
    from zoo.jobs.finetune.run import finetune as finetune
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
