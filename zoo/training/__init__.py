"""Fitting a network: batches, losses, the loop, interruption, transfer."""
