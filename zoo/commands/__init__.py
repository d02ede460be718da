"""The commands of ``zoo``, one module each; ``cli.py`` puts them together."""
