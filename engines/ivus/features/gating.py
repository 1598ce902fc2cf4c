"""One frame a heart beat: from R peaks where they are known, else from the pictures themselves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.signal import butter, find_peaks, sosfiltfilt

from engines.ivus.files.pullback import Pullback

_BEFORE_R_FRAMES = 6  # as in the paper: end diastole, when the artery hardly moves
_RATE_HZ = (0.6, 2.6)  # 36 to 156 beats a minute
_SIDE_PX = 64
_LEAST_BEAT = 0.72  # of the usual one, between chosen frames: less splits a beat that dips twice
_TWICE = 0.1  # by which a run is more like itself after two beats than after one, if each was half a beat
_USUAL_BEAT = 0.4  # a beat that is longer or shorter by more is a missed or a doubled one
_SURE_SHARE = 0.25  # of the motion's power lies about the heart rate in a beating artery


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gating:
    """Args:
    frames: chosen frames, one a beat.
    beats_per_minute: NaN where no beat was found.
    doubtful: no clear beat; frames are evenly spaced instead.
    """

    frames: Int[np.ndarray, " g"]
    beats_per_minute: float
    doubtful: bool


def gate(pullback: Pullback) -> Gating:
    """Choose frames of a run that was not gated."""
    count = len(pullback.frames)
    if pullback.r_peaks_ms and pullback.frame_time_ms:
        at = np.rint(np.asarray(pullback.r_peaks_ms) / pullback.frame_time_ms).astype(int) - _BEFORE_R_FRAMES
        frames = np.unique(at[(at >= 0) & (at < count)])
        if len(frames) >= 8:
            rate = 60_000.0 / float(np.median(np.diff(pullback.r_peaks_ms)))
            return Gating(frames=frames, beats_per_minute=rate, doubtful=False)
    frame_ms = pullback.frame_time_ms
    if frame_ms is None or frame_ms <= 0 or count < 60:
        return Gating(frames=np.arange(count), beats_per_minute=float("nan"), doubtful=True)
    motion = frame_motion(pullback.frames)
    per_s = 1000.0 / frame_ms
    high = min(_RATE_HZ[1], 0.45 * per_s)
    rate_hz, share = _rate(motion, per_s, high)
    if not np.isfinite(rate_hz) or share < _SURE_SHARE:
        every = max(1, round(0.8 * per_s))
        return Gating(frames=np.arange(0, count, every), beats_per_minute=float("nan"), doubtful=True)
    band = butter(2, [0.6 * rate_hz, min(1.5 * rate_hz, 0.48 * per_s)], btype="band", fs=per_s, output="sos")
    wave = sosfiltfilt(band, motion)
    quiet, _ = find_peaks(-wave, distance=max(1, round(_LEAST_BEAT * per_s / rate_hz)))
    if len(quiet) < 8:
        return Gating(frames=np.arange(0, count), beats_per_minute=60.0 * rate_hz, doubtful=True)
    # The median counts whole frames and is off by up to 8 %; the mean of beats near it is not, nor by a beat missed.
    beats = np.diff(quiet)
    usual = beats[np.abs(beats / np.median(beats) - 1.0) < _USUAL_BEAT]
    rate = 60.0 * per_s / float(usual.mean())
    return Gating(frames=quiet, beats_per_minute=rate, doubtful=False)


def frame_motion(frames: UInt8[np.ndarray, "f rows columns"]) -> Float[np.ndarray, " f"]:
    """How much each frame differs from the one before it."""
    small = np.stack(
        [cv2.resize(frame, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA) for frame in frames]
    ).astype(np.float32)
    change = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2))
    return np.concatenate([change[:1], change])


def _rate(motion: Float[np.ndarray, " f"], per_s: float, high: float) -> tuple[float, float]:
    """Strongest frequency in the band of hearts, and its share of the band's power."""
    centred = motion - motion.mean()
    power = np.abs(np.fft.rfft(centred * np.hanning(len(centred)), n=4 * len(centred))) ** 2
    hz = np.fft.rfftfreq(4 * len(centred), 1.0 / per_s)
    band = (hz > _RATE_HZ[0]) & (hz < high)
    if not band.any() or power[band].sum() <= 0:
        return float("nan"), 0.0
    best = float(hz[band][np.argmax(power[band])])
    near = band & (np.abs(hz - best) < 0.12 * best)
    if 0.5 * best > _RATE_HZ[0] and _alike(centred, 2.0 * per_s / best) > _alike(centred, per_s / best) + _TWICE:
        # The artery is thrown out and falls back: two movements a beat, whose power counts as the heart's too.
        best *= 0.5
        near |= band & (np.abs(hz - best) < 0.12 * best)
    return best, float(power[near].sum() / power[band].sum())


def _alike(centred: Float[np.ndarray, " f"], lag: float) -> float:
    """Highest autocorrelation within an eighth of a lag."""
    lags = np.arange(int(0.88 * lag), int(1.12 * lag) + 2)
    usual = float((centred**2).mean())
    return max(float((centred[lag:] * centred[:-lag]).mean()) / usual for lag in lags if 0 < lag < len(centred))
