"""What the network looks at belongs to one frame: it is shown on that frame, and on no other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engines.angiography.frame import Frame
from guidance_app.panels.jobs.work import Work
from guidance_app.rooms.live.attention.attention_work import ANSWER, explain_into
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import SIZE_PX, StagedSession, screen


class Jobs:
    """Does the work when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, Work, Any]] = []

    def start(self, work: Work, ended: Any) -> Any:
        job = SimpleNamespace(state="running", is_over=False)
        job.cancel = lambda: self.end(job, work, ended, "cancelled")
        self.waiting.append((job, work, ended))
        return job

    def answer(self) -> None:
        job, work, ended = self.waiting.pop()
        values = np.zeros((SIZE_PX, SIZE_PX), np.float16)
        values[40:60, 15:35] = 1.0
        work.out.mkdir(parents=True)
        np.savez(work.out / ANSWER, values=values, found=values > 0.5)
        self.end(job, work, ended, "done")

    def end(self, job: Any, _work: Work, ended: Any, state: str) -> None:
        job.state, job.is_over = state, True
        ended(job)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    jobs = Jobs()
    monkeypatch.setattr(GuidanceWindow, "start_job", lambda _window, work, ended: jobs.start(work, ended))
    return jobs


@pytest.fixture
def window(qtbot: QtBot, jobs: Jobs) -> GuidanceWindow:
    assert jobs.waiting == []
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    session = StagedSession([screen(5, state="hidden", guidance="unregistered")])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    return window


def colour_in_heat(window: GuidanceWindow) -> tuple[int, ...]:
    view = window.live.widget.view
    view.repaint()
    transform = view.view_from_frame()
    assert transform is not None
    x, y = transform.map(25.0, 50.0)
    return view.grab().toImage().pixelColor(round(x), round(y)).getRgb()[:3]  # type: ignore[return-value]


def test_it_is_shown_on_the_frame_that_was_asked_about(window: GuidanceWindow, qtbot: QtBot, jobs: Jobs) -> None:
    view, before = window.live.widget.view, colour_in_heat(window)
    qtbot.keyClick(window, Qt.Key.Key_Y)
    assert view.frozen
    assert len(jobs.waiting) == 1
    jobs.answer()
    seen = colour_in_heat(window)
    assert seen[0] > before[0] + 40
    assert seen[0] > seen[2] + 60  # amber
    assert "evidence for vessel" in window.strip.message.text()
    assert window.live.widget.attention.tool.notes
    qtbot.keyClick(window, Qt.Key.Key_Y)
    assert colour_in_heat(window) == before
    assert not view.frozen


def test_the_overlay_comes_back_with_the_next_frame(window: GuidanceWindow, qtbot: QtBot, jobs: Jobs) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Y)
    jobs.answer()
    place = window.live.widget
    assert place.attention.tool.hides_overlay
    place.desk.freeze()
    place.view.show_screen(screen(6))
    place.attention.see(screen(6))
    assert not place.attention.tool.hides_overlay
    assert place.attention.tool.notes == ()
    assert place.attention.tool not in place.view.tools


def test_an_answer_for_a_frame_that_is_gone_is_not_shown(window: GuidanceWindow, qtbot: QtBot, jobs: Jobs) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Y)
    window.live.widget.view.show_screen(screen(6))
    jobs.answer()
    assert not window.live.widget.attention.tool.shows
    assert not window.live.widget.view.frozen


def test_the_same_key_ends_the_wait(window: GuidanceWindow, qtbot: QtBot, jobs: Jobs) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Y)
    job = jobs.waiting[0][0]
    qtbot.keyClick(window, Qt.Key.Key_Y)
    assert job.state == "cancelled"
    assert not window.live.widget.view.frozen


def test_the_real_network_answers_for_a_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    pixels = (150 + 6 * rng.standard_normal((256, 256))).astype(np.uint8)
    pixels[:, 118:126] -= 70
    told: list[str] = []
    explain_into(
        tmp_path, lambda stage, _share: told.append(stage), frame=Frame(pixels=pixels, kind="fluoro"), kind="coronary",
        field_of_view="upper",
    )  # fmt: skip
    with np.load(tmp_path / ANSWER) as answer:
        assert answer["values"].shape == (256, 256)
        assert float(answer["values"].min()) >= 0.0
        assert float(answer["values"].max()) <= 1.0
        assert str(answer["network"]) == "coronary"
    assert told[0] == "loading the network"
