"""Whatever is missing or odd, the window opens, says it in one line, and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from calibration.errors import InputError
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource
from guidance_app.window import run
from guidance_app.window.case_claim import CaseClaim
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.live.stand_ins import FakeRun, FakeSteps
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, screen


def without_a_model() -> FakeSteps:
    raise InputError("models: drunet-coronary.onnx is missing; install the models, or train one")


def test_settings_of_a_later_version_are_said_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qapp: QApplication
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "guidance-app" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"schema_version": 99, "rooms": {"live": {"overlay_opacity": 0.5}}, "new": [1]}))
    before, lines = path.read_bytes(), []

    def look_and_close(window: GuidanceWindow) -> None:
        def end() -> None:
            lines.extend(toast.text for toast in window.toasts.shown)
            window.close()

        QTimer.singleShot(0, end)

    run.run_house(opened=look_and_close)
    assert qapp is QApplication.instance()
    assert len(lines) == 1
    assert "later version" in lines[0]
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_model_costs_the_overlay_and_not_the_picture(qtbot: QtBot) -> None:
    source = PacedFileSource(FakeRun(frame_count=40), fps=30.0)  # type: ignore[arg-type]
    session = LiveSession(source=source, recipe=EngineRecipe(make=without_a_model, arguments={}), spare_engine=False)
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.show()
    window.show_session(session, CASE)
    session.start()
    view = window.live.widget.view

    def says_it() -> bool:
        shown = view.painted_screen
        return shown is not None and shown.frame is not None and shown.frame.index > 3 and not shown.engine_loading

    qtbot.waitUntil(says_it, timeout=60_000)
    lines = [" ".join(text.lines) for text in view.painted_texts]
    assert any("GUIDANCE NOT RUNNING" in line for line in lines)
    assert any("drunet-coronary.onnx is missing" in line for line in lines)
    assert window.live.widget.panel._state.text().endswith("Guidance not running")
    assert QApplication.activeModalWidget() is None


def test_two_windows_on_one_case_both_work_and_the_second_says_so(qtbot: QtBot, tmp_path: Path) -> None:
    case: Any = SimpleNamespace(id="case-7", kind="coronary", folder=tmp_path / "case", files={}, recordings=())
    claims = [CaseClaim(tmp_path), CaseClaim(tmp_path)]
    windows = [GuidanceWindow(claim=claim.take) for claim in claims]
    sessions = [StagedSession([screen()]), StagedSession([screen()])]
    for window, session in zip(windows, sessions, strict=True):
        qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
        window.show()
        window.show_session(session, case)
        qtbot.waitUntil(lambda session=session: session.finished)
    assert [len(window.toasts.shown) for window in windows] == [0, 1]
    assert "Another window" in windows[1].toasts.shown[0].text
    claims[0].give_back()
    assert CaseClaim(tmp_path).take(case.folder) == ""
    claims[1].give_back()


def test_where_no_claim_can_be_written_nothing_is_said(tmp_path: Path) -> None:
    claim = CaseClaim(tmp_path / "there" / "is" / "none")
    assert claim.take(tmp_path) == ""
    claim.give_back()


def test_without_opengl_the_scene_says_so_and_the_window_goes_on(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    from guidance_app.panels.pictures.scene_view import SceneView

    scene = SceneView("Heart")
    qtbot.addWidget(scene, before_close_func=lambda scene: scene.close_scene())
    unable = SimpleNamespace(
        GetSize=lambda: (0, 0), SetSize=lambda *_: None, Render=lambda: None, Finalize=lambda: None,
        GetRGBACharPixelData=lambda *_: None,
    )  # fmt: skip
    monkeypatch.setattr(scene, "_window", unable)
    scene.resize(300, 200)
    scene.show()
    scene.render_now()
    assert "OpenGL" in scene.legend
    assert scene._image is None
