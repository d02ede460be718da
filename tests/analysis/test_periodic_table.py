"""Where elements stand in the periodic table."""

from zoo.analysis.periodic_table import position
from zoo.data.elements import properties


def test_elements_stand_in_their_group_and_period() -> None:
    # Group and period by the IUPAC table; the f-block below it.
    known = {1: (1, 1), 2: (18, 1), 6: (14, 2), 21: (3, 4), 55: (1, 6), 71: (17, 8), 72: (4, 6), 103: (17, 9)}
    assert {number: position(number) for number in known} == known
    assert len({position(number) for number in range(1, 119)}) == 118


def test_the_place_agrees_with_the_table_of_properties() -> None:
    below = {*range(57, 72), *range(89, 104)}
    for element in properties():
        if int(element["number"]) not in below:
            assert position(int(element["number"])) == (int(element["group"]), int(element["period"]))
