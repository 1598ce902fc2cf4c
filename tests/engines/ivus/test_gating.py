"""Heart beats found in the pictures of a run that was not gated."""

from dataclasses import replace

import numpy as np
import pytest

from engines.ivus.features.gating import gate
from engines.ivus.files.pullback import Pullback


def beating_run(beats_per_minute, *, per_s=16.0, seconds=30.0, moves_px=3.0, seed=0):
    rng = np.random.default_rng(seed)
    from scipy.ndimage import gaussian_filter

    picture = gaussian_filter(rng.standard_normal((72, 72)), 2.0)
    picture = 128 + 60 * picture / picture.std()
    times = np.arange(round(seconds * per_s)) / per_s
    # The artery stands still for most of a beat and is thrown about in systole.
    phase = np.mod(times * beats_per_minute / 60.0, 1.0)
    shift = moves_px * np.exp(-(((phase - 0.35) / 0.09) ** 2))
    frames = np.stack([np.roll(picture, round(s), axis=1) for s in shift * 2])
    frames = frames + rng.normal(0, 4, frames.shape)
    frames = np.clip(frames, 0, 255).astype(np.uint8)
    return Pullback(frames=frames, pixel_mm=0.05, centre_px=(36, 36), z_mm=0.03 * np.arange(len(frames)),
                    gated=False, frame_time_ms=1000.0 / per_s)  # fmt: skip


@pytest.mark.parametrize("rate", [52.0, 68.0, 95.0])
def test_the_heart_rate_is_found_within_three_percent(rate):
    found = gate(beating_run(rate))
    assert not found.doubtful
    assert found.beats_per_minute == pytest.approx(rate, rel=0.03)
    assert abs(len(found.frames) - 30.0 * rate / 60.0) <= 2


def test_a_run_without_beats_is_doubtful_and_still_gives_frames():
    run = beating_run(70.0, moves_px=0.0)
    found = gate(run)
    assert found.doubtful
    assert len(found.frames) >= 8


def test_r_peaks_are_followed():
    run = beating_run(60.0)
    found = gate(replace(run, r_peaks_ms=tuple(1000.0 * np.arange(1, 29))))
    np.testing.assert_array_equal(found.frames, 16 * np.arange(1, 29) - 6)


def test_a_beat_that_dips_twice_is_one_beat():
    run = beating_run(58.0, seconds=40.0)
    frames = run.frames.copy()
    # One frame of movement in the middle of two quiet phases: each looks like two.
    for beat in (11, 24):
        middle = round((beat + 0.85) * 60.0 / 58.0 * 16.0)
        frames[middle] = np.roll(frames[middle], 5, axis=1)
    found = gate(replace(run, frames=frames))
    assert found.beats_per_minute == pytest.approx(58.0, rel=0.03)
    beats_s = np.diff(found.frames) / 16.0
    assert beats_s.min() > 0.6 * 60.0 / 58.0
