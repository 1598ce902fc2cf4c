"""What contrast has darkened since before the bolus: ribs, spine and catheters were there already.

A network that takes a rib for a vessel is misled in every frame; the run itself shows what came with the contrast.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from engines.angiography.contrast import ContrastCurve, contrast_curve, frames_without_contrast, log_picture
from engines.angiography.frame import Frame
from engines.angiography.run import Run

_STILL_PX = 7  # of 512: something dark that moves less than half of this between both times is not contrast
_CERTAIN_SIGMAS = 4.0
_SETTLED_RATIO = 1.5
_SMOOTH_PX = 1.5
_SMOOTHED = 0.2  # of the noise that this smoothing leaves
_LEAST_CERTAIN = 0.01  # in log units: a noiseless picture must not call rounding contrast


def contrast_gate(
    run: Run, frame: Frame, curve: ContrastCurve | None = None
) -> Float[np.ndarray, "rows columns"] | None:
    """0..1 a pixel: how surely it is darker than anything near it was before contrast came.

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
    smooth = cv2.GaussianBlur(now, (0, 0), _SMOOTH_PX)
    size = max(3, round(_STILL_PX * max(frame.shape_px) / 512) | 1)
    darkest_before = cv2.erode(cv2.GaussianBlur(background, (0, 0), 1.0), np.ones((size, size), np.uint8))
    certain = max(_CERTAIN_SIGMAS * _SMOOTHED * _noise(now), _LEAST_CERTAIN)
    return np.clip((darkest_before - smooth) / certain, 0.0, 1.0).astype(np.float32)


def _noise(picture: Float[np.ndarray, "rows columns"]) -> float:
    return 1.4826 * float(np.median(np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1.0))))
