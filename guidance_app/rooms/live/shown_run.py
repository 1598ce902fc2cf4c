"""What the live room shows, as far as it can be shown again later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from calibration.pose import RigidPose
from engines.registration.registration import Registration, RegistrationBackend
from guidance_app.live.guidance_state import Situation, came_back
from guidance_app.live.manual_help import UNMEASURED_DEPTH_SIGMA_MM, UNMEASURED_ERROR_MM
from guidance_app.sources.recording.recording_messages import GeometryRecord
from guidance_app.views.live_view import LiveView
from guidance_app.views.viewport import Viewport
from guidance_app.views.windowing import WindowLevel

if TYPE_CHECKING:
    from guidance_app.rooms.live.guided_session import GuidedSession

_KEPT_STATES = ("accepted", "proposed", "stale")


class ShownRun(BaseModel):
    """A run, its frame, how the picture was set up, and the patient's pose; never that the pose was accepted.

    Args:
        recording: number among the case's recordings; -1 for another run, which `source` names.
        source: path or source URI.
        frame: from 0.
        live: a live source: there is no frame to go back to.
        pose: isocentre_from_lps, row-major 4x4 in mm; None where there was none.
        fitted: the view on which the pose was last found to fit; None where it waited for a check.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    recording: int = -1
    source: str = ""
    frame: int = Field(default=0, ge=0)
    live: bool = False
    center: float | None = None
    width: float | None = None
    inverted: bool = False
    zoom: float = 1.0
    pan: tuple[float, float] = (0.0, 0.0)
    pose: list[list[float]] | None = None
    fitted: GeometryRecord | None = None

    @classmethod
    def of(cls, view: LiveView, session: GuidedSession, *, recording: int, source: str) -> ShownRun:
        """What this picture shows now."""
        screen, window, port = view.screen_state, view.window_level, view.viewport
        frame = None if screen is None else screen.frame
        situation = session.situation
        kept = situation.registration if situation.state in _KEPT_STATES else None
        fitted = situation.checked_geometry
        return cls(
            recording=recording, source=source, frame=0 if frame is None else frame.source_frame,
            live=screen is not None and screen.frames_total is None,
            center=None if window is None else window.center, width=None if window is None else window.width,
            inverted=window is not None and window.inverted, zoom=port.zoom, pan=(port.pan_x, port.pan_y),
            pose=None if kept is None else kept.isocentre_from_lps.matrix.tolist(),
            fitted=None if kept is None or fitted is None else GeometryRecord.of(fitted),
        )  # fmt: skip

    def set_up(self, view: LiveView) -> None:
        """Zoom and window as they were; the picture must be there."""
        view.viewport = Viewport(zoom=self.zoom, pan_x=self.pan[0], pan_y=self.pan[1])
        if self.center is not None and self.width is not None:
            view.set_window_level(WindowLevel(center=self.center, width=self.width, inverted=self.inverted))

    def situation(self, case_id: str) -> Situation | None:
        """Where guidance begins with the pose that was left: nothing more than a proposal, whatever it was before.

        None without a pose.

        Raises:
            ValueError: the numbers make no rigid pose.
        """
        if self.pose is None:
            return None
        pose = RigidPose(matrix=np.array(self.pose, dtype=np.float64), target="isocentre", source="lps")
        left = Registration(
            case=case_id, views=(), isocentre_from_lps=pose, status="caution", confidence=0.0,
            expected_error_mm=UNMEASURED_ERROR_MM, depth_sigma_mm=UNMEASURED_DEPTH_SIGMA_MM,
            reasons=("found before the program ended unexpectedly",), stages=(), elapsed_ms=0.0,
            backend=RegistrationBackend(render="", inference="", device="cpu"),
        )  # fmt: skip
        fitted = None if self.fitted is None else self.fitted.geometry()
        return came_back(left, fitted, same_picture=not self.live)
