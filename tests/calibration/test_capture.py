import cv2
import numpy as np
import pytest

from calibration.capture import Box, active_region, find_disc, spacing_from_disc, spacing_from_points, text_boxes
from calibration.errors import InputError

_REGION = Box(column=150, row=10, width=350, height=340)
_TEXT_AT = (160, 22)


def _screen(frames: int = 6, *, disc: bool = False, text: bool = True, round_field: bool = False) -> np.ndarray:
    """A changing picture between bars, with text on the picture and on a bar."""
    rng = np.random.default_rng(1)
    row, column = np.mgrid[: _REGION.height, : _REGION.width]
    stack = []
    for _ in range(frames):
        picture = 130 + 30 * np.sin(row / 90) + rng.normal(0, 9, row.shape)
        if disc:
            picture[((column - 175) / 40) ** 2 + ((row - 180) / 38) ** 2 <= 1] -= 70
        if round_field:
            picture[np.hypot(column - 175, row - 170) > 168] = 16
        picture = np.clip(picture, 0, 255).astype(np.uint8)
        screen = np.full((360, 640), 16, np.uint8)
        screen[_REGION.row : _REGION.row + _REGION.height, _REGION.column : _REGION.column + _REGION.width] = picture
        if text:
            cv2.putText(screen, "LAO 30", (_TEXT_AT[0], _TEXT_AT[1] + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
            cv2.putText(screen, "ROOM 3", (20, 180), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 200, 2)
        stack.append(screen)
    return np.array(stack)


@pytest.mark.parametrize("frames", [1, 6])
def test_the_region_is_the_picture_without_its_bars(frames):
    assert active_region(_screen(frames), source="screen.mp4") == _REGION


def test_a_round_field_is_boxed():
    found = active_region(_screen(round_field=True), source="screen.mp4")
    assert abs(found.width - 337) <= 3
    assert abs(found.height - 337) <= 3


def test_a_screen_that_is_all_picture_has_no_bars():
    frames = np.random.default_rng(0).integers(60, 200, (3, 90, 120)).astype(np.uint8)
    assert active_region(frames, source="x") == Box(column=0, row=0, width=120, height=90)


def test_a_flat_screen_is_refused():
    with pytest.raises(InputError, match="flat grey"):
        active_region(np.full((2, 90, 120), 40, np.uint8), source="screen.mp4")


@pytest.mark.parametrize("frames", [1, 6])
def test_text_on_the_picture_is_boxed(frames):
    (box,) = text_boxes(_screen(frames), _REGION)
    drawn = np.argwhere(_screen(1)[0, 20:40, 155:230] == 255)
    rows, columns = drawn[:, 0] + 20, drawn[:, 1] + 155
    assert box.column <= columns.min() <= columns.max() < box.column + box.width
    assert box.row <= rows.min() <= rows.max() < box.row + box.height
    assert box.width < 80
    assert box.height < 30


def test_a_picture_without_text_has_no_boxes():
    assert text_boxes(_screen(text=False), _REGION) == []


def test_a_disc_tells_both_spacings():
    frames = _screen(disc=True)
    disc = find_disc(frames, _REGION, source="screen.mp4")
    assert (disc.column_px, disc.row_px) == pytest.approx((325, 190), abs=0.5)
    row_mm, column_mm = spacing_from_disc(20.0, disc, source="screen.mp4")
    assert row_mm == pytest.approx(20 / 76, rel=0.015)
    assert column_mm == pytest.approx(20 / 80, rel=0.015)


def test_without_a_disc_none_is_invented():
    with pytest.raises(InputError, match="no disc"):
        find_disc(_screen(), _REGION, source="screen.mp4")


def test_two_points_tell_the_spacing():
    assert spacing_from_points(20.0, (200, 100), (260, 180), _REGION, source="x") == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize(
    ("mm", "first", "second", "reason"),
    [
        (20.0, (200, 100), (203, 100), "apart"),
        (20.0, (10, 100), (203, 100), "outside"),
        (2e5, (200, 100), (260, 180), "check the size"),
    ],
)
def test_points_that_tell_nothing_are_refused(mm, first, second, reason):
    with pytest.raises(InputError, match=reason):
        spacing_from_points(mm, first, second, _REGION, source="x")
