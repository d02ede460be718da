"""The search for neighbours and the merging of copies, compiled."""
