"""Where a frame comes in: decides, for all stages, whether it shows the view of the frames before it."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from guidance_app.live import guidance_state
from guidance_app.live.guidance_state import Situation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewKey:
    """One view. Frames that carry the very same key show the same view, in pictures of the same size.

    `geometry` is that of the first of these frames.
    """

    geometry: CArmGeometry
    shape_px: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Admitted:
    """A frame that has come in.

    Args:
        key: None where the frame does not state its geometry.
        situation: knows of this frame's view already. A pose that was checked on another view has lost its
            `checked_geometry`.
    """

    frame: Frame
    key: ViewKey | None
    situation: Situation


class Door:
    """Compares each frame's geometry with that of the view before. For one thread."""

    def __init__(self) -> None:
        self._key: ViewKey | None = None
        self._source_id = ""

    def admit(self, frame: Frame, situation: Situation) -> Admitted:
        """Frames without geometry get no key, and leave the view as it was."""
        return Admitted(
            frame=frame, key=self._key_of(frame), situation=guidance_state.saw_geometry(situation, frame.geometry)
        )

    def _key_of(self, frame: Frame) -> ViewKey | None:
        if frame.geometry is None:
            return None
        known = self._key if frame.source_id == self._source_id else None  # another run is another view
        self._source_id = frame.source_id
        if known is None or known.shape_px != frame.shape_px or not frame.geometry.same_view(known.geometry):
            self._key = ViewKey(geometry=frame.geometry, shape_px=frame.shape_px)
        return self._key
