"""Crystals to crystal graphs: neighbours, packing, batches, the store on disk."""
