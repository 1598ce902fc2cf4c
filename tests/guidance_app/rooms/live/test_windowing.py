"""Window and level by keys and presets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engines.angiography.frame import Frame
from guidance_app.views import windowing
from guidance_app.views.windowing import WindowLevel
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, frame, screen

SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
Key = Qt.Key


def ramp(**changes: object) -> Frame:
    values = np.linspace(20, 219, 100).astype(np.uint8)
    return replace(frame(), pixels=np.tile(values, (100, 1)), window_center=None, window_width=None, **changes)


@pytest.fixture
def window(qtbot: QtBot) -> GuidanceWindow:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    session = StagedSession([screen(0, frame=ramp())])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    return window


def level(window: GuidanceWindow) -> WindowLevel:
    found = window.live.widget.view.window_level
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "center", "width"),
    [(Key.Key_Up, -1, 0), (Key.Key_Down, 1, 0), (Key.Key_Right, 0, 1), (Key.Key_Left, 0, -1)],
)
def test_arrows_with_shift_step_coarsely_and_with_ctrl_finely(
    qtbot: QtBot, window: GuidanceWindow, key: Qt.Key, center: int, width: int
) -> None:
    for held, step in ((SHIFT, 0.02 * 256), (CTRL, 0.0025 * 256)):
        before = level(window)
        qtbot.keyClick(window, key, held)
        after = level(window)
        assert after.center - before.center == pytest.approx(center * step)
        assert after.width - before.width == pytest.approx(width * step)
    assert window.strip.message.text() == f"W {level(window).width:.0f}  L {level(window).center:.0f}"


def test_brighter_is_brighter(qtbot: QtBot, window: GuidanceWindow) -> None:
    view = window.live.widget.view
    before = view.shown_grey().astype(float).mean()
    qtbot.keyClick(window, Key.Key_Up, SHIFT)
    assert view.shown_grey().astype(float).mean() > before


def test_presets_come_one_after_the_other_and_keep_an_inversion(qtbot: QtBot, window: GuidanceWindow) -> None:
    presets = windowing.presets_of(ramp())
    qtbot.keyClick(window, Key.Key_I)
    seen = []
    for _ in range(4):
        qtbot.keyClick(window, Key.Key_W, CTRL)
        seen.append(level(window))
    assert all(one.inverted for one in seen)
    wanted = [replace(presets[name], inverted=True) for name in ("whole", "most", "vessels", "header")]
    assert seen == wanted
    qtbot.keyClick(window, Key.Key_Up, SHIFT)  # a window of one's own
    qtbot.keyClick(window, Key.Key_W, CTRL)
    assert level(window) == replace(presets["header"], inverted=True)


def test_the_vessels_half_is_the_dark_one_unless_they_are_bright() -> None:
    dark, bright = windowing.presets_of(ramp())["vessels"], windowing.presets_of(ramp(vessels_bright=True))["vessels"]
    assert dark.center + dark.width / 2 == pytest.approx(20 + 0.6 * 199, abs=6)
    assert bright.center - bright.width / 2 == pytest.approx(20 + 0.4 * 199, abs=6)


def test_a_flat_picture_has_presets_too() -> None:
    for preset in windowing.presets_of(frame(window_center=None, window_width=None)).values():
        assert preset.width >= 2.0


def test_without_a_picture_it_says_so(qtbot: QtBot) -> None:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.show()
    window.go_to("live")
    for key, held in ((Key.Key_W, CTRL), (Key.Key_Up, SHIFT)):
        qtbot.keyClick(window, key, held)
        assert window.strip.message.text() == "No picture yet"
