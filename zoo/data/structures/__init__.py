"""Structure files and text → crystals.

`parse` is the one door: text, dictionaries, arrays and files of any format. `files` knows structure files by their
names. Each format has its module: `cif` (with `cif_blocks`, `cif_sites`), `poscar`, `dictionary`. They share `species`
(type symbols → elements), `symmetry` and `orbits` (an asymmetric unit → the whole cell), `statements` (what a file says
of its crystal, checked) and `plausibility` (distances and volumes that no crystal has).
"""

__all__ = [
    "cif",
    "cif_blocks",
    "cif_sites",
    "dictionary",
    "files",
    "orbits",
    "parse",
    "plausibility",
    "poscar",
    "species",
    "statements",
    "symmetry",
]
