"""Files that hold several crystals: extended XYZ, databases of ASE, and archives of structure files.

Nothing is executed, unpickled or written to disk; sizes and numbers are bounded.
"""

__all__ = ["archives", "ase_database", "extxyz"]
