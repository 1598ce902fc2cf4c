"""Motion, wall and upslope of one slice, on a first pass small enough for a test."""

import numpy as np
import pytest

from calibration.errors import InputError
from engines.cmr.perfusion.slice_perfusion import measure_slice
from engines.cmr.series import PerfusionSlice
from engines.cmr.wall.motion import estimate_motion, heart_centre
from engines.cmr.wall.wall_detection import find_wall
from tests.engines.cmr.first_passes import BEAT_MS, CENTRE, FRAMES, PEAK, PIXEL_MM, masks, pictures

PIXEL = np.array([PIXEL_MM, PIXEL_MM])


def _slice(frames: np.ndarray, *, given: bool = True) -> PerfusionSlice:
    return PerfusionSlice(
        name="slice",
        frames=frames,
        times_ms=BEAT_MS * np.arange(FRAMES),
        lps_from_index=np.diag([PIXEL_MM, PIXEL_MM, 8.0, 1.0]),
        mask_frame=PEAK if given else None,
        masks=masks() if given else {},
    )


def _breathing() -> np.ndarray:
    t = np.arange(FRAMES)
    shift = np.stack([0.6 * np.sin(t / 2.1), np.where(t > 12, 1.6 * (1 - np.cos((t - 12) / 1.7)), 0.0)])
    return shift - shift[:, PEAK : PEAK + 1]


def test_breathing_is_found_to_a_fraction_of_a_pixel_with_its_sign() -> None:
    true = _breathing()
    found = estimate_motion(pictures(true), PIXEL, np.array(CENTRE), PEAK)
    error = np.linalg.norm(found.shift_px - true, axis=0)
    assert np.median(error) < 0.25  # half a millimetre
    assert error.max() < 0.8
    assert found.roughness_after < found.roughness_before
    np.testing.assert_allclose(found.shift_px[:, PEAK], 0.0)


def test_a_still_series_is_left_still() -> None:
    found = estimate_motion(pictures(), PIXEL, np.array(CENTRE), PEAK)
    assert np.abs(found.shift_px).max() < 0.5
    assert found.excluded == ()


def test_the_wall_is_found_without_masks() -> None:
    frames = pictures()
    wall = find_wall(frames, PIXEL, heart_centre(frames, PIXEL), "slice")
    true = masks()
    for mine, name in ((wall.wall, "lv_wall"), (wall.pool, "lv_pool"), (wall.right_pool, "rv_pool")):
        dice = 2 * (mine & true[name]).sum() / (mine.sum() + true[name].sum())
        assert dice > 0.85, name


def test_a_series_without_a_bolus_says_so() -> None:
    still = np.repeat(pictures()[..., :1], FRAMES, axis=2)
    still += np.random.default_rng(0).normal(0, 10, still.shape).astype(np.float32)
    with pytest.raises(InputError, match=r"expected the first pass of a bolus|no LV pool"):
        measure_slice(_slice(still, given=False))
    with pytest.raises(InputError, match="expected the first pass of a bolus"):
        measure_slice(_slice(still))


def test_a_bolus_that_is_there_from_the_start_lacks_a_baseline() -> None:
    frames = np.concatenate([pictures()[..., 12:], np.repeat(pictures()[..., -1:], 12, axis=2)], axis=2)
    with pytest.raises(InputError, match="expected pictures before it"):
        measure_slice(_slice(frames))


def test_upslope_halves_where_the_wall_brightens_half() -> None:
    part = measure_slice(_slice(pictures(noise=0.004, defect=0.5)))
    _, r = np.nonzero(part.interior)
    low = part.upslope_per_s[r < CENTRE[1] - 4].mean()
    high = part.upslope_per_s[r > CENTRE[1] + 4].mean()
    assert low / high == pytest.approx(0.5, abs=0.06)


def test_coil_shading_does_not_change_the_upslope() -> None:
    c, _ = np.indices(pictures().shape[:2])
    shading = np.exp(0.02 * (c - CENTRE[0]))[..., None]
    plain = measure_slice(_slice(pictures(noise=0.004)))
    shaded = measure_slice(_slice((pictures(noise=0.004) * shading).astype(np.float32)))
    ratio = shaded.upslope_per_s / shaded.pool.upslope_per_s / (plain.upslope_per_s / plain.pool.upslope_per_s)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.07)
    assert ratio.std() < 0.06
