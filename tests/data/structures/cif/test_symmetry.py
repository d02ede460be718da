"""Operations and space groups, against gemmi's table and spglib."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from zoo.data.structures.cif.symmetry import (
    StatedGroup,
    identity,
    listed_operations,
    operations_of,
    read_operation,
    settings,
    type_number,
)
from zoo.errors import InputError

TABLE = [group for group in gemmi.spacegroup_table() if group.is_reference_setting()]


@pytest.mark.parametrize("group", TABLE[::6], ids=lambda group: group.xhm())
def test_a_list_of_operations_is_its_group(group: gemmi.SpaceGroup) -> None:
    texts = tuple(op.triplet() for op in group.operations())
    listed, complete = listed_operations(texts)
    assert complete
    assert listed.codes == operations_of(group).codes
    assert type_number(listed) == group.number
    if len(texts) > 2:
        fewer, whole = listed_operations(texts[:-1])
        assert not whole
        assert fewer.codes == listed.codes


def test_the_metric_tells_the_axes() -> None:
    cube, hexagonal = np.eye(3) * 25.0, np.array([[16, -8, 0], [-8, 16, 0], [0, 0, 100.0]])
    cos = np.cos(np.radians(55.28))
    rhombohedral = 26.0 * np.array([[1, cos, cos], [cos, 1, cos], [cos, cos, 1]])
    corundum = StatedGroup(names=("R -3 c",))
    assert [len(each) for each in settings(corundum, hexagonal)] == [36]
    assert [len(each) for each in settings(corundum, rhombohedral)] == [12]
    assert [len(each) for each in settings(StatedGroup(names=("F d -3 m",)), cube)] == [192, 192]
    assert [len(each) for each in settings(StatedGroup(names=("F d -3 m :2",)), cube)] == [192]
    assert [len(each) for each in settings(StatedGroup(numbers=(227,), code="1"), cube)] == [192]
    with pytest.raises(InputError, match="does not have the symmetry"):
        settings(StatedGroup(names=("P 63/m m c",)), cube)
    with pytest.raises(InputError, match="names two space groups"):
        settings(StatedGroup(names=("P n m a",), numbers=(225,)), cube)
    assert settings(StatedGroup(names=("F9",)), cube) == []
    assert len(identity()) == 1


@pytest.mark.parametrize("name", ["Fm-3m", "F_m_-3_m", "F m -3 m", "FM-3M", "F m 3 m", "Fm-3m :1"])
def test_spellings(name: str) -> None:
    found = settings(StatedGroup(names=(name,)), np.eye(3) * 25.0)
    assert not found or {type_number(each) for each in found} == {225}
    assert found or name.endswith(":1")


@pytest.mark.parametrize(
    "text", ["x,y", "x,y,?", "x+x,y,z", "2x,y,z", "x,y,y", "x,y,z+0.123", "x y,z,x", "x,y,z+1/0", ""]
)
def test_no_operation(text: str) -> None:
    with pytest.raises(InputError, match="is not a symmetry operation"):
        read_operation(text)


@pytest.mark.parametrize("text", ["1/3+x,y,z", "x+.33,y,z", "X+0.3333,Y,Z", "x+0.33333333,y,z", "x-2/3,y,z"])
def test_decimals_of_a_third(text: str) -> None:
    _, translation = read_operation(text)
    assert translation.tolist() == [40, 0, 0]
