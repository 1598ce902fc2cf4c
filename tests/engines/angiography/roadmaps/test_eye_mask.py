from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.roadmaps.eye_mask import SUBTRACTED_MIDDLE, EyeMask, mask_fits
from tests.engines.angiography.roadmaps.injected import frame, geometry, tree

SHIFTS = [(0.0, 0.0), (0.3, -0.4), (1.7, 2.2), (-3.4, 5.1), (6.0, -7.5)]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("shift_px", SHIFTS)
@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_the_shift_is_found_within_a_tenth_of_a_pixel_with_noise_and_contrast(shift_px, amount, seed) -> None:
    mask = EyeMask([frame(index, seed=seed) for index in range(3)])
    found = mask.best_shift_px(frame(9, amount=amount, shift_px=shift_px, seed=seed))
    np.testing.assert_allclose(found, shift_px, atol=0.1)


def test_the_mean_of_several_frames_is_less_noisy_than_one() -> None:
    live = frame(9)
    one, three = (EyeMask([frame(index) for index in range(count)]).subtracted(live) for count in (1, 3))
    noise = [picture.pixels.astype(float).std() for picture in (one, three)]
    # Of independent frames: sqrt(1 + 1/3) / sqrt(2).
    assert noise[1] / noise[0] == pytest.approx(np.sqrt(2 / 3), abs=0.03)


def test_what_has_not_changed_lies_in_the_middle_and_a_vessel_below_it_over_bone_and_lung_alike() -> None:
    mask = EyeMask([frame(0, noise=0.0)])
    pixels = mask.subtracted(frame(1, amount=1.0, noise=0.0)).pixels.astype(float)
    assert np.abs(pixels[tree() < 1e-4] - SUBTRACTED_MIDDLE).max() < 30
    inside = (SUBTRACTED_MIDDLE - pixels[tree() > 0.99]) / SUBTRACTED_MIDDLE
    # The offset that keeps dark noise quiet takes a little of 0.6, and more of it in the dark.
    assert 0.4 < inside.min() <= inside.max() < 0.62


def test_moving_the_mask_onto_a_moved_picture_takes_the_anatomy_away() -> None:
    mask, live = EyeMask([frame(0, noise=0.0)]), frame(1, shift_px=(1.3, -2.6), noise=0.0)
    left = [
        np.abs(mask.subtracted(live, shift_px=shift_px).pixels[10:-10, 10:-10].astype(float) - SUBTRACTED_MIDDLE).mean()
        for shift_px in ((0.0, 0.0), (1.3, -2.6), (1.4, -2.6))
    ]
    assert left[1] < 0.03 * left[0]
    assert left[1] < left[2]


@pytest.mark.parametrize("anatomy", [0.0, 0.25, 1.0])
def test_anatomy_comes_back_by_the_share_that_is_asked_for(anatomy: float) -> None:
    mask, live = EyeMask([frame(0, noise=0.0)]), frame(1, noise=0.0)
    bare = mask.subtracted(live, anatomy=anatomy).pixels.astype(float)
    whole = mask.subtracted(live, anatomy=1.0).pixels.astype(float)
    np.testing.assert_allclose(
        bare - SUBTRACTED_MIDDLE, anatomy * (whole - SUBTRACTED_MIDDLE), atol=2.0 + 0.001 * SUBTRACTED_MIDDLE
    )


def test_a_mask_fits_its_view_alone() -> None:
    one = frame(0)
    assert mask_fits(one, frame(1))
    assert mask_fits(one, frame(1, geometry=None))
    assert not mask_fits(one, frame(1, geometry=geometry(primary_rad=0.51)))
    assert not mask_fits(one, frame(1, geometry=geometry(table_mm=(0.0, 5.0, 0.0))))
    assert not mask_fits(one, replace(one, kind="dsa"))
    assert not mask_fits(one, replace(one, pixels=one.pixels[:-1]))


def test_frames_that_make_no_mask_are_refused() -> None:
    with pytest.raises(InputError, match="no frame"):
        EyeMask([])
    with pytest.raises(InputError, match="subtracted already"):
        EyeMask([frame(0, kind="dsa")])
    with pytest.raises(InputError, match="different sizes"):
        EyeMask([frame(0), replace(frame(1), pixels=frame(1).pixels[:-2])])
