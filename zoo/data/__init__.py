"""Crystals, and everything between a file and a network's input.

`crystal` holds a structure as arrays; `structures` reads structure files, `tables` turns tables into records and
rejections, `graphs` builds crystal graphs, packs and stores them, and `sources` fetches tables from databases.
`elements` has the atom features, `scaling` the transforms of targets, and `splits` divides records.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.data.crystal import Crystal as Crystal
    from zoo.data.elements import atom_table as atom_table
    from zoo.data.elements import known_elements as known_elements
    from zoo.data.scaling import TargetScaler as TargetScaler
    from zoo.data.splits import Split as Split
    from zoo.data.splits import hash_split as hash_split
    from zoo.data.splits import make_split as make_split
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
