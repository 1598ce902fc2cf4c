"""Compares the poses of a replay with those that were recorded, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from calibration.errors import GuidanceError
from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.live.run_log import Event
from guidance_app.live.witness import RunWitness
from guidance_app.sources.recording.recording_messages import GUIDANCE, REGISTRATIONS
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.source import CorruptFrame

SCHEMA = "guidance-app/replay-comparison/1"
_DRAWN_STATES = ("accepted", "proposed")
_REACH_MM = 50.0  # poses are compared on the corners of a cube about the isocentre, the size of a heart


class ReplayComparison(RunWitness):
    """A witness of a replay that knows the recording."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._recorded = _recorded_poses(run)
        self._replayed: dict[int, Registration] = {}
        self._wandered = False

    @property
    def fault(self) -> str:
        return ""

    def begin(self, tell: Callable[[str], None]) -> None: ...

    def end(self) -> None: ...

    def frame(self, frame: Frame) -> None: ...

    def corrupt(self, error: CorruptFrame) -> None: ...

    def registered(self, registration: Registration, frame_index: int | None) -> None: ...

    def painted(self, screen: ScreenState, painted_ns: int) -> None: ...

    def event(self, event: Event) -> None: ...

    def guided(self, result: GuidanceResult, registration: Registration | None, *, used: bool) -> None:
        if used and registration is not None and result.state in _DRAWN_STATES and not self._wandered:
            self._replayed[result.frame_index] = registration

    def action(self, name: str, value: int | None = None) -> None:  # noqa: ARG002 - the seam's signature
        # From here on the running number of a frame says nothing about its place in the recording.
        self._wandered = self._wandered or name in ("step", "seek")

    def content(self) -> dict[str, Any]:
        """Figures for `comparison.json`: frames with a pose in both, and the largest differences over them.

        `in_picture_mm` is measured in the isocentre plane, `in_space_mm` includes the weakly seen depth.
        """
        in_picture, in_space, both = [], [], 0
        for position, registration in sorted(self._replayed.items()):
            recorded = self._recorded.get(self._recorded_index(position))
            if recorded is None:
                continue
            both += 1
            space_mm, picture_mm = _difference_mm(recorded, registration)
            in_space.append(space_mm)
            in_picture.append(picture_mm)
        return {
            "schema": SCHEMA,
            "recording": self._run.source_id,
            "frames": self._run.frame_count,
            "recorded_poses": len(self._recorded),
            "replayed_poses": len(self._replayed),
            "compared": both,
            "in_picture_mm": _figures(in_picture),
            "in_space_mm": _figures(in_space),
        }

    def close(self) -> None:
        """Let go of the recording."""
        self._run.close()

    def summary(self) -> str:
        """One line for a person."""
        content = self.content()
        if not content["recorded_poses"]:
            return "the recording holds no poses to compare with"
        if not content["compared"]:
            return f"no frame has a pose both in the recording ({content['recorded_poses']}) and in this replay"
        return (
            f"recorded and replayed poses on {content['compared']} frames: largest difference "
            f"{content['in_picture_mm']['max']:.2f} mm in the picture, {content['in_space_mm']['max']:.2f} mm in space"
        )

    def _recorded_index(self, position: int) -> int:
        """Running number that the frame at this place had when it was recorded; lost ones leave gaps."""
        try:
            return self._run.header(position).index
        except GuidanceError:
            return -1


def _recorded_poses(run: RecordedRun) -> dict[int, dict[str, Any]]:
    """The poses that could be drawn, by the running number of the frame they were found on."""
    drawn = {
        message.get("frame")
        for message in run.reader.messages(GUIDANCE)
        if message.get("used") and message.get("state") in _DRAWN_STATES
    }
    return {
        message["frame"]: message
        for message in run.reader.messages(REGISTRATIONS)
        if not message.get("cold_start") and message.get("frame") in drawn and _is_pose(message)
    }


def _is_pose(message: dict[str, Any]) -> bool:
    try:
        view = message["views"][0]
        shapes = np.shape(message["isocentre_from_lps_mm"]), np.shape(view["projection_px_from_lps_mm"])
        return shapes == ((4, 4), (3, 4))
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def _difference_mm(recorded: dict[str, Any], replayed: Registration) -> tuple[float, float]:
    """Largest displacement over the cube's corners: in space, and in the picture."""
    corners = _REACH_MM * np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    points_lps = replayed.isocentre_from_lps.inverse().apply(corners)
    isocentre_from_lps = np.array(recorded["isocentre_from_lps_mm"], dtype=np.float64)
    then = points_lps @ isocentre_from_lps[:3, :3].T + isocentre_from_lps[:3, 3]
    projection = replayed.views[0].projection
    points_px, depth_mm = projection.project(points_lps)
    then_px = _projected(np.array(recorded["views"][0]["projection_px_from_lps_mm"], dtype=np.float64), points_lps)
    mm_per_px = depth_mm / np.sqrt(abs(projection.intrinsics_px[0, 0] * projection.intrinsics_px[1, 1]))
    in_picture_mm = np.linalg.norm(then_px - points_px, axis=1) * mm_per_px
    return float(np.linalg.norm(then - corners, axis=1).max()), float(in_picture_mm.max())


def _projected(matrix: Float[np.ndarray, "3 4"], points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    homogeneous = points_mm @ matrix[:, :3].T + matrix[:, 3]
    return homogeneous[:, :2] / homogeneous[:, 2:]


def _figures(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "max": None}
    return {"median": round(float(np.median(values)), 4), "max": round(float(np.max(values)), 4)}
