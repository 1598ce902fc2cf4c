"""A known pose for a live source, whose geometry nobody knows before its first picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from engines.registration.pose_file import PoseFile, read_pose_file, read_registration
from guidance_app.live import guidance_state
from guidance_app.live.guidance_state import Situation


class LatePose:
    """Waits for the picture that the pose was found on, or for one of another run, on which it must be checked.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = read_pose_file(path)

    def situation(self, frame: Frame) -> Situation | None:
        """Where guidance begins with this picture; None while the pose still waits for its own.

        Raises:
            InputError: the pose does not fit the picture's intrinsics.
        """
        if frame.geometry is None:
            return None
        view = self._content.views[0]
        own_run = view.sop_instance_uid == frame.sop_instance_uid and bool(frame.sop_instance_uid)
        # The angles of another frame of the run would bend the pose.
        if own_run and frame.source_frame < view.frame:
            return None
        elsewhere = bool(view.sop_instance_uid) and not (own_run and frame.source_frame == view.frame)
        return pose_situation(self._path, self._content, frame.geometry, elsewhere=elsewhere)


def pose_situation(path: Path, content: PoseFile, geometry: CArmGeometry, *, elsewhere: bool) -> Situation:
    """Begin with a pose file on a view of this geometry.

    A pose of this very run, or one that does not say where it is from, is taken at the user's word. One that was found
    elsewhere may belong to other angles: it is checked on the first filled frame before anything is drawn.

    Raises:
        InputError: the pose does not fit the geometry's intrinsics.
    """
    registration = read_registration(path, geometry)
    if "status" not in content.model_fields_set:
        registration = replace(registration, status="accepted")
    if elsewhere or registration.status == "rejected":
        return guidance_state.started_from(replace(registration, status="caution"), None)
    return guidance_state.started_from(registration, geometry)
