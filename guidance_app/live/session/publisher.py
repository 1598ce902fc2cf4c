"""Tells a source's peers where guidance stands, whenever that has changed."""

from __future__ import annotations

from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.guidance_state import Situation
from guidance_app.sources.source import GuidanceNews, Publishes


class Publisher:
    """Not thread-safe: the session's lock guards it."""

    def __init__(self, source: Publishes) -> None:
        self._source = source
        self._told: tuple[object, ...] = ()
        self._registration: Registration | None = None

    def tell(self, situation: Situation, frame: Frame | None) -> None:
        """The pose goes out only while it is accepted, and for the view of the frame on the screen."""
        geometry = frame.geometry if frame is not None else None
        checked = situation.checked_geometry
        registration = situation.registration if situation.state == "accepted" else None
        if geometry is None or checked is None or not geometry.continues(checked):
            registration = None
        now = (situation.state, situation.reason, None if registration is None else geometry)
        if now == self._told and registration is self._registration:
            return
        self._told, self._registration = now, registration
        pose = None
        if registration is not None and geometry is not None:
            pose = (geometry.camera_from_isocentre() @ registration.isocentre_from_lps).matrix
        self._source.publish(GuidanceNews(state=situation.state, reason=situation.reason, camera_from_lps_mm=pose))
