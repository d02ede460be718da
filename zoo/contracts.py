"""The contracts of plugins, under the name that plugins import them by; they live in :mod:`zoo.registry.contracts`."""

from zoo.registry.contracts import *  # noqa: F403
from zoo.registry.contracts import __all__ as __all__
