"""Find the pixels that contrast has darkened since before the bolus.

A network may take a rib, the spine or a catheter for a vessel in every frame. But these were dark before the bolus too,
so a comparison with earlier frames of the run tells them from contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from engines.angiography.contrast import ContrastCurve, contrast_curve, frames_without_contrast, log_picture
from engines.angiography.frame import Frame
from engines.angiography.run import Run

_STILL_PX = 7  # at 512 px: a dark structure that moved less than half of this since then is not contrast
_CERTAIN_SIGMAS = 4.0
_SETTLED_RATIO = 1.5
_SMOOTH_PX = 1.5
_SMOOTHED = 0.2  # share of the noise that the smoothing leaves
_LEAST_CERTAIN = 0.01  # in log units: without it, rounding in a noiseless picture would count as contrast
_EXPOSURE_STEP = 4  # the change of exposure is measured on every fourth pixel of each row and column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """One view before contrast arrived, in log units.

    Args:
        picture: smoothed like the frames that are compared with it.
        darkest_near: the darkest value around each pixel.
        certain: darkening from which a pixel surely holds contrast.
        log_intensity: whether the run's pixels are already logarithms.
    """

    picture: Float32[np.ndarray, "rows columns"]
    darkest_near: Float32[np.ndarray, "rows columns"]
    certain: float
    log_intensity: bool = False

    def gate(self, frame: Frame) -> Float[np.ndarray, "rows columns"]:
        """0..1 for each pixel: how surely it is darker than anything near it was before contrast arrived.

        The frame must show the same view in the same size.
        """
        smooth = cv2.GaussianBlur(log_picture(frame, log_intensity=self.log_intensity), (0, 0), _SMOOTH_PX)
        # Exposure control brightens or darkens the whole picture. The smoothed picture tells by how much; unsmoothed
        # 8-bit grey values are coarser than that change.
        smooth += np.median((self.picture - smooth)[::_EXPOSURE_STEP, ::_EXPOSURE_STEP])
        return np.clip((self.darkest_near - smooth) / self.certain, 0.0, 1.0).astype(np.float32)


def background_of(run: Run, like: Frame, curve: ContrastCurve | None = None) -> Background | None:
    """The run's view before the bolus; None if the run is subtracted or has no frame without contrast.

    Args:
        like: a frame with contrast, whose size and noise the frames before the bolus must share.
        curve: the run's `contrast_curve`, if known already.
    """
    if run.kind == "dsa":
        return None
    curve = curve or contrast_curve(run)
    if not curve.rises:
        return None
    before = [run.frame(index) for index in frames_without_contrast(curve)]
    logs = [log_picture(p, log_intensity=run.log_intensity) for p in before if p.shape_px == like.shape_px]
    noise = _noise(log_picture(like, log_intensity=run.log_intensity))
    # While the exposure settles, vessels full of contrast look paler, so such frames cannot serve as background.
    logs = [picture for picture in logs if _noise(picture) <= _SETTLED_RATIO * noise]
    if not logs:
        return None
    mean = np.mean(logs, axis=0).astype(np.float32)
    size = max(3, round(_STILL_PX * max(like.shape_px) / 512) | 1)
    return Background(
        picture=cv2.GaussianBlur(mean, (0, 0), _SMOOTH_PX),
        darkest_near=cv2.erode(cv2.GaussianBlur(mean, (0, 0), 1.0), np.ones((size, size), np.uint8)),
        certain=max(_CERTAIN_SIGMAS * _SMOOTHED * noise, _LEAST_CERTAIN),
        log_intensity=run.log_intensity,
    )


def contrast_gate(
    run: Run, frame: Frame, curve: ContrastCurve | None = None
) -> Float[np.ndarray, "rows columns"] | None:
    """`Background.gate` of one frame of a run; None if the run does not show the view before contrast."""
    background = background_of(run, frame, curve)
    return None if background is None else background.gate(frame)


def _noise(picture: Float[np.ndarray, "rows columns"]) -> float:
    return 1.4826 * float(np.median(np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1.0))))
