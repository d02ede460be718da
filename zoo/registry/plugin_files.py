"""Plugins in a single Python file, without a package."""

from __future__ import annotations

import ast
import sys
from hashlib import sha256
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from inspect import getattr_static
from pathlib import Path
from traceback import TracebackException, walk_tb
from typing import TYPE_CHECKING

from zoo.errors import PluginError
from zoo.registry.contracts import NAME, Baseline, Kind, Task
from zoo.registry.networks import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def read_plugin_file(file: Path, shown: str) -> tuple[list[tuple[Kind, str, str, object]], str]:
    """Run a Python file and collect the plugins at its top level.

    Parameters
    ----------
    file : Path
        The file. No byte code is written next to it.
    shown : str
        The path as the user gave it, for messages.

    Returns
    -------
    contents : list of (kind, name, attribute, object)
        In the order of the file, each object once. What the file imports, and names that start with an
        underscore, are left out.
    digest : str
        SHA-256 of the file.

    Raises
    ------
    PluginError
        If the file is missing, is not Python, or raises when it runs; names the line.
    """
    try:
        source = file.read_bytes()
    except OSError as error:
        raise PluginError(f"{shown}: {error.strerror or error}; give the path of a Python file") from error
    try:
        tree = ast.parse(source, filename=str(file))
    except (SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PluginError(f"{shown}{where}: not valid Python: {what}") from error
    contents = list(_contents(_run(file, source, shown), _imported_names(tree), shown))
    return contents, sha256(source).hexdigest()


_LIBRARIES = sys.stdlib_module_names | {
    *("dgl", "numpy", "pandas", "pydantic", "pydantic_core", "pymatgen", "scipy", "sklearn", "torch", "zoo")
}
"""Packages in whose code no author of a plugin looks for a mistake."""

LONGEST_MESSAGE = 300
"""Characters of a plugin's error message that are shown."""


def one_line(error: BaseException) -> str:
    """Return type and message of an exception on one line of limited length."""
    # Through the traceback module, which also copes with an exception whose __str__ fails.
    message = " ".join(str(TracebackException(type(error), error, None)).split())
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]} …"
    return f"{type(error).__name__}: {message}".removesuffix(": ")


def one_line_with_place(error: BaseException) -> str:
    """Return type and message of an exception, and the innermost line of a plugin that led to it, or of all lines."""
    lines = list(walk_tb(error.__traceback__))
    own = [each for each in lines if str(each[0].f_globals.get("__name__")).partition(".")[0] not in _LIBRARIES]
    places = [f" ({Path(frame.f_code.co_filename).name}, line {line})" for frame, line in own or lines]
    return one_line(error) + (places[-1] if places else "")


class _Source(SourceLoader):
    """Load a module from source in memory; no byte code is stored, so it cannot be stale."""

    def __init__(self, file: Path, source: bytes) -> None:
        self._file, self._source = file, source

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return str(self._file)

    def get_data(self, path: str | bytes) -> bytes:  # noqa: ARG002
        return self._source


def _run(file: Path, source: bytes, shown: str) -> ModuleType:
    # A unique name, so that a file called json.py shadows nothing; kept in sys.modules, because
    # dataclasses and the workers of a process pool look up a class's module there.
    name = f"zoo_plugin_{sha256(str(file).encode()).hexdigest()[:12]}"
    loader = _Source(file, source)
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException as error:  # a plugin may raise anything; the user is told what and where
        del sys.modules[name]
        if type(error) is KeyboardInterrupt:  # Ctrl-C, and no plugin's own kind of it
            raise
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(file):
                line = trace.tb_lineno
            trace = trace.tb_next
        where = f", line {line}" if line else ""
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        remedy = f"install the package that has {missing}, or correct the file" if missing else "correct the file"
        raise PluginError(f"{shown}{where}: {one_line(error)}; {remedy}") from error
    return module


def _imported_names(tree: ast.Module) -> set[str]:
    """Return the names that a file imports, which are not plugins of the file."""
    return {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _contents(module: ModuleType, imported: set[str], shown: str) -> Iterator[tuple[Kind, str, str, object]]:
    seen: set[int] = set()
    for attribute, value in vars(module).items():
        if attribute.startswith("_") or attribute in imported or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Task):
            yield "task", value.name, attribute, value
        elif isinstance(value, Baseline):
            yield "baseline", value.name, attribute, value
        elif isinstance(value, Network):
            yield "network", value.name, attribute, value
        # Looked up statically: a lazy object that is not a plugin may answer to any attribute.
        elif callable(getattr_static(value, "featurize", None)):
            try:
                name = getattr(value, "name", None)
            except BaseException as error:  # a plugin may raise anything
                if type(error) is KeyboardInterrupt:  # Ctrl-C, and no plugin's own kind of it
                    raise
                what = one_line_with_place(error)
                raise PluginError(f"{shown}: {attribute}.name: {what}; correct the file") from error
            if isinstance(name, str) and NAME.fullmatch(name):
                yield "featurizer", name, attribute, value
