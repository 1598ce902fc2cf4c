"""Find the frames of a run in which contrast fills the vessels, from the pictures alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from calibration.errors import InputError
from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame
from engines.angiography.pixel_shift import estimate_shift_px, shifted
from engines.angiography.run import FrameDecodeError, Run

LOG_FLOOR = 0.02  # share of full scale; without it, the logarithm would amplify the noise of unexposed corners
_CURVE_FLOOR = 0.1  # higher for the curve: it damps the darkest pixels' noise, and the time of filling stays visible
_SIDE_PX = 128  # a bolus is visible on coarse pixels, in which quantum noise averages out
_MAX_FRAMES = 48  # of longer runs only every n-th frame is read, because a bolus lasts for seconds
_NOISE_SIGMAS = 3.0
_EDGE_PX = 3  # margin of the coarse picture, left out because of the collimator's blades
# Phantom runs with contrast in every frame reach 3e-4 by noise and exposure settling alone.
_MIN_CONTRAST = 8e-4
_MAX_MASK_SHARE = 0.35  # a mask frame may hold at most this share of the fullest frame's contrast
_MASK_FRAMES = 3
# The veins of a head together darken the picture up to twice as much as the arteries. If no mask is stated, heartbeat
# and breathing raise peaks of their own, so an early peak must come closer to the highest one to count as the bolus.
_NEARLY_FULLEST, _NEARLY_FULLEST_OF_DSA, _PEAK_HALF_WIDTH = 0.85, 0.35, 2
_MOST_NOISE = 1.5  # relative to the median noise of the frames
_LEAST_NOISE = 1e-4  # log units; prevents a division by zero for a noiseless picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContrastCurve:
    """How much contrast each examined frame holds.

    Args:
        frames: indices of the examined frames in the run.
        amount: mean darkening against the run's own background, above noise, over the exposed field, in log units.
        vesselness: strength of thin dark structures over noise; it also ranks frames that all hold contrast.
    """

    frames: tuple[int, ...]
    amount: Float[np.ndarray, " n"]
    vesselness: Float[np.ndarray, " n"]

    @property
    def rises(self) -> bool:
        """Whether contrast arrives during the run; False if it is there from the start or never."""
        full = int(np.argmax(self.amount))
        before = self.amount[: full + 1].min()
        return bool(self.amount[full] >= _MIN_CONTRAST and before <= _MAX_MASK_SHARE * self.amount[full])


def contrast_curve(run: Run) -> ContrastCurve:
    """Measure the contrast of the run's frames; damaged frames and those before the exposure settled are left out.

    Raises:
        InputError: not one frame can be decoded.
    """
    # A `SubtractedRun` aligns every frame at full size, which is slow; its original run gives the same answer.
    run = getattr(run, "unsubtracted", run)
    step = -(-run.frame_count // _MAX_FRAMES)
    frames, small = [], []
    for index in range(0, run.frame_count, step):
        try:
            small.append(_small_log(run.frame(index), log_intensity=run.log_intensity))
            frames.append(index)
        except FrameDecodeError:
            continue
    if not frames or len({picture.shape for picture in small}) > 1:
        raise InputError(f"{run.source_id}: no frames of one size can be decoded; export it again")
    logs = np.stack(small)
    exposed = exposed_field(np.median(logs, axis=0))
    settled = _settled(logs, exposed)
    frames, logs = [frame for frame, keep in zip(frames, settled, strict=True) if keep], logs[settled]
    return ContrastCurve(
        frames=tuple(frames),
        amount=_smooth(_amounts(logs, subtracted=run.kind == "dsa")),
        vesselness=_smooth(np.array([_vesselness(picture, exposed) for picture in logs])),
    )


def contrast_frame(run: Run, curve: ContrastCurve | None = None) -> int:
    """The frame in which contrast fills the vessels most; if it fills them throughout, the frame with most vesselness.

    Of two similar peaks, the earlier one counts: arteries fill before veins, and a model of arteries matches nothing
    in a late venous frame.

    Args:
        curve: the run's `contrast_curve`, if known already.
    """
    curve = curve or contrast_curve(run)
    stored_dsa = run.kind == "dsa" and not hasattr(run, "unsubtracted")
    measure = curve.amount if stored_dsa or run.mask or curve.rises else curve.vesselness
    # A stated mask holds no contrast. If the patient moved after it, false edges stay from then on, so only the rise
    # since that moment counts.
    masks = [frame for operation in run.mask for frame in operation.mask_frames]
    later = np.array(curve.frames) > max(masks, default=-1)
    if masks and later.any():
        since = np.where(later, measure, np.inf)
        measure = np.where(later, measure - np.minimum.accumulate(since), 0.0)
    return curve.frames[_first_peak(measure, _NEARLY_FULLEST_OF_DSA if run.mask else _NEARLY_FULLEST)]


def is_subtractable(run: Run) -> bool:
    """Whether the run holds frames without contrast to subtract, by its mask module or else by its pictures."""
    if run.kind == "dsa" or run.frame_count < 2:
        return False
    return bool(run.mask) or contrast_curve(run).rises


def frames_without_contrast(curve: ContrastCurve) -> tuple[int, ...]:
    """Up to three frames with least contrast before the bolus, in order; for use as a mask."""
    full = int(np.argmax(curve.amount))
    before = np.argsort(curve.amount[: max(full, 1)], kind="stable")[:_MASK_FRAMES]
    emptiest = curve.amount[before[0]]
    limit = emptiest + 0.05 * (curve.amount[full] - emptiest)
    return tuple(sorted(curve.frames[i] for i in before if curve.amount[i] <= limit))


def log_picture(frame: Frame, *, log_intensity: bool, floor: float = LOG_FLOOR) -> Float32[np.ndarray, "rows columns"]:
    """Logarithm of the transmitted X-ray intensity, up to a constant; contrast has low values.

    Args:
        log_intensity: whether the pixels are already logarithms.
        floor: share of full scale that is added before the logarithm, which limits the noise of dark pixels.
    """
    share = frame.pixels.astype(np.float32) / float((1 << frame.bits_stored) - 1)
    if frame.vessels_bright:
        share = 1.0 - share
    # A logarithmic picture is scaled to the same range, as if it spanned 2 % to 100 % of full intensity.
    return share * -np.log(np.float32(LOG_FLOOR)) if log_intensity else np.log(share + np.float32(floor))


def _first_peak(measure: Float[np.ndarray, " n"], nearly: float) -> int:
    padded = np.pad(measure, _PEAK_HALF_WIDTH, mode="edge")
    local = np.lib.stride_tricks.sliding_window_view(padded, 2 * _PEAK_HALF_WIDTH + 1).max(axis=1)
    return int(np.flatnonzero((measure >= local) & (measure >= nearly * measure.max()))[0])


def _small_log(frame: Frame, *, log_intensity: bool) -> Float32[np.ndarray, "rows columns"]:
    rows, columns = frame.shape_px
    scale = min(1.0, _SIDE_PX / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return cv2.resize(
        log_picture(frame, log_intensity=log_intensity, floor=_CURVE_FLOOR), size, interpolation=cv2.INTER_AREA
    )


def _amounts(logs: Float32[np.ndarray, "n rows columns"], *, subtracted: bool) -> Float[np.ndarray, " n"]:
    exposed = np.ones(logs[0].shape, bool) if subtracted else exposed_field(np.median(logs, axis=0))
    if not subtracted:
        # Without alignment, a patient's motion would darken the picture along every edge.
        logs = np.stack([logs[0], *(shifted(p, estimate_shift_px(p, logs[0], exposed)) for p in logs[1:])])
    # Contrast darkens a pixel for a while only, so the pixel's bright values are its background.
    background = np.zeros_like(logs[0]) if subtracted else np.percentile(logs, 90, axis=0)
    darker = (background - logs)[:, exposed]
    darker -= np.median(darker, axis=1, keepdims=True)  # exposure control brightens or darkens the whole picture
    noise = 1.4826 * np.median(np.abs(darker), axis=1, keepdims=True)
    return np.maximum(darker - _NOISE_SIGMAS * noise, 0.0).mean(axis=1).astype(np.float64)


def _settled(
    logs: Float32[np.ndarray, "n rows columns"], exposed: Bool[np.ndarray, "rows columns"]
) -> Bool[np.ndarray, " n"]:
    """Which frames have about the usual noise; the first frames of a run often have more."""
    noise = np.array([_noise(picture, exposed) for picture in logs])
    return noise <= _MOST_NOISE * np.median(noise)


def _noise(picture: Float32[np.ndarray, "rows columns"], exposed: Bool[np.ndarray, "rows columns"]) -> float:
    difference = np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1.0))
    return float(np.median(difference[exposed])) + _LEAST_NOISE


def exposed_field(picture: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """The open field without its edge; the whole picture without its border if no collimator is visible."""
    field = find_field_of_view(picture)
    open_field = np.ones(picture.shape, np.uint8) if field is None else field.astype(np.uint8)
    side = 2 * _EDGE_PX + 1
    inner = cv2.erode(open_field, np.ones((side, side), np.uint8), borderValue=0).astype(bool)
    return inner if inner.any() else np.ones(picture.shape, bool)


def _vesselness(picture: Float32[np.ndarray, "rows columns"], exposed: Bool[np.ndarray, "rows columns"]) -> float:
    """Strength of dark structures thinner than a sixteenth of the picture (black top-hat) over the picture's noise."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    side = max(3, max(picture.shape) // 16 | 1)
    hat = cv2.morphologyEx(smooth, cv2.MORPH_BLACKHAT, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    floor = float(np.median(hat[exposed]))
    return float(np.maximum(hat[exposed] - 2.0 * floor, 0.0).mean()) / _noise(picture, exposed)


def _smooth(values: Sequence[float] | Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Median of three neighbours, so that a single flashed or half-exposed frame cannot be the fullest."""
    padded = np.pad(np.asarray(values, dtype=np.float64), 1, mode="edge")
    return np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
