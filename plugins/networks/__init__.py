"""zoo's networks, each registered as a plugin in ``zoo.networks``."""
