"""The vessels that an injection has filled, cut out of its pictures for the eye."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from engines.angiography.contrast import log_picture
from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame
from engines.angiography.roadmaps.injections import Injection

_SMOOTH_PX = 1.2
_TOP_SHARE = 0.995  # of the pixels: the darkest vessels, without a catheter's metal
_SURE_SIGMAS, _SURE_OF_TOP = 6.0, 0.4
_LIKELY_SIGMAS, _LIKELY_OF_TOP = 3.0, 0.18  # only what hangs together with what is sure
_LEAST_SHARE = 2e-4  # of the picture's pixels; smaller pieces are noise
_LEAST_OF_LARGEST = 0.05  # of the largest piece; what moved meanwhile, as wires of a sternum, leaves many small ones
_EDGE_PX = 6  # blades move with nothing that is in the patient, and their edges are dark
# A heart moves its vessels during the injection: where the darkest values of all frames cover so much more than the
# fullest frame alone, they are smeared.
_SMEARED = 1.4
_FAINTEST = 0.5  # of the strongest vessel's strength: thin branches must be seen too
_NEAR_PX = 7
_OUT_FROM, _OUT_TO = 0.25, 0.6
_USUAL_PICTURE_MM = 180.0  # width of a picture in the patient, where nobody states it


def filled_vessels(
    injection: Injection, *, widest_mm: float | None = None
) -> tuple[Float32[np.ndarray, "rows columns"], tuple[int, int]]:
    """How surely and strongly each pixel was filled, 0 to 1, and the first and last frame that it is taken from.

    Takes the darkest values up to the first peak, which show all arteries; of vessels that moved meanwhile the fullest
    frame alone. Takes 20 to 100 ms.

    Args:
        widest_mm: vessels at most as wide; wider shades, as of a diaphragm that moved, are left out. None: all widths.
    """
    fullest = _darkening(injection.fullest, injection.mask, widest_mm)
    wave = _darkening(injection.first_wave, injection.mask, widest_mm)
    alone, together = _tree(fullest), _tree(wave)
    frames = injection.first, injection.wave_end
    darkening, tree = wave, together
    if together.sum() > _SMEARED * alone.sum() and alone.any():
        darkening, tree = fullest, alone
        frames = injection.fullest.source_frame, injection.fullest.source_frame
    if not tree.any():
        return np.zeros(tree.shape, np.float32), frames
    strength = np.clip(darkening / max(_top(darkening), 1e-6), 0.0, 1.0)
    # Between two thin vessels it is half as dark as on them: only what stands out of its neighbourhood is drawn fully.
    near = cv2.GaussianBlur(cv2.dilate(strength, np.ones((_NEAR_PX, _NEAR_PX), np.uint8)), (0, 0), _NEAR_PX / 2)
    out = np.clip((strength / np.maximum(near, 1e-3) - _OUT_FROM) / (_OUT_TO - _OUT_FROM), 0.0, 1.0)
    return tree * out * (_FAINTEST + (1.0 - _FAINTEST) * strength), frames


def _darkening(frame: Frame, mask: tuple[Frame, ...], widest_mm: float | None) -> Float32[np.ndarray, "rows columns"]:
    """Against the mask, or in a subtracted picture against what has not changed; log units, 0 outside the field."""
    logs = log_picture(frame, log_intensity=frame.log_intensity)
    field = find_field_of_view(logs)
    if mask:
        logs = logs - np.mean([log_picture(one, log_intensity=one.log_intensity) for one in mask], axis=0)
    darkening = cv2.GaussianBlur(np.median(logs[::4, ::4]) - logs, (0, 0), _SMOOTH_PX)
    if widest_mm is not None:
        darkening = _narrow(darkening, widest_mm / _mm_per_px(frame))
    opened = np.ones(logs.shape, np.uint8) if field is None else field.astype(np.uint8)
    side = 2 * _EDGE_PX + 1
    return darkening * cv2.erode(opened, np.ones((side, side), np.uint8), borderValue=0)


def _mm_per_px(frame: Frame) -> float:
    if frame.geometry is not None:
        return frame.geometry.isocentre_mm_per_px
    return _USUAL_PICTURE_MM / max(frame.shape_px)


def _narrow(picture: Float32[np.ndarray, "rows columns"], widest_px: float) -> Float32[np.ndarray, "rows columns"]:
    """What is narrower than this in some direction (white top-hat)."""
    side = max(3, round(1.5 * widest_px) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return picture - cv2.morphologyEx(picture, cv2.MORPH_OPEN, disc)


def _top(darkening: Float32[np.ndarray, "rows columns"]) -> float:
    return float(np.quantile(darkening[::2, ::2], _TOP_SHARE))


def _tree(darkening: Float32[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Pixels that are surely darker, and those that hang together with them."""
    some = darkening[::3, ::3]
    spread = 1.4826 * float(np.median(np.abs(some - np.median(some))))
    top = _top(darkening)
    sure = darkening > max(_SURE_SIGMAS * spread, _SURE_OF_TOP * top)
    likely = darkening > max(_LIKELY_SIGMAS * spread, _LIKELY_OF_TOP * top)
    _, found, figures, _ = cv2.connectedComponentsWithStats(likely.astype(np.uint8))
    labels = np.asarray(found, dtype=np.int32)
    wanted = np.zeros(len(figures), bool)
    wanted[np.unique(labels[sure & likely])] = True
    wanted[0] = False
    areas = figures[:, cv2.CC_STAT_AREA]
    wanted &= areas >= _LEAST_SHARE * darkening.size
    wanted &= areas >= _LEAST_OF_LARGEST * max(areas[wanted], default=0)
    return wanted[labels]
