"""Commands of ``zoo``, one module per command or group of related commands; they are assembled in ``cli.py``.

A command parses its options, calls one function of :mod:`zoo.jobs` or :mod:`zoo.hub`, and shows the result. Shared code
is in :mod:`~zoo.commands.options`, :mod:`~zoo.commands.console` and :mod:`~zoo.commands.text_table`; `web` is the
other interface, for browsers. This package is not part of the public Python API.
"""

__all__ = [
    "console",
    "environment",
    "finetune",
    "hub",
    "options",
    "predict",
    "pretrain",
    "shelf",
    "start",
    "study",
    "text_table",
    "web",
]
