"""Databases from which tables are fetched: the Materials Project."""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
