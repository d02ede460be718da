"""Prediction with a backbone or a run."""
