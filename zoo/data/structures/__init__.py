"""Structure files and text → crystals.

`parse` is the entry point for text, dictionaries, arrays and files of any format. `files` recognises structure files by
name. Each format has its module: `cif` (with `cif_blocks`, `cif_sites`), `poscar`, `dictionary`. They share `species`
(type symbols → elements), `symmetry` and `orbits` (an asymmetric unit → the whole cell), `statements` (checks against
the formula, Z, volume and density in the file) and `plausibility` (checks of distances and volumes).
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
