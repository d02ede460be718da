"""Packages whose names are imported when they are first used.

The names stand in one place, the package's stub ``__init__.pyi``, which type checkers and editors read as well.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package, according to its stub.

    A line ``from MODULE import NAME as NAME`` of the stub makes a name public; where MODULE is the package itself, it
    is one of its modules, which ``__all__`` leaves out. A line ``PUBLIC = NAME`` gives an imported name another one.

    Parameters
    ----------
    package, file : str
        The package's ``__name__`` and ``__file__``.
    """

    @cache
    def homes() -> dict[str, tuple[str, str]]:
        imported: dict[str, tuple[str, str]] = {}
        public: dict[str, tuple[str, str]] = {}
        for line in ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body:
            match line:
                case ast.ImportFrom(module=str(module), names=names):
                    imported |= {name.name: (module, name.name) for name in names}
                    public |= {name.name: (module, name.name) for name in names if name.asname}
                case ast.Assign(targets=[ast.Name(id=alias)], value=ast.Name(id=name)):
                    public[alias] = imported[name]
        return public

    def attribute(name: str) -> Any:
        if name == "__all__":
            return sorted(public for public, (module, _) in homes().items() if module != package)
        if name.startswith("__") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, original = homes()[name]
        return import_module(f"{package}.{name}") if module == package else getattr(import_module(module), original)

    return attribute, lambda: sorted(homes())
