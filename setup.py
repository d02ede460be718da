"""Install the top-level ``cli.py`` as ``zoo.cli``, and compile what lies in folders called ``kernels``.

Everything else is in pyproject.toml.

setuptools can map folders into a package, but not a single file. An editable install follows the entry
``"zoo.cli" = "cli"`` of ``package-dir`` by itself, because its import hook tries ``cli.py`` after
``cli/__init__.py``. A wheel is told here to copy the file. So no module called ``cli`` is left in anybody's
site-packages.

A wheel for a platform always has its compiled parts: if one of them cannot be compiled, there is no wheel. With
``ZOO_PURE=1`` in the environment nothing is compiled, and the wheel (``py3-none-any``) works on every platform, more
slowly. An editable install in a clone does with whatever the compiler at hand, if any, makes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CCompilerError

PURE = os.environ.get("ZOO_PURE", "") not in ("", "0")
NO_COMPILER = """
zoo's compiled parts could not be compiled ({}).
Either install a C compiler (gcc, clang, or Microsoft's Build Tools for C++),
or set the environment variable ZOO_PURE=1 to install zoo without compiled parts: the results are the same,
but building graphs takes five to eight times as long, and training up to twice as long.
"""


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
        """Compile everything for a wheel; what can be compiled for an editable install, leaving nothing outdated."""
        for extension in self.extensions:
            extension.optional = self.inplace
        if self.inplace:
            for pattern in ("*.so", "*.pyd"):
                for old in Path("zoo").glob(f"**/kernels/{pattern}"):
                    old.unlink()
        try:
            super().run()
        except (BaseError, CCompilerError) as error:
            raise SystemExit(NO_COMPILER.format(error)) from None

    def build_extension(self, extension: Extension) -> None:
        """Let square roots be one instruction, and loops over arrays be vectors; leave out debugging symbols."""
        if self.compiler.compiler_type != "msvc":
            extension.extra_compile_args = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math"]
            extension.extra_link_args = ["-Wl,-x" if sys.platform == "darwin" else "-Wl,--strip-all"]
        super().build_extension(extension)


def compiled() -> list[Extension]:
    """Return the extensions, translated to C outside the source tree."""
    from Cython.Build import cythonize

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
    return translated


setup(
    packages=[
        *find_packages(include=["zoo", "zoo.*"]),
        "zoo.plugins",
        *(f"zoo.plugins.{package}" for package in find_packages("plugins")),
        *("zoo.cards", "zoo.examples", "zoo.cli"),
    ],
    cmdclass={"build_py": BuildWithCli, "build_ext": BuildFast},
    ext_modules=[] if PURE else compiled(),
)
