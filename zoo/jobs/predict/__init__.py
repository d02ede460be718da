"""Prediction with a backbone or a fine-tuned run.

`model` predicts structures passed in Python, `joint` several targets at once, `files` files, folders and tables;
`columns` names the columns of their tables, and `ranking` sorts them. `features` computes the feature vectors for the
regressors of a blend, `intervals` the ends of intervals; `contributions` divides a prediction among the atoms.
`structure_graph` returns the graph of a crystal, `notebook` shows a model as HTML.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.predict.files import Predicted as Predicted
    from zoo.jobs.predict.files import predict_files as predict_files
    from zoo.jobs.predict.joint import JointModel as JointModel
    from zoo.jobs.predict.joint import load as load
    from zoo.jobs.predict.model import Model as Model
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
