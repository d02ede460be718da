"""Structure files, text and Python objects → crystals.

`conversion` converts whatever a user passes in Python; `parse` reads one structure from text, a dictionary, arrays or a
file of any format. `files` recognises structure files by name. Each format has its module or package: `cif`, `poscar`,
`dictionary` (pymatgen's), `atoms` (of ASE and JARVIS); `containers` has those that hold several crystals. They share
`species` (type symbols → elements), `statements` (checks against the formula, Z, volume and density in the file) and
`plausibility` (checks of distances and volumes).
"""

__all__ = [
    "atoms",
    "cif",
    "containers",
    "conversion",
    "dictionary",
    "files",
    "parse",
    "plausibility",
    "poscar",
    "species",
    "statements",
]
