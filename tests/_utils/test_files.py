"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo._utils.files import cache_folder, whole, write_bytes, write_text


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    with whole(path) as beside:
        beside.write_text("half")
        assert not path.exists()
        beside.write_text("all of it")
    assert path.read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


def fail_in_the_middle(path: Path, error: type[BaseException]) -> None:
    with whole(path) as beside:
        beside.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "before")
    with pytest.raises(error):
        fail_in_the_middle(path, error)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with whole(path) as one, whole(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # which ended last
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    write_text(path, "private")
    path.chmod(0o600)
    write_bytes(path, "ε_r".encode())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="utf-8") == "ε_r"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ZOO_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c/graphs"),
        ({"ZOO_CACHE": "~/c"}, "/home/me/c/graphs"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/crystal-zoo/graphs"),
        ({}, "/home/me/.cache/crystal-zoo/graphs"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("ZOO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    assert cache_folder("graphs") == Path(expected)
