"""Example tables, also in the wheel: ``importlib.resources.files("zoo.examples") / "dielectric.csv"``."""
