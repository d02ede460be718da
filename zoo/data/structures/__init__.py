"""Structure files and text → crystals.

`parse` reads text, dictionaries, arrays and files of any format. `plain_cif` reads plainly written CIFs quickly; `cif`
reads all others with pymatgen.
"""

__all__ = [
    "cif",
    "parse",
    "plain_cif",
]
