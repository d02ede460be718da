"""Several checkpoints at once, and copies of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo.errors import InputError, IntegrityError, UnknownNameError, ZooError
from zoo.hub import pull
from zoo.hub.copies import available, copy, pull_all
from zoo.registry import backbones

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_available() -> None:
    assert "dEf-10k" in available()
    assert "dEf-113k-mp" not in available(), "it has no weights yet"


def test_several_in_their_order_whatever_happens_to_one(tmp_path: Path) -> None:
    found = dict(pull_all(["dEf-10k", "nothing", "multi-113k", "dEf-10k"], to=tmp_path / "shelf", quiet=True))
    assert list(found) == ["dEf-10k", "nothing", "multi-113k"]
    assert isinstance(found["nothing"], UnknownNameError)
    for name in ("dEf-10k", "multi-113k"):
        pulled = found[name]
        assert not isinstance(pulled, ZooError)
        assert pulled.directory == tmp_path / "shelf" / name
        assert pull.verify(pulled.directory, backbones.get(name)) == pulled.digests
    ((_, alone),) = pull_all(["dEf-10k"], to=tmp_path / "one", quiet=True)
    assert not isinstance(alone, ZooError)
    assert alone.directory == tmp_path / "one"


def test_another_checkpoint_is_not_overwritten_unasked(tmp_path: Path) -> None:
    first, second = pull.pull("dEf-10k"), pull.pull("multi-113k")
    copy(first, tmp_path)
    copy(first, tmp_path)
    with pytest.raises(InputError, match="holds another checkpoint; choose another folder, or overwrite it with"):
        copy(second, tmp_path)
    assert pull.verify(tmp_path, backbones.get("dEf-10k"))
    copy(second, tmp_path, force=True)
    assert pull.verify(tmp_path, backbones.get("multi-113k"))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"file cannot be written: .*; choose another folder"):
        copy(first, tmp_path / "file")


def test_what_changed_since_it_was_checked_is_not_copied(tmp_path: Path) -> None:
    pulled = pull.pull("dEf-10k")
    wrong = replace(pulled, digests={**pulled.digests, "config.json": "0" * 64})
    with pytest.raises(IntegrityError, match="has changed since it was checked"):
        copy(wrong, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
