"""What `replay` and `live` have in common: open case, source and session, run the window, say how it went."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError
from guidance_app.sources.uri import SourceUri

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from guidance_app.live.recording.recorder import Recorder
    from guidance_app.live.recording.replay_comparison import ReplayComparison


def guide(
    *,
    case: str,
    uri: SourceUri,
    saturate: bool,
    hold_at_end: bool,
    headless: bool,
    out: Path | None,
    pose: Path | None,
    duration_s: float | None,
    title: str,
    record: Path | None = None,
) -> None:
    """Run guidance in the window until its source ends, the time is up or a person ends it.

    Raises:
        InputError: case, source or pose cannot be used, or the source ended with an error.
    """
    from engines.anatomy.cases.case import load_case
    from guidance_app.ending import EndRequest
    from guidance_app.live.session.opening import open_session
    from guidance_app.sources.uri import open_source
    from guidance_app.window.application import application
    from guidance_app.window.run import run_window

    qt = application(headless=headless)  # Qt's application lives only while somebody holds it
    opened = load_case(case)
    # From here on a port may be open, and peers may have sent what belongs into the logs.
    with EndRequest() as end:
        source = open_source(uri, saturate=saturate, hold_at_end=hold_at_end)
        recorder = None
        try:
            comparison = _comparison(source)
            recorder = None if record is None else _recorder(record, opened, source.source_id, out)
            session = open_session(
                opened,
                source,
                out=out,
                pose=pose,
                witnesses=[witness for witness in (recorder, comparison) if witness],
                first_at_once=hold_at_end,
            )
        except BaseException:
            source.close()
            if recorder is not None:
                recorder.end()
            raise
        run_window(
            session,
            case=opened,
            headless=headless,
            duration_s=duration_s,
            title=f"{title}: {opened.id}, {source.source_id}",
            run_index=_index_of(opened, uri),
            end=end,
        )
        if recorder is not None:
            _tell_recording(recorder)
        if comparison is not None:
            _tell_comparison(comparison, out)
        if session.source_error:
            raise InputError(session.source_error)
        if out is not None:
            print(f"{session.summary}; logs in {out}")
    del qt


def _index_of(case: Case, uri: SourceUri) -> int:
    """Which of the case's own recordings plays; -1 where it is none of them."""
    path = getattr(uri, "path", None)
    if path is None:
        return -1
    played = Path(path).resolve()
    return next((row for row, run in enumerate(case.recordings) if run.path.resolve() == played), -1)


def _recorder(path: Path, case: Case, source_id: str, out: Path | None) -> Recorder:
    """The recorder is made last: a run that cannot begin leaves no empty recording."""
    from calibration.store import make_folder
    from guidance_app.live.recording.about import about_run
    from guidance_app.live.recording.recorder import Recorder

    if out is not None:
        make_folder(out)
    return Recorder(path, about_run(case, source_id))


def _comparison(source: object) -> ReplayComparison | None:
    """The comparison with a recording's own poses; prints what is missing in the recording."""
    from guidance_app.live.recording.replay_comparison import ReplayComparison
    from guidance_app.sources.recording.recording_source import RecordedRun

    run = getattr(source, "run", None)
    if not isinstance(run, RecordedRun):
        return None
    if run.reader.notice:
        print(f"note: {run.reader.notice}", file=sys.stderr)
    return ReplayComparison(run)


def _tell_recording(recorder: Recorder) -> None:
    report = recorder.report
    print(f"{report.frames} frames recorded in {report.path}")
    if report.fault:
        print(f"warning: {report.path}: {report.fault}; {report.lost_frames} frames lost", file=sys.stderr)


def _tell_comparison(comparison: ReplayComparison, out: Path | None) -> None:
    from calibration.store import write_json

    print(comparison.summary())
    if out is not None:
        write_json(out / "comparison.json", comparison.content())
    comparison.close()
