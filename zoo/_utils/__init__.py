"""What all other packages build on; not public.

`files` writes files whole or not at all, `toml` and `bounded` read them from outside, `validation` checks options;
`workers` has the threads and processes of one job, `engines` many jobs on one machine or a cluster, `resuming` what may
be resumed by one process at a time. `progress` and `wording` serve the terminal, `devices` chooses where a network
runs, `compiled` and `lazy` say what is imported and when.
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
    "resuming",
    "toml",
    "validation",
    "wording",
    "workers",
]
