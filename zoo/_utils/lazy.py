"""Packages that import their public names when these are first used."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package.

    The public names are those in the ``if TYPE_CHECKING:`` block of the package's ``__init__.py``, which type checkers
    and editors read too. A line ``from MODULE import NAME as NAME`` makes a name public; if MODULE is the package
    itself, NAME is one of its modules, and ``__all__`` leaves it out. ``PUBLIC = NAME`` makes an imported name public
    under another one.

    Parameters
    ----------
    package, file : str
        The package's ``__name__`` and ``__file__``.
    """

    @cache
    def origins() -> dict[str, tuple[str, str]]:
        imported: dict[str, tuple[str, str]] = {}
        public: dict[str, tuple[str, str]] = {}
        for statement in _type_checking_block(file):
            match statement:
                case ast.ImportFrom(module=str(module), names=names):
                    imported |= {name.name: (module, name.name) for name in names}
                    public |= {name.name: (module, name.name) for name in names if name.asname}
                case ast.Assign(targets=[ast.Name(id=alias)], value=ast.Name(id=name)):
                    public[alias] = imported[name]
        return public

    def attribute(name: str) -> Any:
        if name == "__all__":
            return sorted(public for public, (module, _) in origins().items() if module != package)
        if name.startswith("__") or name not in origins():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, original = origins()[name]
        return import_module(f"{package}.{name}") if module == package else getattr(import_module(module), original)

    return attribute, lambda: sorted(origins())


def _type_checking_block(file: str) -> list[ast.stmt]:
    for statement in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        match statement:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                return body
    raise ImportError(f"{file}: no `if TYPE_CHECKING:` block lists the public names")
