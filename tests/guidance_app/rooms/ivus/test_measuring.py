"""Lengths, areas and arcs by hand."""

import pytest

from guidance_app.rooms.ivus.answer.measuring import Ruler


def measured(kind, *clicks, middle=(0.0, 0.0)):
    ruler = Ruler()
    while ruler.kind != kind:
        ruler.next_kind()
    found = [ruler.click(7, *place, middle) for place in clicks]
    assert all(part is None for part in found[:-1])
    return found[-1]


def test_a_length_needs_two_clicks():
    found = measured("length", (0.0, 0.0), (3.0, 4.0))
    assert found.value == 5.0
    assert found.as_json()["length_mm"] == 5.0


def test_an_area_is_closed_by_its_first_point_in_either_order():
    corners = [(0.0, 0.0), (2.0, 0.0), (2.0, 1.5), (0.0, 1.5)]
    for order in (corners, corners[:1] + corners[:0:-1]):
        found = measured("area", *order, (0.1, 0.0))
        assert found.value == pytest.approx(3.0)
        assert len(found.points_mm) == 4


@pytest.mark.parametrize(("end", "degrees"), [((0.0, 2.0), 90.0), ((0.0, -2.0), 270.0), ((-1.0, 0.0), 180.0)])
def test_an_arc_is_seen_from_the_middle_of_the_lumen_clockwise(end, degrees):
    middle = (0.5, -0.5)
    found = measured("arc", (1.5 + middle[0], middle[1]), (end[0] + middle[0], end[1] + middle[1]), middle=middle)
    assert found.value == pytest.approx(degrees)
    line = found.outline_mm()
    assert line[0] == pytest.approx(found.points_mm[0])
    assert line[-1] == pytest.approx(found.points_mm[1])


def test_another_frame_begins_anew_and_off_measures_nothing():
    ruler = Ruler()
    assert ruler.click(0, 1.0, 1.0, (0.0, 0.0)) is None
    ruler.next_kind()
    assert ruler.click(0, 1.0, 1.0, (0.0, 0.0)) is None
    assert ruler.click(1, 2.0, 1.0, (0.0, 0.0)) is None
    assert ruler.click(1, 3.0, 1.0, (0.0, 0.0)).value == 1.0
    assert [ruler.next_kind().split(":")[0] for _ in range(3)] == ["area", "arc", "measuring is off"]
