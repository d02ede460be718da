# The public names, each once: __init__.py reads this file.
from zoo.jobs.study.estimate import Estimate as Estimate
from zoo.jobs.study.options import StudyOptions as StudyOptions
from zoo.jobs.study.options import StudyRequest as StudyRequest
from zoo.jobs.study.options import read_study as read_study
from zoo.jobs.study.plan import Cell as Cell
from zoo.jobs.study.plan import Method as Method
from zoo.jobs.study.result import Study as Study
from zoo.jobs.study.run import run_study as run_study
