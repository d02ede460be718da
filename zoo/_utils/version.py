"""The version of zoo, for whoever writes it down."""

VERSION = "0.1.0"
