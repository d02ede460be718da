"""Prediction with a backbone or a run: `model` for structures in Python, `files` for files, folders and tables."""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
