"""Asks what the network looks at on the frame that is seen, and shows it there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engines.angiography.frame import Frame
from guidance_app.live.guidance import ScreenState
from guidance_app.panels.action import Action
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.scratch import scratch_folder
from guidance_app.rooms.live.attention.attention_tool import AttentionTool
from guidance_app.rooms.live.attention.attention_work import ANSWER, explain_into
from guidance_app.rooms.live.session_desk import SessionDesk
from guidance_app.views.language import tr
from guidance_app.views.live_view import LiveView

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case

_WHAT_IS_SEEN = "Bright: evidence for vessel. Line: what the network called vessel. No model is shown"
_NOTHING_FOUND = "The network found no vessel on this frame"


class AttentionDesk:
    """The picture is held while the answer is computed and shown, since it belongs to one frame.

    Args:
        desk: freezes the picture and lets it go on.
        start_job: as `House.start_job`.
        say: shows a line.
    """

    def __init__(
        self,
        view: LiveView,
        desk: SessionDesk,
        start_job: Callable[[Work, Callable[[Job], None]], Job],
        say: Callable[[str], None],
    ) -> None:
        self._view, self._desk, self._start_job, self._say = view, desk, start_job, say
        self._case: Case | None = None
        self._job: Job | None = None
        self._froze = False
        self.tool = AttentionTool()

    def take(self, case: Case) -> None:
        self._case = case
        self._end()

    def action(self) -> Action:
        return Action(
            id="live.attention", words=tr("What the network looks at, again: back"), keys=("Y",), press=self.toggle,
            refusal=self._desk.no_picture, tip=tr("Grad-CAM of this frame; the picture is held meanwhile."),
        )  # fmt: skip

    def see(self, screen: ScreenState) -> None:
        """Another frame is seen: what was asked about is gone."""
        if self.tool.shows and not self.tool.is_on(screen.frame):
            self._take_off()
            self._froze = False

    def toggle(self) -> str:
        if self.tool.shows or self._job is not None:
            self._end()
            return ""
        screen = self._view.screen_state
        if screen is None or screen.frame is None or self._case is None:
            return tr("No picture yet")
        self._froze = not self._desk.frozen
        if self._froze:
            self._desk.freeze()
        frame = screen.frame
        folder = scratch_folder("attention")
        work = Work(
            words=tr("What the network looks at"), run=explain_into, out=folder / "answer",
            arguments={"frame": frame, "kind": self._case.kind, "field_of_view": self._case.field_of_view},
        )  # fmt: skip
        job = self._start_job(work, lambda job: self._answered(job, frame, folder))
        self._job = None if job.is_over else job
        return "" if job.is_over else tr("Asking the network; the picture is held")

    def close(self) -> None:
        """Twice is harmless."""
        if self._job is not None:
            self._job.cancel()
        self._job = None

    def _answered(self, job: Job, frame: Frame, folder: Path) -> None:
        if job is self._job:
            self._job = None
        screen = self._view.screen_state
        try:
            if job.state != "done" or screen is None or screen.frame is None or screen.frame.index != frame.index:
                self._let_go()
                return
            with np.load(folder / "answer" / ANSWER) as answer:
                self.tool.show(frame, answer["values"], answer["found"])
                found = bool(answer["found"].any())
            self._view.tools.append(self.tool)
            self._say(tr(_WHAT_IS_SEEN if found else _NOTHING_FOUND))
            self._view.update()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _end(self) -> None:
        self.close()
        self._take_off()
        self._let_go()
        self._view.update()

    def _take_off(self) -> None:
        self.tool.end()
        if self.tool in self._view.tools:
            self._view.tools.remove(self.tool)

    def _let_go(self) -> None:
        if self._froze and self._desk.frozen:
            self._desk.freeze()
        self._froze = False
