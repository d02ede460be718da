"""Studies: comparison of methods over training-set sizes and seeds on one table.

`options` declares the options, `plan` lists the methods and cells, `preparation` reads the rows and draws the splits,
and `cells` computes and stores the cells one by one. `run` performs all steps; `estimate` predicts the time they take.
`result` holds a finished study, `analysis` compares its errors, and `report` writes the report with the help of
`figures` and `methods_text`.
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
