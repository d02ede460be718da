"""Install the top-level ``cli.py`` as ``zoo.cli``; everything else is in pyproject.toml.

setuptools can map folders into a package, but not a single file. An editable install follows the entry
``"zoo.cli" = "cli"`` of ``package-dir`` by itself, because its import hook tries ``cli.py`` after
``cli/__init__.py``. A wheel is told here to copy the file. So no module called ``cli`` is left in anybody's
site-packages.
"""

from __future__ import annotations

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCli(build_py):
    """Copy ``cli.py`` into the package ``zoo``."""

    def finalize_options(self) -> None:
        """Take the pretended package out of the list of folders to copy."""
        super().finalize_options()
        self.packages = [package for package in self.packages if package != "zoo.cli"]

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Add ``cli.py`` to the modules found in ``zoo/``, and leave the maker of the examples at home."""
        modules = super().find_package_modules(package, package_dir)
        if package == "zoo.examples":
            return [module for module in modules if module[1] == "__init__"]
        return [*modules, ("zoo", "cli", "cli.py")] if package == "zoo" else modules


setup(cmdclass={"build_py": BuildWithCli})
