"""Command `demo`: the main job on a bundled case, from a recorded run to an overlay one can check."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.anatomy.case import Case
    from engines.registration.registration import Registration
    from guidance_app.live.guidance import ScreenState
    from guidance_app.live.session import LiveSession

DEFAULT_CASE: Literal["evt", "tavi", "coronary"] = "coronary"
_SHOW_OVERLAY_S = 6.0  # long enough to judge it in the video
_GIVE_UP_S = 90.0  # a busy or small machine segments a frame in seconds
_HARD_LIMIT_S = 240.0  # a machine on which even the picture does not come
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
        from guidance_app.views.run import display_available

        _demonstrate(case, headless=headless or not display_available(), out=out)


def _demonstrate(name: str, *, headless: bool, out: Path) -> None:
    from engines.anatomy.case import load_case
    from engines.registration.pose_file import write_registration
    from guidance_app.live.opening import open_session
    from guidance_app.sources.uri import FileUri, open_source
    from guidance_app.views.run import run_window

    case = load_case(name)
    if not case.recordings:
        raise InputError(f"{case.folder}: the case has no recordings to replay; choose evt, tavi or coronary")
    recording = case.recordings[0]
    print(f"Case {case.id}: replaying {recording.path.name}, then segment, register, overlay ...", flush=True)
    source = open_source(FileUri(path=recording.path, loop=True))
    session = open_session(case, source, out=out)
    watch = _Watch(session, loop_s=source.frame_count / source.fps)
    report = run_window(
        session,
        case=case,
        headless=headless,
        annotate=out / "annotated.mp4",
        screenshot=out / "screenshot.png",
        duration_s=_HARD_LIMIT_S if headless else None,
        title=f"Demo: {case.id}, {recording.path.name}",
        # A person closes the window; without one the demo ends by itself.
        until=watch.enough if headless else watch.look,
        annotate_s=None if headless else _VIDEO_S,
    )
    if session.registration is not None:
        write_registration(out / "registration.json", session.registration)
    dropped = "" if report is None or not report.dropped else f" ({report.dropped} pictures left out)"
    _tell(case, recording.path.stem, watch, out, dropped)


@dataclass(slots=True)
class _Watch:
    """Sees what was painted, and remembers the poses of the overlays that were valid."""

    session: LiveSession
    loop_s: float
    poses: dict[int, Registration] = field(default_factory=dict)
    last: ScreenState | None = None
    valid_frames: int = 0
    _first_s: float | None = None
    _valid_s: float | None = None

    def look(self, screen: ScreenState) -> bool:
        self.last = screen
        if screen.frame is None:
            return False
        if screen.overlay is not None and screen.overlay_state == "valid":
            self.valid_frames += 1
            registration = self.session.registration
            if registration is not None and registration.status == "accepted":
                self.poses[registration.views[0].frame] = registration
        return False

    def enough(self, screen: ScreenState) -> bool:
        """The overlay was on the screen for a whole loop, or there has been time enough for it to come."""
        self.look(screen)
        if screen.frame is None:
            return False
        now_s = screen.frame.received_ns / 1e9
        self._first_s = self._first_s or now_s
        if self.valid_frames and self._valid_s is None:
            self._valid_s = now_s
        if self._valid_s is not None and now_s - self._valid_s > max(self.loop_s, _SHOW_OVERLAY_S):
            return True
        return now_s - self._first_s > _GIVE_UP_S


def _tell(case: Case, run: str, watch: _Watch, out: Path, dropped: str) -> None:
    """Print what came of it.

    Raises:
        GuidanceError: the demo did not do its job; the text says what was missing.
    """
    stages = json.loads((out / "latency.json").read_text(encoding="utf-8"))["stages_ms"]
    for name, words in (("ingest_to_paint", "Picture, ingest to paint"), ("ingest_to_overlay", "Overlay, ingest to")):
        row = stages.get(name)
        if row is not None and row.get("p50") is not None:
            print(f"{words}: p50 {row['p50']:.0f} ms, p95 {row['p95']:.0f} ms")
    names = ", ".join(path.name for path in sorted(out.iterdir()) if not path.name.startswith("."))
    print(f"Files in {out}: {names}{dropped}")
    if not watch.poses:
        banner = watch.last.banner if watch.last is not None else "no picture was painted"
        raise GuidanceError(f"demo: no accepted registration was drawn on {run} ({banner or 'no reason was given'})")
    newest = list(watch.poses.values())[-1]
    print(
        f"Registered: yes, confidence {newest.confidence:.2f}, expected error {newest.expected_error_mm:.1f} mm; "
        f"valid overlay on {watch.valid_frames} painted frames"
    )
    truth = case.folder / "truth" / f"{run}.json"
    if not truth.is_file():
        print("This case has no simulated truth to compare with.")
        return
    errors_mm = _errors_mm(case, truth, watch.poses)
    print(
        f"Mean error against the simulated truth: {np.mean(errors_mm):.2f} mm "
        f"({len(errors_mm)} frames, worst {max(errors_mm):.2f} mm)"
    )
    if np.mean(errors_mm) > _WRONG_MM:
        raise GuidanceError(f"demo: the registration on {run} was accepted and is wrong by {np.mean(errors_mm):.1f} mm")


def _errors_mm(case: Case, truth: Path, poses: dict[int, Registration]) -> list[float]:
    """Mean distance of the projected centerlines to where the truth projects them, in the isocentre plane."""
    from engines.angiography.open_run import open_run

    centerlines = case.vessel_model().centerlines
    if centerlines is None:
        raise InputError(f"{case.folder}: the case has no centerlines to measure the error on")
    points_mm = np.column_stack([centerlines.points_mm(), np.ones(len(centerlines.points_mm()))])
    views = {view["frame"]: view for view in json.loads(truth.read_text(encoding="utf-8"))["views"]}
    run = open_run(case.folder / "xa" / f"{truth.stem}.dcm")
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
