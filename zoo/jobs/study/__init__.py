"""Studies: methods, training-set sizes and seeds compared on one table.

A study goes from `options` over `plan` (methods and cells) and `preparation` (rows and splits) to `cells`, computed
and stored one by one. `run` does all of this; `estimate` predicts how long it takes. `result` holds a finished study,
`analysis` compares its errors, and `report` writes it down with `figures` and `methods_text`.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.study.estimate import Estimate as Estimate
    from zoo.jobs.study.options import StudyOptions as StudyOptions
    from zoo.jobs.study.options import StudyRequest as StudyRequest
    from zoo.jobs.study.options import read_study as read_study
    from zoo.jobs.study.plan import Cell as Cell
    from zoo.jobs.study.plan import Method as Method
    from zoo.jobs.study.result import Study as Study
    from zoo.jobs.study.run import run_study as run_study
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
