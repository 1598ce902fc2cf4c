"""What contrast darkened, told apart from what was dark before and from what only moved."""

import numpy as np
import pytest

from engines.angiography.contrast_gate import ContrastRise, vessels_darkening
from engines.angiography.frame import Frame


def _rise() -> ContrastRise:
    background = np.zeros((80, 80), np.float32)
    background[20:24] = -0.5  # a rib
    now = background.copy()
    now[:, 50:56] -= 0.3  # a vessel that crosses it
    return ContrastRise(background=background, now=now)


def test_darkening_is_linear_in_contrast_and_leaves_ribs_out():
    darkening = _rise().darkening()
    np.testing.assert_allclose(darkening[:, 50:56], 0.3, atol=1e-6)
    np.testing.assert_allclose(darkening[:, :50], 0.0, atol=1e-6)


def test_the_gate_is_open_on_contrast_and_shut_beside_it():
    gate = _rise().gate()
    assert gate[40:70, 52].min() > 0.9
    assert gate[40:70, :40].max() == 0.0


@pytest.mark.parametrize("bright", [False, True])
def test_edges_far_from_any_vessel_are_left_out_of_a_subtracted_picture(bright):
    grey = np.full((100, 100), 30000, np.uint16)
    grey[:, 50:54] = 26000
    grey[:, 90:92] = 20000  # the edge of a bone that moved, darker than the vessel
    vessel = np.zeros(grey.shape, np.float32)
    vessel[:, 50:54] = 0.8
    frame = Frame(pixels=(60000 - grey).astype(np.uint16) if bright else grey, kind="dsa", bits_stored=16,
                  vessels_bright=bright)  # fmt: skip
    darkening = vessels_darkening(frame, vessel, mm_per_px=0.4)
    np.testing.assert_allclose(darkening[:, 51:53], 4000.0, rtol=0.05)
    assert darkening[:, 80:].max() < 1.0
    assert darkening.min() >= 0.0


def test_without_a_vessel_a_subtracted_picture_shows_nothing():
    frame = Frame(pixels=np.random.default_rng(0).integers(0, 60000, (50, 50)).astype(np.uint16), kind="dsa")
    assert vessels_darkening(frame, np.zeros((50, 50), np.float32), mm_per_px=0.5).max() == 0.0
