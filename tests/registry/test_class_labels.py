"""Labels of classes: which are refused, and which cell of a table names which class."""

from __future__ import annotations

import pytest

from zoo.registry.class_labels import check, index


@pytest.mark.parametrize(
    ("classes", "label", "position"),
    [
        (("non-metal", "metal"), "Metal ", 1),
        (("non-metal", "metal"), True, 1),
        (("non-metal", "metal"), "FALSE", 0),
        (("non-metal", "metal"), 0, 0),
        (("non-metal", "metal"), 1.0, 1),
        (("non-metal", "metal"), "0.5", None),
        (("non-metal", "metal"), 2, None),
        (("1", "2"), 1, 0),  # labels that are numbers are no positions
        (("1", "2"), 2.0, 1),
        (("1", "2"), True, None),
        (("2", "3"), 3, 1),  # dimensions: 0 and 1 are others, not the two classes
        (("2", "3"), 0, None),
        (("2", "3"), "1", None),
        (("true", "false"), False, 1),
        (("true", "false"), 0, None),
        (("none", "FM", "AFM"), "fm", 1),
        (("none", "FM", "AFM"), 1, None),  # of three classes, a number names none
    ],
)
def test_cells_that_name_a_class(classes, label, position):
    assert index(classes, label) == position


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("metal",), "1 classes; give 2 to 100"),
        (("metal", "Metal"), "'metal' and 'Metal' are read as the same class"),
        (("1", "1.0"), "'1' and '1.0' are read as the same class"),
        (("metal", ""), "'' is not a label"),
        (("metal", "a\nb"), "is not a label"),
    ],
)
def test_labels_that_make_no_sense_are_refused(classes, said):
    with pytest.raises(ValueError, match=said):
        check("magnet", classes)


def test_classes_are_a_tuple_of_strings():
    for classes in (["a", "b"], (0, 1), "ab"):
        with pytest.raises(TypeError, match="is not a tuple of strings"):
            check("magnet", classes)
