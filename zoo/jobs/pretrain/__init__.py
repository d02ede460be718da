"""Pretraining: from a recipe to a backbone."""
