"""Command `gui`: the window, for a person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from guidance_app.live.session.session import LiveSession

_WATCH_MS = 50


def add_to(app: typer.Typer) -> None:
    @app.command("gui")
    def gui(
        case: str = typer.Option("", help="Folder of a case, or evt, tavi, coronary; without it you choose one."),
        source: str = typer.Option("", help="Source URI (file:PATH[?fps=F&loop=1]); default: the case's recordings."),
    ) -> None:
        """Open the window on a case."""
        from guidance_app.window.run import application

        app = application(headless=False)  # held until the end: Qt goes with it
        if case:
            _show(_load(case), source)
        elif (asked := _ask(bool(source))) is not None:
            _show(asked.case, source or asked.run)
        app.quit()


def _load(name: str) -> Case:
    from engines.anatomy.cases.case import load_case

    return load_case(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a person chose; `run` is None for the case's own recordings."""

    case: Case
    run: Path | None


def _ask(has_source: bool) -> _Asked | None:
    """Let the person choose a case; None if they close the window instead."""
    from PyQt6.QtCore import QEventLoop, QTimer

    from guidance_app.ending import EndRequest
    from guidance_app.settings import load_settings
    from guidance_app.sources.uri import shown_run
    from guidance_app.window.welcome import WelcomeRoom

    loop = QEventLoop()
    asked: _Asked | None = None
    without_run: Case | None = None

    def choose(name: str) -> str:
        nonlocal asked, without_run
        try:
            case = _load(name)
        except GuidanceError as error:
            return str(error)
        if not case.recordings and not has_source:  # as every case is that was just made
            without_run = case
            room.ask_for_run()
            return f"Case {case.id} has no recorded run of its own. Open one to see the model on it."
        asked = _Asked(case=case, run=None)
        loop.quit()
        return ""

    def choose_run(file: str) -> str:
        nonlocal asked
        try:
            shown_run(Path(file))
        except GuidanceError as error:
            return str(error)
        assert without_run is not None
        asked = _Asked(case=without_run, run=Path(file))
        loop.quit()
        return ""

    room = WelcomeRoom(choose, choose_run=choose_run, last_case=load_settings().last_case)
    room.on_closed = loop.quit
    with EndRequest() as end:
        end.running = True
        watch = QTimer()  # Qt's loop runs no Python, and so no signal handler, while nothing happens
        watch.timeout.connect(lambda: loop.quit() if end.asked else None)
        watch.start(_WATCH_MS)
        room.show()
        loop.exec()
        watch.stop()
    room.close()
    return asked


def _show(case: Case, source: str | Path | None) -> None:
    from guidance_app.window.run import run_window

    if source:
        run_window(_session(case, source), case=case, headless=False, title=f"Case {case.id}", run_index=-1)
        return
    if not case.recordings:
        raise InputError(f"{case.folder}: the case has no recordings; give one with --source file:PATH")
    run_window(
        _session(case, case.recordings[0].path),
        case=case,
        headless=False,
        title=f"Case {case.id}",
        open_run=lambda index: _session(case, case.recordings[index].path),
    )


def _session(case: Case, source: str | Path) -> LiveSession:
    from guidance_app.live.session.opening import open_session
    from guidance_app.sources.uri import FileUri, open_source, parse_source_uri

    uri = FileUri(path=source) if isinstance(source, Path) else parse_source_uri(source)
    # A person at a window wants to go back to what was just seen, not to see it close.
    return open_session(case, open_source(uri, hold_at_end=True))
