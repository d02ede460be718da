"""Crystals, and what they pass through before a network sees them.

`crystal` holds a structure as arrays; `structures` reads structure files, `tables` turns tables into records and
rejections, `graphs` builds crystal graphs, packs and stores them, and `sources` fetches tables from databases.
`elements` has the atom features, `scaling` the transforms of targets, and `splits` divides records.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
