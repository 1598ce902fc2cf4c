"""`bench latency`: the live path under a paced source, as it runs for a person."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from engines.anatomy.cases.case import Case, load_case
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import MaskOperation, Run
from engines.inference.factory import runtime_named
from engines.inference.model_files import BUNDLED_MODELS
from guidance_app.live.benches.latency_follow import followed
from guidance_app.live.engine.case_pipeline import case_recipe
from guidance_app.live.latency import LatencyReport
from guidance_app.live.recording.recorder import Recorder
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import MAX_FPS, PacedFileSource
from guidance_app.sources.uri import shown_run

LOADING_S = 60.0  # what the engine may take before the first frame
_MOST_FRAMES = 60  # kept in memory and looped


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyBench:
    """What to measure: a case's first recording, resampled to `size_px` squared, looped at `fps` for `seconds`.

    `cold_every_s`: the pose is thrown away and searched for anew this often; None leaves it alone. `record` is a file
    that the run is recorded into meanwhile.
    """

    case: str
    fps: float
    seconds: float
    size_px: int
    backend: str = "auto"
    models: Path = BUNDLED_MODELS
    cold_every_s: float | None = None
    record: Path | None = None


def run_latency_bench(
    bench: LatencyBench, show: Callable[[LiveSession, Case, float], object], *, follow: Path | None = None
) -> LatencyReport:
    """Run the session through `show`, which drives it (a window) for the given seconds and stops it.

    The clock of the report starts with the first frame, which waits until the engine has loaded. `follow` is a file
    that tells how it stands while it runs (`latency_follow`).

    Raises:
        InputError: no such case, or no recording in it, a value out of range, or no engine.
    """
    case, run = bench_run(bench)
    session = bench_session(bench, case, run)
    with _registering_anew(session, bench.cold_every_s), followed(session, follow):
        show(session, case, bench.seconds + LOADING_S)
    if session.source_error:
        raise InputError(session.source_error)
    if not session.engine_description:  # the picture's times alone would look like a good result
        raise InputError(f"bench latency: the engine never answered ({session.screen().banner}); nothing was measured")
    if bench.cold_every_s is None:
        return session.report()
    ended = [event for event in session.events if event.kind.startswith("registration_") and "confidence" in event.text]
    return session.report().model_copy(update={"cold_starts": len(ended)})


@contextmanager
def _registering_anew(session: LiveSession, every_s: float | None) -> Iterator[None]:
    """In the background, the pose is rejected and a new one asked for again and again."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(every_s):
            session.commands.reject()
            session.commands.request_registration()

    asking = threading.Thread(target=ask, name="guidance-bench-asks", daemon=True)
    if every_s is not None:
        asking.start()
    try:
        yield
    finally:
        over.set()
        if every_s is not None:
            asking.join()


def bench_run(bench: LatencyBench) -> tuple[Case, KeptRun]:
    """The case and what is played of it. Raises InputError as `run_latency_bench` does."""
    if not bench.seconds > 0:
        raise InputError(f"--seconds {bench.seconds:g}: expected a duration above 0")
    if bench.cold_every_s is not None and not bench.cold_every_s >= 0.5:
        raise InputError(f"--cold {bench.cold_every_s:g}: expected 0.5 seconds or more")
    if not 64 <= bench.size_px <= 4096:
        raise InputError(f"--size {bench.size_px}: expected 64 to 4096 pixels")
    if not 0 < bench.fps <= MAX_FPS:
        raise InputError(f"--fps {bench.fps:g}: expected frames a second above 0 and up to {MAX_FPS:g}")
    if bench.backend != "auto":
        runtime_named(bench.backend)
    case = load_case(bench.case)
    if not case.recordings:
        raise InputError(f"{bench.case}: the case has no recording to play; take another case")
    return case, KeptRun(shown_run(case.recordings[0].path), bench.size_px)


def bench_session(bench: LatencyBench, case: Case, run: KeptRun) -> LiveSession:
    """Not started yet."""
    return LiveSession(
        source=PacedFileSource(run, fps=bench.fps, loop=True),
        recipe=case_recipe(case, backend=bench.backend, models=bench.models),
        paced_fps=bench.fps,
        run_for_s=bench.seconds,
        witnesses=() if bench.record is None else (Recorder(bench.record, {"case": case.id, "source": run.source_id}),),
    )


class KeptRun:
    """A run held in memory at another size, so that neither disk nor decompression blurs the figures (see `Run`)."""

    def __init__(self, run: Run, size_px: int) -> None:
        self.path: Path = run.path
        self.source_id = f"{run.source_id} at {size_px}x{size_px}"
        self.sop_instance_uid = run.sop_instance_uid
        self.frame_time_ms = run.frame_time_ms
        self.kind: FrameKind = run.kind
        self.mask: tuple[MaskOperation, ...] = ()
        self.log_intensity = run.log_intensity
        self._frames = [_resized(run.frame(index), size_px) for index in range(min(run.frame_count, _MOST_FRAMES))]
        self.frame_count = len(self._frames)

    def frame(self, index: int) -> Frame:
        return self._frames[index]

    def geometry(self, index: int) -> CArmGeometry:
        geometry = self._frames[index].geometry
        if geometry is None:
            raise MissingGeometryError(self._frames[index].geometry_reason)
        return geometry


def _resized(frame: Frame, size_px: int) -> Frame:
    if frame.shape_px == (size_px, size_px):
        return frame
    pixels = cv2.resize(frame.pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
    geometry = frame.geometry
    if geometry is not None:
        rows, columns = frame.shape_px
        column, row = geometry.principal_point_px
        geometry = replace(
            geometry,
            column_spacing_mm=geometry.column_spacing_mm * columns / size_px,
            row_spacing_mm=geometry.row_spacing_mm * rows / size_px,
            shape_px=(size_px, size_px),
            # Edges of pixels stay, centres move.
            principal_point_px=((column + 0.5) * size_px / columns - 0.5, (row + 0.5) * size_px / rows - 0.5),
        )
    return replace(frame, pixels=np.ascontiguousarray(pixels), geometry=geometry)
