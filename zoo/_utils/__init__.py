"""What all other packages build on: files, processes, progress, wording, options, compiled parts. Not public."""

VERSION = "0.1.0"
"""The version of zoo."""
