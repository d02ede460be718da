# The public names, each once: __init__.py reads this file.
from zoo.data.crystal import Crystal as Crystal
from zoo.data.elements import atom_table as atom_table
from zoo.data.elements import known_elements as known_elements
from zoo.data.scaling import TargetScaler as TargetScaler
from zoo.data.splits import Split as Split
from zoo.data.splits import hash_split as hash_split
from zoo.data.splits import make_split as make_split
