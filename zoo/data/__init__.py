"""Crystals and what is made of them: structures are read, tables become records, records become graphs."""
