"""Records the run that is shown, photographs its picture, and makes a film of what was recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError
from calibration.store import make_folder
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.pictures.png import write_png
from guidance_app.rooms.live.keeping.film_work import film_into
from guidance_app.rooms.live.session_desk import SessionDesk
from guidance_app.views.language import tr
from guidance_app.views.live_view import LiveView
from guidance_app.views.picture_tool import PictureTool

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from guidance_app.live.recording.recorder import Recorder
    from guidance_app.rooms.live.guided_session import GuidedSession


class KeepingDesk(PictureTool):
    """Everything goes below one folder of this user; a full disk stops the recording, never the picture.

    Args:
        folder: where `recordings`, `pictures` and `films` are made.
        start_job: as `House.start_job`.

    Attributes:
        recording: what is being written now; None where nothing is.
        kept: the newest recording that has ended in order.
    """

    def __init__(
        self,
        view: LiveView,
        desk: SessionDesk,
        *,
        folder: Callable[[], Path],
        start_job: Callable[[Work, Callable[[Job], None]], Job],
    ) -> None:
        self._view, self._desk, self._folder, self._start_job = view, desk, folder, start_job
        self._case: Case | None = None
        self._session: GuidedSession | None = None  # that is recorded
        self._began_s = 0.0
        self.recording: Recorder | None = None
        self.kept: Path | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """A recording must be seen on the picture for as long as it lasts."""
        if self.recording is None:
            return ()
        minutes, seconds = divmod(int(time.monotonic() - self._began_s), 60)
        return (f"\u25cf {tr('RECORDING')} {minutes}:{seconds:02d}",)

    def take(self, case: Case) -> None:
        """Whose runs are shown from now on."""
        self._case = case

    def session_taken(self) -> None:
        """Another run is shown: the session before ends its recording in order by itself."""
        if self.recording is not None:
            self._ended(self.recording)

    def no_recording(self) -> str:
        """Why there is no film to make; "" where there is."""
        if self.recording is not None:
            return tr("Stop the recording first")
        return "" if self.kept is not None else tr("Nothing has been recorded yet")

    def toggle_record(self) -> str:
        """Record from now on; again: stop."""
        if self.recording is not None:
            return self._stop()
        from guidance_app.live.recording.about import about_run
        from guidance_app.live.recording.recorder import Recorder

        session, screen = self._desk.session, self._view.screen_state
        if session is None or self._case is None or screen is None or screen.frame is None:
            return self._desk.no_picture()
        path = self._named("recordings", "mcap")
        try:
            make_folder(path.parent)
            recorder = Recorder(path, about_run(self._case, screen.frame.source_id))
        except InputError as error:
            return str(error)
        session.add_witness(recorder)
        self.recording, self._session, self._began_s = recorder, session, time.monotonic()
        self._view.tools.insert(0, self)  # below what a hand works with
        self._view.update()
        return tr("Recording; the same key stops it")

    def photo(self) -> str:
        """Keep the picture as it is seen, with its words."""
        if refusal := self._desk.no_picture():
            return refusal
        path = self._named("pictures", "png")
        try:
            make_folder(path.parent)
            write_png(self._view.grab().toImage(), path)
        except InputError as error:
            return str(error)
        return tr("Photo: {path}").format(path=path)

    def film(self) -> str:
        """Film and table of the newest recording, as a job."""
        if refusal := self.no_recording():
            return refusal
        assert self.kept is not None
        assert self._case is not None
        work = Work(
            words=tr("Film of {name}").format(name=self.kept.stem), run=film_into,
            out=self._folder() / "films" / self.kept.stem,
            arguments={"recording": str(self.kept), "case": str(self._case.folder)},
        )  # fmt: skip
        self._start_job(work, lambda _job: None)
        return tr("The film is made as a job; Ctrl+J shows it")

    def _stop(self) -> str:
        recorder, session = self.recording, self._session
        assert recorder is not None
        assert session is not None
        session.remove_witness(recorder)
        self._ended(recorder)
        report = recorder.report
        if report.fault:
            return f"{report.fault}; {report.path}"
        return tr("{count} frames recorded: {path}. Ctrl+E makes a film").format(count=report.frames, path=report.path)

    def _ended(self, recorder: Recorder) -> None:
        self.recording, self._session, self.kept = None, None, recorder.path
        self._view.tools.remove(self)
        self._view.update()

    def _named(self, what: str, suffix: str) -> Path:
        """By case and second; a number where two fall into one."""
        case = "run" if self._case is None else self._case.id
        stem = f"{case}-{time.strftime('%Y%m%d-%H%M%S')}"
        folder, number = self._folder() / what, 1
        path = folder / f"{stem}.{suffix}"
        while path.exists():
            number += 1
            path = folder / f"{stem}-{number}.{suffix}"
        return path
