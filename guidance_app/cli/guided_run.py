"""What `replay` and `live` have in common: open case, source and session, run the window, say how it went."""

from __future__ import annotations

from pathlib import Path

from calibration.errors import InputError
from guidance_app.sources.uri import FileUri


def guide(
    *,
    case: str,
    uri: FileUri,
    saturate: bool,
    hold_at_end: bool,
    headless: bool,
    out: Path | None,
    pose: Path | None,
    duration_s: float | None,
    title: str,
) -> None:
    """Run guidance in the window until its source ends, the time is up or a person ends it.

    Raises:
        InputError: case, source or pose cannot be used, or the source ended with an error.
    """
    from engines.anatomy.case import load_case
    from guidance_app.live.opening import open_session
    from guidance_app.sources.uri import open_source
    from guidance_app.views.run import application, run_window

    qt = application(headless=headless)  # Qt's application lives only while somebody holds it
    opened = load_case(case)
    source = open_source(uri, saturate=saturate, hold_at_end=hold_at_end)
    session = open_session(opened, source, out=out, pose=pose)
    run_window(
        session,
        case=opened,
        headless=headless,
        duration_s=duration_s,
        title=f"{title}: {opened.id}, {source.source_id}",
    )
    del qt
    if session.source_error:
        raise InputError(session.source_error)
    if out is not None:
        print(f"{session.summary}; logs in {out}")
