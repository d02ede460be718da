"""Compiled loops over crystals; see :mod:`zoo._utils.compiled`."""
