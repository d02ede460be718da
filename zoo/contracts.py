"""The contracts of plugins, under the name that plugins import them by; they live in :mod:`zoo.registry`."""

from zoo.registry import contracts, networks
from zoo.registry.contracts import *  # noqa: F403
from zoo.registry.networks import *  # noqa: F403

__all__ = sorted([*contracts.__all__, *networks.__all__])
