"""Install the top-level ``cli.py`` as ``zoo.cli``, and compile what lies in folders called ``kernels``.

Everything else is in pyproject.toml.

setuptools can map folders into a package, but not a single file. An editable install follows the entry
``"zoo.cli" = "cli"`` of ``package-dir`` by itself, because its import hook tries ``cli.py`` after
``cli/__init__.py``. A wheel is told here to copy the file. So no module called ``cli`` is left in anybody's
site-packages.

The compiled parts are optional: without a C compiler zoo installs all the same, and the plain parts do the work.
"""

from __future__ import annotations

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
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


class BuildFast(build_ext):
    """Compile with the options that the compiler at hand understands."""

    def run(self) -> None:
        """Leave nothing of an older source where nothing new can be made."""
        if self.inplace:
            for pattern in ("*.so", "*.pyd"):
                for old in Path("zoo").glob(f"**/kernels/{pattern}"):
                    old.unlink()
        super().run()

    def build_extension(self, extension: Extension) -> None:
        """Let square roots be one instruction, and loops over arrays be vectors."""
        if self.compiler.compiler_type != "msvc":
            extension.extra_compile_args = ["-O3", "-fno-math-errno", "-fno-trapping-math"]
        super().build_extension(extension)


def compiled() -> list[Extension]:
    """Return the extensions, translated to C outside the source tree."""
    extensions = [
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            include_dirs=[str(source.parent)],
            depends=[str(header) for header in source.parent.glob("*.h")],
        )
        for source in sorted(Path("zoo").glob("**/kernels/*.pyx"))
    ]
    translated: list[Extension] = cythonize(extensions, build_dir="build/cython", quiet=True)
    for extension in translated:
        extension.optional = True
    return translated


setup(
    packages=[
        *find_packages(include=["zoo", "zoo.*"]),
        "zoo.plugins",
        *(f"zoo.plugins.{package}" for package in find_packages("plugins")),
        *("zoo.cards", "zoo.examples", "zoo.cli"),
    ],
    cmdclass={"build_py": BuildWithCli, "build_ext": BuildFast},
    ext_modules=compiled(),
)
