"""A model zoo of crystal graph networks, made for transfer learning on small data sets."""

__version__ = "0.1.0"
