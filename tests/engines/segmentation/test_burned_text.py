import cv2
import numpy as np
import pytest

from engines.segmentation.burned_text import find_text, without_text


def _picture(side: int = 512) -> np.ndarray:
    """A smooth noisy background with a vessel that is darker than all else, but not clipped to one value."""
    row, column = np.mgrid[:side, :side] * 512.0 / side
    across = np.abs(row - 60 - 30 * np.sin(column / 60))
    noise = np.random.default_rng(0).normal(0, 3, row.shape)
    return np.clip(150 + 20 * np.sin(column / 80) - 80 * np.exp(-((across / 5) ** 2)) + noise, 1, 254).astype(np.uint8)


def _write(picture: np.ndarray, value: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    ink = np.zeros(picture.shape, np.uint8)
    side = picture.shape[0]
    cv2.putText(ink, "LAO 30 CRA 20", (6, int(side * 0.06)), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1)
    cv2.putText(ink, "FD 16 15 fps", (6, int(side * 0.97)), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1)
    return np.where(ink > 0, value, picture).astype(np.uint8), ink > 0


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize(("side", "scale"), [(300, 0.4), (512, 0.5), (1024, 1.0)])
def test_letters_are_found_and_little_else(value, side, scale):
    written, ink = _write(_picture(side), value, scale)
    text = find_text(written)
    assert text is not None
    assert text[ink].mean() > 0.85
    assert (text & ~cv2.dilate(ink.astype(np.uint8), np.ones((9, 9))).astype(bool)).mean() < 1e-3


def test_a_picture_without_text_is_left_alone():
    assert find_text(_picture()) is None
    assert without_text(_picture()) is None


def test_a_clipped_vessel_and_blades_are_no_text():
    picture = _picture().astype(int) - 90  # the vessel now lies at the lowest value, in pieces
    picture[:, :40] = 0
    assert find_text(np.clip(picture, 0, 255).astype(np.uint8)) is None


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.uint8), np.zeros((1, 1), np.uint16), np.eye(40)])
def test_odd_pictures_hold_no_text(pixels):
    assert find_text(pixels) is None


@pytest.mark.parametrize("value", [0, 255])
def test_letters_are_replaced_by_their_surroundings(value):
    plain = np.clip(_picture() + 0.0, 1, 254)
    plain[:120] = plain[300:420]  # letters over the background alone
    written, ink = _write(plain.astype(np.uint8), value, 0.5)
    cleaned = without_text(written)
    assert cleaned is not None
    found = find_text(written) & ink
    assert np.abs(cleaned - plain)[found].mean() < 10
    assert np.array_equal(cleaned[~find_text(written)], written.astype(np.float32)[~find_text(written)])
