"""Earlier pictures of the same view: what was as dark before the bolus is no vessel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32

from calibration.carm import CArmGeometry
from calibration.errors import MissingGeometryError
from engines.angiography.contrast import contrast_curve, frames_without_contrast, log_picture
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import MaskOperation

_MOST_FRAMES = 24
_STILL_PX = 7  # of 512, as in `engines.angiography.contrast_gate`: what moves less than half of this is no contrast
_SMOOTH_PX = 1.5
_CERTAIN_SIGMAS = 4.0
_SMOOTHED = 0.2  # of the noise that this smoothing leaves
_LEAST_CERTAIN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """The view before contrast came, in log units: smoothed, and the darkest near each pixel."""

    picture: Float32[np.ndarray, "rows columns"]
    darkest_near: Float32[np.ndarray, "rows columns"]
    certain: float

    def gate(self, frame: Frame) -> Float[np.ndarray, "rows columns"]:
        """0..1 a pixel: how surely it is darker now than anything near it was then."""
        return np.clip((self.darkest_near - self._now(frame)) / self.certain, 0.0, 1.0).astype(np.float32)

    def darkening(self, frame: Frame) -> Float[np.ndarray, "rows columns"]:
        """What contrast added since, in log units."""
        return self.picture - self._now(frame)

    def _now(self, frame: Frame) -> Float32[np.ndarray, "rows columns"]:
        smooth = cv2.GaussianBlur(log_picture(frame, log_intensity=False), (0, 0), _SMOOTH_PX)
        # Exposure control moves the whole picture. Every fourth pixel tells by how much, smoothed: grey values are
        # coarser than what is to be told.
        return smooth + np.median((self.picture - smooth)[::4, ::4])


class ContrastMemory:
    """Remembers the pictures of one view; a changed view or a subtracted picture forgets them.

    `see` and `gate` are called with every frame, `learn` from the cold start's thread.
    """

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._every = 1
        self._seen = 0
        self._background: Background | None = None

    def see(self, frame: Frame) -> None:
        if frame.geometry is None or frame.kind == "dsa":
            return
        last = self._frames[-1] if self._frames else None
        if last is not None and not _same_view(frame, last):
            self._frames, self._every, self._seen, self._background = [], 1, 0, None
        if self._seen % self._every == 0:
            self._frames.append(frame)
        self._seen += 1
        if len(self._frames) >= _MOST_FRAMES:
            self._frames, self._every = self._frames[::2], 2 * self._every

    def past(self) -> tuple[Frame, ...]:
        return tuple(self._frames)

    def gate(self, frame: Frame) -> Float[np.ndarray, "rows columns"] | None:
        """None while nothing is known about the view before contrast."""
        background = self._background
        if background is None or frame.kind == "dsa" or background.picture.shape != frame.shape_px:
            return None
        return background.gate(frame)

    def learn(self, past: tuple[Frame, ...]) -> Background | None:
        """Find the frames before the bolus; takes some hundred milliseconds."""
        background = background_of(past)
        newest = self._frames[-1] if self._frames else None
        if background is not None and newest is not None and _same_view(past[-1], newest):
            self._background = background
        return background


def background_of(past: tuple[Frame, ...]) -> Background | None:
    """None where contrast does not rise within these frames: then nothing can be said."""
    if len(past) < 2:
        return None
    curve = contrast_curve(_PastRun(past))
    if not curve.rises:
        return None
    logs = [log_picture(past[index], log_intensity=False) for index in frames_without_contrast(curve)]
    if not logs:
        return None
    picture = np.mean(logs, axis=0).astype(np.float32)
    size = max(3, round(_STILL_PX * max(picture.shape) / 512) | 1)
    noise = 1.4826 * float(np.median(np.abs(logs[0] - cv2.GaussianBlur(logs[0], (0, 0), 1.0))))
    return Background(
        picture=cv2.GaussianBlur(picture, (0, 0), _SMOOTH_PX),
        darkest_near=cv2.erode(cv2.GaussianBlur(picture, (0, 0), 1.0), np.ones((size, size), np.uint8)).astype(
            np.float32
        ),
        certain=max(_CERTAIN_SIGMAS * _SMOOTHED * noise, _LEAST_CERTAIN),
    )


class _PastRun:
    """Frames in memory as a run (see `Run`)."""

    mask: tuple[MaskOperation, ...] = ()
    log_intensity = False
    kind: FrameKind = "fluoro"

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self._frames = frames
        self.path = Path(frames[0].source_id)
        self.source_id = frames[0].source_id
        self.sop_instance_uid = frames[0].sop_instance_uid
        self.frame_count = len(frames)
        self.frame_time_ms = frames[0].frame_time_ms

    def frame(self, index: int) -> Frame:
        return replace(self._frames[index], source_frame=index)

    def geometry(self, index: int) -> CArmGeometry:
        geometry = self._frames[index].geometry
        if geometry is None:
            raise MissingGeometryError(self._frames[index].geometry_reason)
        return geometry


def _same_view(frame: Frame, other: Frame) -> bool:
    if frame.geometry is None or other.geometry is None or frame.shape_px != other.shape_px:
        return False
    return frame.geometry.same_view(other.geometry)
