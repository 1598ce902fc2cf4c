"""Find the pixels that contrast has darkened since before the bolus.

A network may take a rib, the spine or a catheter for a vessel in every frame. But these were dark before the bolus too,
so a comparison with earlier frames of the run tells them from contrast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32

from engines.angiography.contrast import (
    ContrastCurve,
    contrast_curve,
    contrast_frame,
    frames_without_contrast,
    log_picture,
)
from engines.angiography.frame import Frame
from engines.angiography.run import Run

_STILL_PX = 7  # at 512 px: a dark structure that moved less than half of this since then is not contrast
_CERTAIN_SIGMAS = 4.0
_SETTLED_RATIO = 1.5
_SMOOTH_PX = 1.5
_SMOOTHED = 0.2  # share of the noise that the smoothing leaves
_BESIDE_MM = 2.0  # of a segmented vessel, isocentre plane: its own soft edge
_SURE = 0.3  # probability from which a vessel is kept whole: the finest ones are seldom sure
_LEAST_CERTAIN = 0.01  # in log units: without it, rounding in a noiseless picture would count as contrast
_GATE_PX = 512  # longest side of the gate's grid: masks are no finer, and four times the pixels cost 13 ms a frame
_EXPOSURE_STEP = 4  # the change of exposure is measured on every fourth pixel of each row and column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """One view before contrast arrived, in log units.

    Args:
        mean: of the frames before contrast, in their size.
        picture: that, smoothed like the frames that are compared with it, on the gate's grid.
        darkest_near: the darkest value around each pixel of the grid.
        certain: darkening from which a pixel surely holds contrast.
        log_intensity: whether the run's pixels are already logarithms.
        frame: one of the frames before contrast.
    """

    mean: Float32[np.ndarray, "rows columns"]
    picture: Float32[np.ndarray, "grid_rows grid_columns"]
    darkest_near: Float32[np.ndarray, "grid_rows grid_columns"]
    certain: float
    frame: Frame
    log_intensity: bool = False

    def shows_view_of(self, frame: Frame) -> bool:
        """Whether a frame can be compared: native, of the same size, and from the same place as far as it says."""
        if frame.kind == "dsa" or frame.shape_px != self.mean.shape:
            return False
        own, other = self.frame.geometry, frame.geometry
        return own is None or other is None or other.same_view(own)

    def gate(self, frame: Frame) -> Float[np.ndarray, "rows columns"]:
        """0..1 for each pixel: how surely it is darker than anything near it was before contrast arrived.

        The frame must show the same view in the same size.
        """
        log = log_picture(_resized(frame, self.picture.shape), log_intensity=self.log_intensity)
        smooth = cv2.GaussianBlur(log, (0, 0), _SMOOTH_PX)
        # Exposure control brightens or darkens the whole picture. The smoothed picture tells by how much; unsmoothed
        # 8-bit grey values are coarser than that change.
        smooth += np.median((self.picture - smooth)[::_EXPOSURE_STEP, ::_EXPOSURE_STEP])
        gate = np.clip((self.darkest_near - smooth) / self.certain, 0.0, 1.0).astype(np.float32)
        if gate.shape == frame.shape_px:
            return gate
        rows, columns = frame.shape_px
        return cv2.resize(gate, (columns, rows), interpolation=cv2.INTER_LINEAR)

    def darkening(self, frame: Frame) -> Float32[np.ndarray, "rows columns"]:
        """What came with the contrast, linear in the thickness of filled lumen; about 0 where nothing changed."""
        difference = self.mean - log_picture(frame, log_intensity=self.log_intensity)
        # Exposure control moves the whole picture.
        return difference - np.median(difference[::_EXPOSURE_STEP, ::_EXPOSURE_STEP])


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
    before = [frame for frame in before if frame.shape_px == like.shape_px]
    grid = _grid(like.shape_px)
    pairs = [(frame, log_picture(_resized(frame, grid), log_intensity=run.log_intensity)) for frame in before]
    noise = _noise(log_picture(_resized(like, grid), log_intensity=run.log_intensity))
    # While the exposure settles, vessels full of contrast look paler, so such frames cannot serve as background.
    pairs = [(frame, picture) for frame, picture in pairs if _noise(picture) <= _SETTLED_RATIO * noise]
    if not pairs:
        return None
    small = mean = np.mean([picture for _, picture in pairs], axis=0).astype(np.float32)
    if grid != like.shape_px:
        mean = np.mean([log_picture(f, log_intensity=run.log_intensity) for f, _ in pairs], axis=0).astype(np.float32)
    size = max(3, round(_STILL_PX * max(grid) / 512) | 1)
    return Background(
        mean=mean,
        picture=cv2.GaussianBlur(small, (0, 0), _SMOOTH_PX),
        darkest_near=cv2.erode(cv2.GaussianBlur(small, (0, 0), 1.0), np.ones((size, size), np.uint8)),
        certain=max(_CERTAIN_SIGMAS * _SMOOTHED * noise, _LEAST_CERTAIN),
        frame=pairs[-1][0],
        log_intensity=run.log_intensity,
    )


def background_of_run(run: Run, curve: ContrastCurve | None = None) -> Background | None:
    """The `background_of` for all frames of a run, chosen by the frame in which contrast fills the vessels most."""
    if run.kind == "dsa":
        return None
    curve = curve or contrast_curve(run)
    return background_of(run, run.frame(contrast_frame(run, curve)), curve) if curve.rises else None


def contrast_gate(
    run: Run, frame: Frame, curve: ContrastCurve | None = None
) -> Float[np.ndarray, "rows columns"] | None:
    """`Background.gate` of one frame of a run; None if the run does not show the view before contrast."""
    background = background_of(run, frame, curve)
    return None if background is None else background.gate(frame)


def vessels_darkening(
    frame: Frame, vessel: Float[np.ndarray, "rows columns"], mm_per_px: float
) -> Float32[np.ndarray, "rows columns"]:
    """`Background.darkening` of a subtracted picture, whose grey values are logarithms already; in its own units.

    `vessel` is the probability of vessels of any class: kept is what lies beside them. A head that moved since the
    mask leaves the edges of its bones, darker than the vessels are.
    """
    darkness = frame.pixels.astype(np.float32) * (1.0 if frame.vessels_bright else -1.0)
    darkness = np.maximum(darkness - np.median(darkness), 0.0)
    reach = 2 * round(_BESIDE_MM / mm_per_px) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    near = cv2.dilate(np.clip(vessel / _SURE, 0.0, 1.0).astype(np.float32), disc)
    return darkness * cv2.GaussianBlur(near, (0, 0), 0.5 * _BESIDE_MM / mm_per_px)


def _grid(shape_px: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns on which a picture of this size is compared with its view before contrast."""
    scale = min(1.0, _GATE_PX / max(shape_px))
    rows, columns = shape_px
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def _resized(frame: Frame, shape_px: tuple[int, ...]) -> Frame:
    if frame.shape_px == tuple(shape_px):
        return frame
    rows, columns = shape_px
    return replace(frame, pixels=cv2.resize(frame.pixels, (columns, rows), interpolation=cv2.INTER_AREA))


def _noise(picture: Float[np.ndarray, "rows columns"]) -> float:
    return 1.4826 * float(np.median(np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1.0))))
