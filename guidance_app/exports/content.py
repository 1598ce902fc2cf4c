"""What is exported: the frames of a recording or run, and the pose that belongs to each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from calibration.carm import CArmGeometry
from calibration.errors import GuidanceError, InputError
from engines.angiography.run import Run
from engines.registration.pose_file import read_pose_file, read_registration
from guidance_app.live.recording.recorded_poses import FramePose, finite, recorded_poses
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.uri import shown_run


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportContent:
    """Args: poses: by frame, as recorded; `fixed` is one that the user gave for all frames of its view."""

    path: Path
    run: Run
    poses: dict[int, FramePose] = field(default_factory=dict)
    fixed: FramePose | None = None

    @property
    def recorded(self) -> RecordedRun | None:
        return self.run if isinstance(self.run, RecordedRun) else None

    @property
    def header(self) -> Dataset | None:
        """Of the source DICOM object, if this is one."""
        run = getattr(self.run, "unsubtracted", self.run)
        found = getattr(run, "header", None)
        return found if isinstance(found, Dataset) else None

    def frame_time_ms(self) -> float:
        return self.run.frame_time_ms or 1000.0 / 15.0

    def pose_for(self, index: int, geometry: CArmGeometry | None) -> FramePose | None:
        """The pose to draw on a frame: its own, or the given one where the view is the same; else None."""
        if geometry is None:
            return None
        pose = self.fixed or self.poses.get(index)
        if pose is None or not pose.view.same_view(geometry):
            return None
        return pose

    def shown_ms(self, index: int) -> float:
        """When a frame came, against the first one."""
        if self.recorded is None:
            steps_ms: tuple[float, ...] = getattr(self.run, "frame_times_ms", ())
            return float(sum(steps_ms[:index])) if steps_ms else index * self.frame_time_ms()
        first_ns, this_ns = self.recorded.header(0).received_ns, self.recorded.header(index).received_ns
        return (this_ns - first_ns) / 1e6

    def age_ms(self, index: int, pose: FramePose) -> float:
        """Time between a frame and the frame that its pose was found on."""
        return 0.0 if pose.index == index else abs(self.shown_ms(index) - self.shown_ms(pose.index))

    def source_of(self, index: int) -> tuple[str, int]:
        """SOP instance ("" where there is none) and frame in it, from 0."""
        if self.recorded is None:
            return self.run.sop_instance_uid, index
        header = self.recorded.header(index)
        return header.sop_instance_uid, header.source_frame

    @property
    def series_instance_uid(self) -> str:
        """Of the source object, "" where it is not known."""
        return "" if self.header is None else str(self.header.get("SeriesInstanceUID", ""))

    def last_pose(self) -> tuple[FramePose, CArmGeometry]:
        """The newest pose and the view it holds for.

        Raises:
            InputError: there is none.
        """
        pose = self.fixed or (self.poses[max(self.poses)] if self.poses else None)
        if pose is not None:
            return pose, pose.view
        raise InputError(f"{self.path}: no frame has an accepted or proposed pose; give one with --pose POSE.json")


def open_content(path: Path, pose: Path | None) -> ExportContent:
    """Open what is to be exported.

    Args:
        path: a recording, an XA file, pictures or a video, or the folder of a run that was recorded into it.
        pose: instead of the recorded ones.

    Raises:
        InputError: no pictures there, or the pose does not fit them.
    """
    run = shown_run(_pictures(path))
    try:
        fixed = None if pose is None else _fixed(pose, run)
        poses = recorded_poses(run) if isinstance(run, RecordedRun) and fixed is None else {}
    except GuidanceError:
        if isinstance(run, RecordedRun):
            run.close()
        raise
    return ExportContent(path=path, run=run, poses=poses, fixed=fixed)


def _pictures(path: Path) -> Path:
    """A run's output folder holds no pictures itself, but may hold its recording."""
    if not (path / "frames.jsonl").is_file():
        return path
    recordings = sorted(path.glob("*.mcap"))
    if len(recordings) == 1:
        return recordings[0]
    found = "no recording" if not recordings else f"{len(recordings)} recordings"
    raise InputError(f"{path}: the folder of a run with {found} in it; give the recording (live --record FILE) itself")


def _fixed(path: Path, run: Run) -> FramePose:
    view = read_pose_file(path).views[0]
    place: int | None = view.frame if view.sop_instance_uid in ("", run.sop_instance_uid) else None
    if isinstance(run, RecordedRun) and view.sop_instance_uid:
        place = run.place_of(view.sop_instance_uid, view.frame)
    own = place is not None and 0 <= place < run.frame_count
    index = place if own and place is not None else 0
    geometry = run.geometry(index)
    found = read_registration(path, geometry)
    if found.status == "rejected":
        raise InputError(f"{path}: this registration was rejected and may not be drawn; give another")
    return FramePose(
        index=index,
        isocentre_from_lps=found.isocentre_from_lps,
        state="accepted" if own and found.status == "accepted" else "proposed",
        view=geometry,
        confidence=found.confidence,
        expected_error_mm=finite(found.expected_error_mm),
        depth_sigma_mm=finite(found.depth_sigma_mm),
    )


def readable_frames(content: ExportContent, only: int | None) -> list[int]:
    """The frames to export. Raises InputError for one that is not there."""
    if only is None:
        return list(range(content.run.frame_count))
    if not 0 <= only < content.run.frame_count:
        raise InputError(f"--frame {only}: {content.path.name} has {content.run.frame_count} frames, counted from 0")
    return [only]
