"""Command `gui`: the window, for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.anatomy.case import Case
    from guidance_app.live.session import LiveSession


def add_to(app: typer.Typer) -> None:
    @app.command("gui")
    def gui(
        case: str = typer.Option("", help="Folder of a case, or evt, tavi, coronary; without it you choose one."),
        source: str = typer.Option("", help="Source URI (file:PATH[?fps=F&loop=1]); default: the case's recordings."),
    ) -> None:
        """Open the window on a case."""
        from guidance_app.views.run import application

        app = application(headless=False)  # held until the end: Qt goes with it
        opened = _load(case) if case else _ask()
        if opened is not None:
            _show(opened, source)
        app.quit()


def _load(name: str) -> Case:
    from engines.anatomy.case import load_case

    return load_case(name)


def _ask() -> Case | None:
    """Let the person choose; None where they close the room."""
    from PyQt6.QtCore import QEventLoop

    from guidance_app.settings import load_settings
    from guidance_app.views.welcome import WelcomeRoom

    loop = QEventLoop()
    chosen: list[Case] = []

    def choose(name: str) -> str:
        try:
            chosen.append(_load(name))
        except GuidanceError as error:
            return str(error)
        loop.quit()
        return ""

    room = WelcomeRoom(choose, last_case=load_settings().last_case)
    room.on_closed = loop.quit
    room.show()
    loop.exec()
    room.close()
    return chosen[0] if chosen else None


def _show(case: Case, source: str) -> None:
    from guidance_app.views.run import run_window

    if source:
        run_window(_session(case, source), case=case, headless=False, title=f"Case {case.id}")
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
    from guidance_app.live.opening import open_session
    from guidance_app.sources.uri import FileUri, open_source, parse_source_uri

    uri = FileUri(path=source) if isinstance(source, Path) else parse_source_uri(source)
    # A person at a window wants to go back to what was just seen, not to see it close.
    return open_session(case, open_source(uri, hold_at_end=True))
