"""Fine-tuning: from a table to a run folder.

`run` is the entry point: it loads the `start`, and `target` fits and compares the models of one target, `joint` those
of several at once. `options` declares the options, and `splitting` reads and splits the rows. `result` holds the
outcome; `folder` and `pictures` write it to disk. ``--mode blend`` uses :mod:`zoo.jobs.crossfit` through `blend`, and
`out_of_fold` reports the out-of-fold predictions. `reliability` calibrates the intervals and measures their coverage.
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
