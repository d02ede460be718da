"""The door to DGL: what works is used, what does not is said in one line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

import zoo
from zoo.data.graphs.dgl_import import Substitute, dgl, state
from zoo.data.graphs.message_passing import IndexedGraph, in_dgl
from zoo.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core import Structure

# An import hook that stands before all others and fails as a broken installation would.
BLOCKER = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise {error}
        return None

sys.meta_path.insert(0, Blocker())
from zoo.data.graphs.dgl_import import dgl, state
from zoo.errors import DependencyError
for attempt in (dgl, state):
    try:
        attempt()
    except DependencyError as error:
        print(error)
print(sorted(name for name in sys.modules if name.partition(".")[0] == "dgl"))
"""


def blocked(name: str, error: str) -> list[str]:
    code = BLOCKER.format(name=name, error=error)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_dgl_passes_messages() -> None:
    """The sum over the neighbours in a triangle with one more edge, counted by hand."""
    module = dgl()
    graph = module.graph((torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])))
    graph.ndata["v"] = torch.tensor([[1.0], [10.0], [100.0]])
    graph.update_all(module.function.copy_u("v", "m"), module.function.sum("m", "sum"))
    assert graph.ndata["sum"].flatten().tolist() == [100.0, 1.0, 11.0]
    both = module.batch([graph, graph])
    assert both.batch_size == 2
    assert both.num_edges() == 8


def test_it_is_imported_once() -> None:
    assert dgl() is dgl()
    assert sys.modules["dgl"] is dgl()


def test_state_says_which_and_how() -> None:
    found, _, how = state().partition(", ")
    assert found == dgl().__version__
    assert how in ("without graphbolt", "complete")
    # Whichever it is, it is so: graphbolt's data sets are a class of its own only where it is complete.
    real = getattr(sys.modules["dgl.graphbolt"], "__file__", None) is not None
    assert (how == "complete") == real


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="there is no DGL to install")
def test_a_missing_dgl_is_said_with_the_remedy() -> None:
    first, second, left = blocked("dgl", "ModuleNotFoundError(\"No module named 'dgl'\", name='dgl')")
    assert first == second
    assert first == "DGL is not installed; run: pip install 'dgl>=2.1,<2.5'"
    assert left == "[]"


@pytest.fixture
def no_release(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Python for which there is no DGL."""
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setitem(sys.modules, "dgl", None)
    dgl.cache_clear()
    in_dgl.cache_clear()
    yield
    dgl.cache_clear()
    in_dgl.cache_clear()


@pytest.mark.usefixtures("no_release")
def test_where_there_is_no_dgl_messages_are_passed_without_it(real_structures: list[Structure]) -> None:
    graph = zoo.graph(real_structures[0])
    assert isinstance(graph, IndexedGraph)
    function = zoo.dgl().function
    graph.update_all(function.copy_e("count", "m"), function.sum("m", "neighbors"))
    assert set(graph.ndata["neighbors"].flatten().tolist()) == {12}


@pytest.mark.usefixtures("no_release")
def test_where_there_is_no_dgl_the_rest_of_it_is_missed() -> None:
    for miss in (lambda: dgl().DGLGraph, lambda: dgl().function.u_dot_v):
        with pytest.raises(DependencyError, match=r"is missing\. DGL has no release for Python 3\.13: predictions"):
            miss()


def test_messages_are_described_as_dgl_describes_them() -> None:
    substitute = Substitute("dgl").function
    for function in (dgl().function, substitute):
        for message in (function.u_mul_e("a", "w", "m"), function.u_mul_e(rhs_field="w", out="m", lhs_field="a")):
            assert (message.name, message.lhs_field, message.rhs_field, message.out_field) == ("u_mul_e", "a", "w", "m")
        for message in (function.copy_u("a", "m"), function.copy_u(out="m", u="a")):
            assert (message.name, message.in_field, message.out_field) == ("copy_u", "a", "m")
        assert (function.sum("m", "total").name, function.sum(msg="m", out="total").out_field) == ("sum", "total")


def test_another_failure_than_graphbolts_is_passed_on_with_its_reason() -> None:
    first, second, left = blocked("dgl.backend", "OSError('libdgl.so: cannot open shared object file')")
    assert first == second
    assert "cannot be imported with torch" in first
    assert "libdgl.so: cannot open shared object file" in first
    assert left == "[]"


def test_a_dependency_that_dgl_lacks_is_named() -> None:
    first, *_ = blocked("psutil", "ModuleNotFoundError(\"No module named 'psutil'\", name='psutil')")
    assert "No module named 'psutil'" in first
