from dataclasses import replace

import numpy as np
import pytest

from engines.angiography.contrast import log_picture
from engines.angiography.dsa import MaskPicture
from engines.angiography.roadmaps.injections import InjectionWatch
from tests.engines.angiography.roadmaps.injected import AMOUNTS, FIRST, FULLEST, LAST, frame, geometry, run


def watched(frames) -> InjectionWatch:
    watch = InjectionWatch()
    for one in frames:
        watch.see(one)
    return watch


def test_an_injection_is_found_with_its_beginning_its_fullest_frame_and_its_end() -> None:
    watch = watched(run())
    injection = watch.injection
    assert injection is not None
    assert watch.count == 1
    assert abs(injection.first - FIRST) <= 1
    assert abs(injection.last - LAST) <= 1
    assert injection.fullest.source_frame in (FULLEST, FULLEST + 1)
    assert injection.over
    assert not watch.filled


def test_frames_before_contrast_are_proposed_as_its_mask_and_none_of_them_holds_any() -> None:
    injection = watched(run()).injection
    assert injection is not None
    numbers = [one.source_frame for one in injection.mask]
    assert len(numbers) == 3
    assert all(AMOUNTS[number] == 0.0 and number < FIRST for number in numbers)


def test_after_the_washout_the_newest_frames_are_the_ones_without_contrast() -> None:
    watch = watched(run())
    assert [one.source_frame for one in watch.unfilled][-1] == len(AMOUNTS) - 1
    assert all(AMOUNTS[one.source_frame] < 0.2 for one in watch.unfilled)


def test_the_peak_is_the_darkest_value_of_each_pixel_over_its_frames() -> None:
    frames = run()
    injection = watched(frames).injection
    assert injection is not None
    pixels = np.stack([one.pixels for one in frames[injection.first : injection.last + 1]])
    np.testing.assert_array_equal(injection.peak.pixels, pixels.min(axis=0))
    assert injection.peak.source_frame == injection.fullest.source_frame


def test_where_vessels_are_bright_the_peak_is_the_brightest() -> None:
    frames = [replace(one, pixels=4095 - one.pixels, vessels_bright=True, log_intensity=False) for one in run()]
    injection = watched(frames).injection
    assert injection is not None
    pixels = np.stack([one.pixels for one in frames[injection.first : injection.last + 1]])
    np.testing.assert_array_equal(injection.peak.pixels, pixels.max(axis=0))


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_nothing_is_injected_where_the_filling_never_changes(amount: float) -> None:
    watch = watched(run((amount,) * 30))
    assert watch.count == 0
    assert watch.injection is None


def test_breath_and_exposure_control_are_no_injection() -> None:
    frames = [frame(index, shift_px=(2.0 * np.sin(index / 4.0), 0.0)) for index in range(40)]
    frames = [replace(one, pixels=(one.pixels * (1.0 - 0.004 * one.index)).astype(np.uint16)) for one in frames]
    assert watched(frames).count == 0


def test_a_single_dark_frame_is_no_injection() -> None:
    assert watched(run((*[0.0] * 8, 1.0, *[0.0] * 8))).count == 0


def test_two_injections_are_two_and_one_played_twice_is_one() -> None:
    twice = (*AMOUNTS, *AMOUNTS)
    assert watched(run(twice)).count == 2
    assert watched([*run(), *run()]).count == 1


def test_a_turned_c_arm_ends_an_injection_and_forgets_the_mask() -> None:
    before = run(AMOUNTS[:9])
    turned = [frame(9 + number, geometry=geometry(primary_rad=0.6)) for number in range(2)]
    watch = watched([*before, *turned])
    assert watch.injection is not None
    assert watch.injection.over
    assert all(one.geometry == turned[0].geometry for one in watch.unfilled)


def test_a_subtracted_run_tells_its_injection_too_and_proposes_no_mask() -> None:
    frames = run()
    mask = MaskPicture.of(log_picture(frames[0], log_intensity=False), log_intensity=False)
    watch = watched([mask.subtracted(one, shift_px=(0.0, 0.0)) for one in frames])
    assert watch.count == 1
    assert watch.injection is not None
    assert abs(watch.injection.first - FIRST) <= 1
    assert watch.injection.mask == ()
    assert watch.unfilled == ()
