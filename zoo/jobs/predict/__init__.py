"""Prediction with a backbone or a run.

`model` predicts `structures` given in Python, `files` predicts files, folders and tables. `features` has the vectors
that the regressors of a blend take; `structure_graph` shows the graph that a network sees.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.predict.files import Predicted as Predicted
    from zoo.jobs.predict.files import predict_files as predict_files
    from zoo.jobs.predict.model import Model as Model
    from zoo.jobs.predict.model import load as load
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
