"""The Hugging Face Hub: pull, push, search.

``pull`` turns one reference into a verified folder, ``copies`` several; ``unpinned`` and ``history`` detect changes of
repositories that no card pins. ``publish`` sends checkpoints with the cards written by ``card``; ``search`` finds them.
They build on the local cache (``cache``, ``locations``), the Hub's API (``client``), guarded connections
(``session``) and error messages (``errors``). Nothing is imported here, because ``zoo list`` needs only ``locations``.
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
