"""The Hugging Face Hub: pull, push, search.

``pull`` turns one reference into a verified folder, ``copies`` several; ``unpinned`` and ``history`` watch repositories
that no card pins. ``publish`` sends checkpoints with the cards that ``card`` writes; ``search`` finds them.
Below these are the cache on this machine (``cache``, ``locations``), what is asked of the Hub (``client``), the guarded
connections (``session``), and errors in words (``errors``). Nothing is imported here, since ``zoo list`` needs
``locations`` alone.
"""

__all__ = [
    "cache",
    "card",
    "client",
    "copies",
    "errors",
    "history",
    "locations",
    "publish",
    "pull",
    "search",
    "session",
    "unpinned",
]
