"""Command `demo`: the main job on a bundled case, from a recorded run to an overlay that can be checked."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from engines.angiography.frame import Frame
    from engines.registration.registration import Registration
    from guidance_app.live.guidance import ScreenState
    from guidance_app.live.session.session import LiveSession

DEFAULT_CASE: Literal["evt", "tavi", "coronary"] = "coronary"
_SHOW_OVERLAY_S = 6.0  # long enough to judge it in the video
_PACED_S = 30.0  # at the run's own pace: two or three times through the longest bundled run
_UNPACED_S = 180.0  # where each frame waits for its overlay
_HARD_LIMIT_S = 300.0  # a machine on which even the picture does not come
_VIDEO_S = 25.0  # of a window that stays open
_WRONG_MM = 5.0  # beyond it a registration counts as wrong (CONTRACT: what `confidence` is about)


def add_to(app: typer.Typer) -> None:
    @app.command("demo")
    def demo(
        case: str = typer.Option(DEFAULT_CASE, help="Bundled case (evt, tavi, coronary) or a simulated case's folder."),
        headless: bool = typer.Option(False, "--headless", help="Paint the same window off screen."),
        out: Path = typer.Option(Path("out/demo"), "--out", help="Folder for video, screenshot, logs and figures."),
    ) -> None:
        """Replay a bundled case, register it and draw the overlay; without a display the same window off screen."""
        _demonstrate(case, headless=headless or not _has_display(), out=out)


def _has_display() -> bool:
    """Whether a window can be shown. Prints a line where there is a display that cannot be used."""
    from guidance_app.qt_probe import display_problem

    problem = display_problem()
    if problem and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        print(f"note: no window can be shown ({problem}); painting it off screen", file=sys.stderr)
    return not problem


def _demonstrate(name: str, *, headless: bool, out: Path) -> None:
    from engines.anatomy.cases.case import load_case
    from engines.registration.pose_file import write_registration

    case = load_case(name)
    if not case.recordings:
        raise InputError(f"{case.folder}: the case has no recordings to replay; choose evt, tavi or coronary")
    recording = case.recordings[0]
    print(f"Case {case.id}: replaying {recording.path.name}, then segment, register, overlay ...", flush=True)
    (out / "registration.json").unlink(missing_ok=True)  # of an earlier demo; this one may find none
    watch = _play(case, recording.path, headless=headless, out=out, paced=True)
    if watch.ended and not watch.poses:
        print("No valid overlay at the run's own pace on this machine; again, each frame waiting for its overlay ...")
        watch = _play(case, recording.path, headless=headless, out=out, paced=False)
    if watch.session.source_error:
        raise InputError(watch.session.source_error)
    if watch.session.registration is not None:
        write_registration(out / "registration.json", watch.session.registration)
    _tell(case, recording.path, watch, out)


def _play(case: Case, run: Path, *, headless: bool, out: Path, paced: bool) -> _Watch:
    """Once through the live path and the window; leaves video, screenshot and logs."""
    from guidance_app.live.session.opening import open_session
    from guidance_app.sources.uri import FileUri, open_source
    from guidance_app.window.run import run_window

    source = open_source(FileUri(path=run, loop=True), saturate=not paced)
    session = open_session(case, source, out=out)
    watch = _Watch(session=session, loop_frames=source.frame_count, give_up_s=_PACED_S if paced else _UNPACED_S)
    run_window(
        session,
        case=case,
        headless=headless,
        annotate=out / "annotated.mp4",
        screenshot=out / "screenshot.png",
        duration_s=_HARD_LIMIT_S if headless else None,
        title=f"Demo: {case.id}, {run.name}",
        # A person closes the window; without one the demo ends by itself.
        until=watch.enough if headless else watch.look,
        annotate_s=None if headless else _VIDEO_S,
    )
    return watch


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Sees what was painted, and remembers the poses of the overlays that were valid."""

    session: LiveSession
    loop_frames: int
    give_up_s: float
    poses: dict[int, Registration] = field(default_factory=dict)
    banner: str = "no picture was painted"
    valid_frames: int = 0
    ended: bool = False  # by itself, not by a person
    _first_ns: int | None = None
    _first_valid: tuple[int, int] | None = None  # arrival number and time

    def look(self, screen: ScreenState) -> bool:
        """Take note; never ends the run."""
        self.banner = screen.banner
        registration = self.session.registration
        if screen.overlay_state == "valid" and registration is not None and registration.status == "accepted":
            self.valid_frames += 1
            self.poses[registration.views[0].frame] = registration
        return False

    def enough(self, screen: ScreenState) -> bool:
        """The overlay was on the screen for a whole loop, or the time limit for it has passed."""
        self.look(screen)
        self.ended = screen.frame is not None and self._time_is_up(screen.frame)
        return self.ended

    def _time_is_up(self, frame: Frame) -> bool:
        now_ns = frame.received_ns
        self._first_ns = self._first_ns or now_ns
        if self.poses and self._first_valid is None:
            self._first_valid = (frame.index, now_ns)
        if self._first_valid is not None:
            index, since_ns = self._first_valid
            shown_for_s = (now_ns - since_ns) / 1e9
            return shown_for_s > _SHOW_OVERLAY_S and frame.index - index >= self.loop_frames
        return now_ns - self._first_ns > self.give_up_s * 1e9


def _tell(case: Case, run: Path, watch: _Watch, out: Path) -> None:
    """Print the result.

    Raises:
        GuidanceError: the demo did not do its job; the text says what was missing.
    """
    stages = json.loads((out / "latency.json").read_text(encoding="utf-8"))["stages_ms"]
    for name, words in (
        ("ingest_to_paint", "Picture, ingest to paint"),
        ("ingest_to_overlay", "Overlay, ingest to overlay"),
    ):
        row = stages.get(name)
        if row is not None and row.get("p50") is not None:
            print(f"{words}: p50 {row['p50']:.0f} ms, p95 {row['p95']:.0f} ms")
    names = ", ".join(path.name for path in sorted(out.iterdir()) if not path.name.startswith("."))
    print(f"Files in {out}: {names}")
    if not watch.poses:
        raise GuidanceError(f"demo: no valid overlay was drawn on {run.name} ({watch.banner or 'no reason was given'})")
    newest = list(watch.poses.values())[-1]
    print(
        f"Registered: yes, confidence {newest.confidence:.2f}, expected error {newest.expected_error_mm:.1f} mm; "
        f"valid overlay on {watch.valid_frames} painted frames"
    )
    truth = case.folder / "truth" / f"{run.stem}.json"
    if not truth.is_file():
        print("This case has no simulated truth to compare with.")
        return
    errors_mm = _errors_mm(case, run, truth, watch.poses)
    if not errors_mm:
        raise InputError(f"{truth}: says nothing about the frames that were registered; make the case anew")
    print(
        f"Mean error against the simulated truth: {np.mean(errors_mm):.2f} mm "
        f"({len(errors_mm)} frames, worst {max(errors_mm):.2f} mm)"
    )
    if np.mean(errors_mm) > _WRONG_MM:
        raise GuidanceError(f"demo: the pose accepted on {run.name} is wrong by {np.mean(errors_mm):.1f} mm")


def _errors_mm(case: Case, path: Path, truth: Path, poses: dict[int, Registration]) -> list[float]:
    """For each frame, the mean distance between projected and true centerlines, in the isocentre plane."""
    from engines.angiography.files.open_run import open_run

    centerlines = case.vessel_model().centerlines
    if centerlines is None:
        raise InputError(f"{case.folder}: the case has no centerlines to measure the error on")
    points_mm = np.column_stack([centerlines.points_mm(), np.ones(len(centerlines.points_mm()))])
    views = {view["frame"]: view for view in json.loads(truth.read_text(encoding="utf-8"))["views"]}
    run = open_run(path)
    errors_mm = []
    for frame, registration in poses.items():
        if frame not in views:
            continue
        found_px, true_px = (
            _project(np.asarray(matrix), points_mm)
            for matrix in (registration.views[0].projection.matrix(), views[frame]["projection_px_from_lps_mm"])
        )
        distance_px = np.linalg.norm(found_px - true_px, axis=1).mean()
        errors_mm.append(float(distance_px) * run.geometry(frame).isocentre_mm_per_px)
    return errors_mm


def _project(matrix: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    homogeneous = points_mm @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]
