"""The convolutions of a network, compiled."""
