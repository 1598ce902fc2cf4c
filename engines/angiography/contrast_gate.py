"""What contrast has darkened since before the bolus: ribs, spine and catheters were there already.

A network that takes a rib for a vessel is misled in every frame; the run itself shows what came with the contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from engines.angiography.contrast import ContrastCurve, contrast_curve, frames_without_contrast, log_picture
from engines.angiography.frame import Frame
from engines.angiography.run import Run

_STILL_PX = 7  # of 512: something dark that moves less than half of this between both times is not contrast
_CERTAIN_SIGMAS = 4.0
_SETTLED_RATIO = 1.5
_SMOOTH_PX = 1.5
_SMOOTHED = 0.2  # of the noise that this smoothing leaves
_BESIDE_MM = 2.0  # of a segmented vessel, isocentre plane: its own soft edge
_SURE = 0.3  # probability from which a vessel is kept whole: the finest ones are seldom sure
_LEAST_CERTAIN = 0.01  # in log units: a noiseless picture must not call rounding contrast


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContrastRise:
    """A view before contrast came and now, both in log units, the exposure control's part taken out."""

    background: Float32[np.ndarray, "rows columns"]
    now: Float32[np.ndarray, "rows columns"]

    def gate(self) -> Float[np.ndarray, "rows columns"]:
        """0..1 a pixel: how surely it is darker than anything near it was before contrast came."""
        smooth = cv2.GaussianBlur(self.now, (0, 0), _SMOOTH_PX)
        size = max(3, round(_STILL_PX * max(self.now.shape) / 512) | 1)
        darkest_before = cv2.erode(cv2.GaussianBlur(self.background, (0, 0), 1.0), np.ones((size, size), np.uint8))
        certain = max(_CERTAIN_SIGMAS * _SMOOTHED * _noise(self.now), _LEAST_CERTAIN)
        return np.clip((darkest_before - smooth) / certain, 0.0, 1.0).astype(np.float32)

    def darkening(self) -> Float32[np.ndarray, "rows columns"]:
        """What came with the contrast, linear in the thickness of filled lumen; 0 where nothing changed."""
        return self.background - self.now


def contrast_gate(
    run: Run, frame: Frame, curve: ContrastCurve | None = None
) -> Float[np.ndarray, "rows columns"] | None:
    """`ContrastRise.gate`; None where `contrast_rise` is."""
    rise = contrast_rise(run, frame, curve)
    return None if rise is None else rise.gate()


def contrast_rise(run: Run, frame: Frame, curve: ContrastCurve | None = None) -> ContrastRise | None:
    """The frame beside those before contrast.

    None where the run is subtracted already or holds no frame without contrast: then nothing can be said.
    `curve` is the run's `contrast_curve` where it is known already.
    """
    if run.kind == "dsa":
        return None
    curve = curve or contrast_curve(run)
    if not curve.rises:
        return None
    before = [run.frame(index) for index in frames_without_contrast(curve)]
    now = log_picture(frame, log_intensity=run.log_intensity)
    logs = [log_picture(p, log_intensity=run.log_intensity) for p in before if p.shape_px == frame.shape_px]
    # While the exposure settles, vessels full of contrast look paler: such frames are no background.
    logs = [picture for picture in logs if _noise(picture) <= _SETTLED_RATIO * _noise(now)]
    if not logs:
        return None
    background = np.mean(logs, axis=0)
    # Exposure control moves the whole picture.
    now = now + np.median(background - now)
    return ContrastRise(background=background, now=now)


def vessels_darkening(
    frame: Frame, vessel: Float[np.ndarray, "rows columns"], mm_per_px: float
) -> Float32[np.ndarray, "rows columns"]:
    """The same of a subtracted picture, whose grey values are logarithms already; in its own units.

    `vessel` is the probability of vessels of any class: kept is what lies beside them. A head that moved since the
    mask leaves the edges of its bones, darker than the vessels are.
    """
    darkness = frame.pixels.astype(np.float32) * (1.0 if frame.vessels_bright else -1.0)
    darkness = np.maximum(darkness - np.median(darkness), 0.0)
    reach = 2 * round(_BESIDE_MM / mm_per_px) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    near = cv2.dilate(np.clip(vessel / _SURE, 0.0, 1.0).astype(np.float32), disc)
    return darkness * cv2.GaussianBlur(near, (0, 0), 0.5 * _BESIDE_MM / mm_per_px)


def _noise(picture: Float[np.ndarray, "rows columns"]) -> float:
    return 1.4826 * float(np.median(np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1.0))))
