"""Prediction with a backbone or a run: `model` for structures in Python, `files` for files, folders and tables."""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.jobs.predict.files import Predicted as Predicted
    from zoo.jobs.predict.files import predict_files as predict_files
    from zoo.jobs.predict.model import Model as Model
    from zoo.jobs.predict.model import load as load
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
