"""Utilities used by all other packages; not public.

`files` writes files atomically, `bounded` reads untrusted ones, `validation` checks options and files in TOML, and
`python_api` the arguments of calls from Python;
`workers` has the threads and processes of one job, `engines` many jobs on one machine or a cluster, `resuming`
resumable work and its lock. `progress` and `wording` serve the terminal, `devices` chooses where a network runs,
`compiled` and `lazy` handle optional and deferred imports.
"""

VERSION = "0.1.0"
"""The version of zoo."""

__all__ = [
    "VERSION",
    "bounded",
    "compiled",
    "devices",
    "engines",
    "files",
    "lazy",
    "progress",
    "python_api",
    "resuming",
    "validation",
    "wording",
    "workers",
]
