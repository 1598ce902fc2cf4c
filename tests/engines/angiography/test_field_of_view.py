import cv2
import numpy as np
import pytest

from engines.angiography.field_of_view import find_field_of_view


def _picture(opening: np.ndarray | None, *, blade: float = 8.0) -> np.ndarray:
    random = np.random.default_rng(1)
    row, column = np.mgrid[:300, :300]
    picture = 120 + 25 * np.sin(row / 70) * np.cos(column / 50) + random.normal(0, 4, (300, 300))
    cv2.line(picture, (0, 40), (299, 200), 60.0, 6)
    return picture if opening is None else np.where(opening, picture, blade)


def _circle() -> np.ndarray:
    row, column = np.mgrid[:300, :300]
    return (row - 160) ** 2 + (column - 130) ** 2 < 170**2


def _rectangle() -> np.ndarray:
    opening = np.zeros((300, 300), bool)
    opening[20:270, 35:300] = True
    return opening


@pytest.mark.parametrize("opening", [_circle(), _rectangle()], ids=["circle", "rectangle"])
@pytest.mark.parametrize("inverted", [False, True])
def test_blades_are_found_within_six_pixels(opening, inverted):
    picture = _picture(opening)
    field = find_field_of_view((255 - picture if inverted else picture).astype(np.float32))
    assert field is not None
    ring = cv2.morphologyEx(opening.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((13, 13))) > 0
    assert (field != opening)[~ring].mean() < 0.002
    assert field[~opening].mean() < 0.01


def test_an_open_field_has_no_blades():
    assert find_field_of_view(_picture(None).astype(np.float32)) is None


def test_a_dark_vessel_leaving_the_picture_is_no_blade():
    picture = _picture(None)
    cv2.line(picture, (150, 150), (150, 299), 5.0, 12)
    assert find_field_of_view(picture.astype(np.float32)) is None


@pytest.mark.parametrize("shape", [(8, 8), (9, 400)])
def test_tiny_and_empty_pictures_are_open(shape):
    assert find_field_of_view(np.zeros(shape, np.float32)) is None
