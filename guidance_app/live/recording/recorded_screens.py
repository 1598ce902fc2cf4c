"""What was on the screen with each frame of a recording, put together again from what the recording says."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_args

from calibration.carm import CArmGeometry
from calibration.errors import GuidanceError
from engines.angiography.frame import Frame
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.guidance import Figures, GuidanceState, Overlay, OverlayState, ScreenState
from guidance_app.live.recording.recorded_poses import FramePose, finite, recorded_poses
from guidance_app.sources.recording.recording_messages import EVENTS, GUIDANCE, SCREEN
from guidance_app.sources.recording.recording_source import RecordedRun

_T = TypeVar("_T")

_KEPT_OVERLAYS = 256  # of some kilobytes each
_NO_POSE = "the recording keeps no pose for what was drawn here"


class RecordedScreens:
    """One screen a frame: the last that was painted with it. Frames are counted by their place in the recording.

    Nothing is judged anew: an overlay counts as valid only where the recording says that it was, and keeps the pose and
    what spoke for it on that very frame.

    Args:
        model: None shows pictures alone.

    Attributes:
        poses: by place, where one was found on this frame and could be drawn.
        marks: words of what happened, by place.
        followed_motion: it was guided on a beating heart, whose motion a recording does not keep: drawn rigid here.
    """

    def __init__(self, run: RecordedRun, model: ProjectedModel | None) -> None:
        self.run = run
        self._model = model
        self.poses: dict[int, FramePose] = recorded_poses(run)
        self._place_of: dict[int, int] = {}
        for place in range(run.frame_count):
            try:
                self._place_of[run.header(place).index] = place
            except GuidanceError:
                continue  # a damaged frame shows nothing
        self._painted: dict[int, dict[str, Any]] = {}
        for message in run.reader.messages(SCREEN):
            if (at := self._place_of.get(_number(message.get("frame")))) is not None:
                self._painted[at] = message
        self.followed_motion = False
        self._vessel_px: dict[int, float] = {}
        for message in run.reader.messages(GUIDANCE):
            self.followed_motion |= (message.get("stages_ms") or {}).get("motion") is not None
            at, seen_px = self._place_of.get(_number(message.get("frame"))), finite(message.get("vessel_px"))
            if at is not None and seen_px is not None:
                self._vessel_px[at] = seen_px
        self.marks: dict[int, str] = {}
        for message in run.reader.messages(EVENTS):
            if (at := self._place_of.get(_number(message.get("frame")))) is not None:
                self.marks[at] = str(message.get("text", ""))
        self._overlays: OrderedDict[int, Overlay] = OrderedDict()

    @property
    def guided(self) -> bool:
        """Something was painted with guidance, so that there is more to show than pictures."""
        return bool(self._painted)

    def screen(self, place: int) -> ScreenState:
        """The screen at this place; without a frame where it is damaged, and its banner says why."""
        try:
            frame = replace(self.run.frame(place), index=place, source_frame=place)
        except GuidanceError as error:
            return _state(ScreenAt(banner=str(error)), None, None, self.run.frame_count)
        at = self._at(place, frame.geometry)
        overlay = None if at.pose is None else self._overlay(frame, at.pose)
        return _state(at, frame, overlay, self.run.frame_count)

    def sketch(self, place: int) -> ScreenState:
        """The same without picture and lines, for what needs its states alone."""
        try:
            geometry = self.run.geometry(place)
        except GuidanceError:
            geometry = None
        at = self._at(place, geometry)
        overlay = None
        if at.pose is not None:
            overlay = Overlay(
                frame_index=at.pose.index, geometry=at.pose.view, centerlines=(), outline=(), halo_px=0.0,
                generation=0, evidence=at.pose.evidence,
            )  # fmt: skip
        return _state(at, None, overlay, self.run.frame_count)

    def vessel_px(self, place: int) -> float | None:
        """Length of the seen vessels' borders; None where no answer came, or the recording is an older one."""
        return self._vessel_px.get(place)

    def close(self) -> None:
        self.run.close()

    def _at(self, place: int, geometry: CArmGeometry | None) -> ScreenAt:
        """What may be said of a frame of this geometry."""
        painted = self._painted.get(place)
        if painted is None:
            return ScreenAt(banner="never shown when it was recorded")
        at = ScreenAt(
            guidance=_one_of(get_args(GuidanceState), painted.get("guidance_state"), "unregistered"),
            engine_up=bool(painted.get("engine_up", True)), banner=str(painted.get("banner", "")),
            own=self.poses.get(place),
        )  # fmt: skip
        state = _one_of(get_args(OverlayState), painted.get("overlay"), "hidden")
        if state == "hidden" or self._model is None:
            return at
        drawn = self.poses.get(self._place_of.get(_number(painted.get("overlay_frame")), -1))
        if drawn is None or geometry is None or not geometry.continues(drawn.view):
            return replace(at, banner="; ".join(text for text in (_NO_POSE, at.banner) if text))
        borne_out = drawn.evidence is not None and drawn.evidence.kind != "carried"
        age_ms = finite(painted.get("overlay_age_ms"))
        return replace(at, overlay=state if borne_out else "stale", age_ms=age_ms, pose=drawn)

    def _overlay(self, frame: Frame, pose: FramePose) -> Overlay:
        """Of the frame that it was computed for, which may be an earlier one of the same view."""
        assert self._model is not None
        if pose.index not in self._overlays:
            own = replace(frame, index=pose.index, source_frame=pose.index)
            self._overlays[pose.index] = self._model.overlay(
                own, pose.view, pose.isocentre_from_lps, expected_error_mm=pose.expected_error_mm, generation=0,
                evidence=pose.evidence,
            )  # fmt: skip
            if len(self._overlays) > _KEPT_OVERLAYS:
                self._overlays.popitem(last=False)
        return self._overlays[pose.index]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenAt:
    """What the recording says of one frame. `own` is the pose found on it, `pose` the one that was drawn."""

    guidance: GuidanceState = "unregistered"
    overlay: OverlayState = "hidden"
    age_ms: float | None = None
    engine_up: bool = True
    banner: str = ""
    own: FramePose | None = None
    pose: FramePose | None = None


def _state(at: ScreenAt, frame: Frame | None, overlay: Overlay | None, total: int) -> ScreenState:
    return ScreenState(
        frame=frame, result=None, overlay=overlay, overlay_state=at.overlay, overlay_age_ms=at.age_ms,
        source_state="replay", guidance_state=at.guidance, engine_up=at.engine_up, banner=at.banner,
        frames_total=total, fps=0.0, p95_ms=0.0, figures=_figures(at.own),
    )  # fmt: skip


def _figures(pose: FramePose | None) -> Figures | None:
    if pose is None or pose.confidence is None or pose.expected_error_mm is None or pose.depth_sigma_mm is None:
        return None
    return Figures(
        confidence=pose.confidence, expected_error_mm=pose.expected_error_mm, depth_sigma_mm=pose.depth_sigma_mm
    )


def _one_of(known: tuple[_T, ...], value: object, otherwise: _T) -> _T:
    return next((one for one in known if one == value), otherwise)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
