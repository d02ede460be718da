# The public names, each once: zoo/__init__.py reads this file.
from zoo import contracts as contracts
from zoo import errors as errors
from zoo import figures as figures
from zoo import registry as registry
from zoo import testing as testing
from zoo.data.crystal import Crystal as Crystal
from zoo.errors import ZooError as ZooError
from zoo.hub.pull import pull as pull
from zoo.jobs.finetune.options import Options as Options
from zoo.jobs.finetune.result import Result as Result
from zoo.jobs.finetune.run import finetune as finetune
from zoo.jobs.predict.model import Model as Model
from zoo.jobs.predict.model import load as load
from zoo.jobs.predict.structure_graph import graph as graph
from zoo.jobs.study.options import StudyOptions as StudyOptions
from zoo.jobs.study.result import Study as Study
from zoo.jobs.study.run import run_study
from zoo.registry.backbones import cards, get
from zoo.registry.contracts import Baseline as Baseline
from zoo.registry.contracts import Requirement as Requirement
from zoo.registry.contracts import Task as Task
from zoo.registry.plugins import tasks as tasks

__version__: str
backbone = get
backbones = cards
study = run_study
