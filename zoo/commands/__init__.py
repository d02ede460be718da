"""The commands of ``zoo``: one module for each or for a few that belong together, assembled in ``cli.py``.

A command parses its options, calls one function of :mod:`zoo.jobs` or :mod:`zoo.hub`, and shows the result. What the
commands share is in :mod:`~zoo.commands.options` and :mod:`~zoo.commands.console`. Nothing here is public Python API.
"""

__all__ = [
    "console",
    "convert",
    "environment",
    "fetch",
    "finetune",
    "hub",
    "options",
    "plugins",
    "predict",
    "pretrain",
    "shelf",
    "study",
]
