"""What contrast darkened, told apart from what was dark before and from what only moved."""

import numpy as np
import pytest

from engines.angiography.contrast import log_picture
from engines.angiography.contrast_gate import Background, background_of, vessels_darkening
from engines.angiography.frame import Frame
from engines.angiography.frame_run import FrameRun


def _picture(*, contrast: bool) -> Frame:
    rows = np.full((96, 96), 200.0)
    rows[20:24] *= 0.6  # a rib
    if contrast:
        rows[:, 50:56] *= 0.7  # a vessel that crosses it
    return Frame(pixels=np.rint(rows).astype(np.uint8), kind="fluoro")


def _background() -> Background:
    empty = _picture(contrast=False)
    mean = log_picture(empty, log_intensity=False)
    return Background(mean=mean, picture=mean, darkest_near=mean, certain=0.05, frame=empty)


def test_darkening_leaves_ribs_out_and_rises_with_contrast():
    darkening = _background().darkening(_picture(contrast=True))
    assert darkening[40:70, 50:56].mean() == pytest.approx(-np.log(0.7), rel=0.05)
    np.testing.assert_allclose(darkening[:, :50], 0.0, atol=0.01)


def test_a_change_of_exposure_is_no_contrast():
    brighter = _picture(contrast=False)
    brighter = Frame(pixels=(brighter.pixels + 20).astype(np.uint8), kind="fluoro")
    assert abs(float(np.median(_background().darkening(brighter)))) < 1e-6


@pytest.mark.parametrize("side_px", [300, 1024])
def test_the_gate_has_the_frames_size_and_opens_for_what_contrast_darkened_alone(side_px):
    random = np.random.default_rng(3)

    def picture(contrast: float) -> Frame:
        grey = np.full((side_px, side_px), 180.0)
        grey[:, side_px // 5 : side_px // 4] *= 0.5  # a spine
        grey[side_px // 2 : side_px // 2 + side_px // 30] *= 1.0 - 0.4 * contrast
        return Frame(
            pixels=np.clip(np.rint(grey + random.normal(0, 2, grey.shape)), 0, 255).astype(np.uint8), kind="fluoro"
        )

    frames = tuple(picture(contrast) for contrast in (0.0, 0.0, 0.0, 0.3, 0.7, 1.0, 1.0))
    background = background_of(FrameRun(frames), frames[-1])
    assert background is not None
    assert background.mean.shape == (side_px, side_px)
    assert max(background.picture.shape) <= 512
    gate = background.gate(frames[-1])
    assert gate.shape == (side_px, side_px)
    middle = side_px // 2 + side_px // 60
    assert gate[middle, side_px // 3 :].min() > 0.9
    assert gate[: side_px // 3].mean() < 0.02


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
