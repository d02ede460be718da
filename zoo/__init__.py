"""A model zoo of crystal graph networks, made for transfer learning on small data sets.

Everything here is imported when it is first used, so ``import zoo`` costs nothing.

============================  =====================================================================
``load(ref)``                 a backbone or a fine-tuned run, as a :class:`Model` that predicts and embeds
``finetune(options, out)``    fine-tune a backbone on a table; returns a :class:`Result`
``Options``                   the options of a fine-tuning
``SavedResult``               the result of a run, read from its folder
``JointResult``               the results of a run of several targets
``CrystalRegressor``          fine-tuning as a scikit-learn regressor
``CrystalClassifier``         the same for classes
``CrystalFeaturizer``         feature vectors of crystals as a scikit-learn transformer
``study(options, out)``       compare methods, sizes and seeds on a table; returns a :class:`Study`
``StudyOptions``              what a study compares
``backbones()``               the model cards of all registered backbones
``backbone(name)``            the model card of one of them
``read(path)``                the crystals of a file, folder, archive or table, as a DataFrame
``predict_files(model, …)``   predict files, folders and tables into a CSV file; ``Ranking`` orders it
``recognize(model, …)``       which crystals are in the training set of a model
``graph(structure)``          the DGL graph that a network sees of a crystal
``dgl()``                     DGL, imported so that it works with the installed torch
``pull(name)``                fetch a backbone and check every byte
``tasks()``                   the target properties that zoo and its plugins know
``Task``, ``Baseline``, …     what plugins define; :class:`Network` too
``Requirement``               a task's condition on the rows of a table
``Crystal``                   a crystal as arrays
``ZooError``                  the base class of all errors
============================  =====================================================================
"""

from typing import TYPE_CHECKING

from zoo._utils import VERSION, lazy

__version__ = VERSION

if TYPE_CHECKING:
    from zoo import contracts as contracts
    from zoo import errors as errors
    from zoo import figures as figures
    from zoo import registry as registry
    from zoo import testing as testing
    from zoo.data.crystal import Crystal as Crystal
    from zoo.data.graphs.dgl_import import dgl as dgl
    from zoo.data.tables.crystal_frame import read as read
    from zoo.errors import ZooError as ZooError
    from zoo.hub.pull import pull as pull
    from zoo.jobs.estimators.classifier import CrystalClassifier as CrystalClassifier
    from zoo.jobs.estimators.featurizer import CrystalFeaturizer as CrystalFeaturizer
    from zoo.jobs.estimators.regressor import CrystalRegressor as CrystalRegressor
    from zoo.jobs.finetune.options import Options as Options
    from zoo.jobs.finetune.result import Result as Result
    from zoo.jobs.finetune.run import finetune as finetune
    from zoo.jobs.lineage import recognize as recognize
    from zoo.jobs.predict.files import predict_files as predict_files
    from zoo.jobs.predict.joint import load as load
    from zoo.jobs.predict.model import Model as Model
    from zoo.jobs.predict.ranking import Ranking as Ranking
    from zoo.jobs.predict.structure_graph import graph as graph
    from zoo.jobs.reports.saved_runs import JointResult as JointResult
    from zoo.jobs.reports.saved_runs import SavedResult as SavedResult
    from zoo.jobs.study.options import StudyOptions as StudyOptions
    from zoo.jobs.study.result import Study as Study
    from zoo.jobs.study.run import run_study
    from zoo.registry.backbones import cards, get
    from zoo.registry.contracts import Baseline as Baseline
    from zoo.registry.contracts import Requirement as Requirement
    from zoo.registry.contracts import Task as Task
    from zoo.registry.networks import Network as Network
    from zoo.registry.plugins import tasks as tasks

    backbone = get
    backbones = cards
    study = run_study
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
