"""Structure files and text to crystals."""
