"""Masks, their shift, peak opacification and roadmap, by keys, in the window."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from pytestqt.qtbot import QtBot

from engines.angiography.frame import Frame
from engines.angiography.patient_mark import mark_of
from guidance_app.live.guidance import ScreenState
from guidance_app.panels.pictures.annotated_video import pixels_of
from guidance_app.views import palette
from guidance_app.window.window import GuidanceWindow
from tests.engines.angiography.roadmaps.injected import AMOUNTS, SIZE_PX, frame, geometry, run, tree
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, overlay, screen

Key, Held = Qt.Key, Qt.KeyboardModifier
NEXT = len(AMOUNTS)
PATIENCE_MS = 30_000  # a busy machine takes seconds for a search
SEEN = 0.5  # of the vessels' pixels: words on plates cover some of the others


class WatchedSession(StagedSession):
    """Tells its witnesses of each frame, as a running session does."""

    def screen(self) -> ScreenState:
        shown = super().screen()
        if shown.frame is not None and shown.frame is not getattr(self, "_told", None):
            self._told = shown.frame
            for witness in self.witnesses:
                witness.frame(shown.frame)
        return shown


def state(one: Frame, **changes: object) -> ScreenState:
    hidden = {"state": "hidden", "guidance": "unregistered", "result": None, "frames_total": None}
    return screen(one.index, **{**hidden, "frame": one, **changes})  # pyright: ignore[reportArgumentType] - any state


@pytest.fixture
def window(qtbot: QtBot) -> GuidanceWindow:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    return window


def shown(qtbot: QtBot, window: GuidanceWindow, frames: list[Frame], case=CASE) -> WatchedSession:
    session = WatchedSession([state(one) for one in frames])
    window.show_session(session, case)
    window.go_to("live")
    qtbot.waitUntil(lambda: session.finished, timeout=PATIENCE_MS)
    caught_up(qtbot, window, len(frames))
    return session


def caught_up(qtbot: QtBot, window: GuidanceWindow, frames: int) -> None:
    watcher = window.live.widget.contrast._watcher
    assert watcher is not None
    qtbot.waitUntil(lambda: watcher.seen.frames >= frames, timeout=PATIENCE_MS)


def then(qtbot: QtBot, window: GuidanceWindow, session: WatchedSession, one: Frame, **changes: object) -> None:
    """This frame comes next, and has been looked at."""
    session._screens.append(state(one, **changes))
    desk = window.live.widget.contrast
    qtbot.waitUntil(lambda: session.painted_screens[-1].frame is one, timeout=PATIENCE_MS)
    watcher = desk._watcher
    assert watcher is not None
    if desk.roadmap.held is not None and desk.roadmap.state.standing not in ("other view", "other size", "off"):
        qtbot.waitUntil(lambda: watcher.check is not None and watcher.check.frame is one, timeout=PATIENCE_MS)
        qtbot.wait(40)  # two turns of the window's timer


def press(qtbot: QtBot, window: GuidanceWindow, key: Qt.Key, held: Qt.KeyboardModifier = Held.NoModifier) -> str:
    qtbot.keyClick(window, key, held)
    return window.strip.message.text()


def words(window: GuidanceWindow, *roles: str) -> str:
    view = window.live.widget.view
    view.repaint()
    return " ".join(line for text in view.painted_texts if text.role in roles for line in text.lines)


def pink(window: GuidanceWindow) -> float:
    """Share of the vessels' pixels that are as pink as the roadmap; beside them none may be."""
    view = window.live.widget.view
    view.repaint()
    image = view.grab().toImage()
    pixels = pixels_of(image, (image.width(), image.height()))[..., 2::-1].astype(float)
    transform = view.view_from_frame()
    assert transform is not None
    rows, columns = np.mgrid[24 : SIZE_PX - 24 : 2, 24 : SIZE_PX - 24 : 2]
    at = [transform.map(column + 0.5, row + 0.5) for row, column in zip(rows.ravel(), columns.ravel(), strict=True)]
    ratio = image.width() / view.width()
    found = np.array([pixels[int(y * ratio), int(x * ratio)] for x, y in at])
    is_pink = (found[:, 0] - found[:, 1] > 12) & (found[:, 2] - found[:, 1] > 8)
    there = tree()[rows.ravel(), columns.ravel()]
    assert not is_pink[there < 0.005].mean() > 0.01
    return float(is_pink[there > 0.8].mean())


def with_roadmap(qtbot: QtBot, window: GuidanceWindow) -> WatchedSession:
    session = shown(qtbot, window, run())
    assert press(qtbot, window, Key.Key_R, Held.ShiftModifier).startswith("Roadmap of the last injection")
    qtbot.waitUntil(lambda: window.live.widget.contrast.roadmap.state.standing == "held", timeout=PATIENCE_MS)
    return session


def test_the_roadmap_lies_over_later_pictures_and_says_what_it_is_and_how_old(
    qtbot: QtBot, window: GuidanceWindow
) -> None:
    session = with_roadmap(qtbot, window)
    now_ns = window.live.widget.contrast._clock_ns()
    made = window.live.widget.contrast.roadmap.held
    assert made is not None
    old = replace(made.roadmap, frame=replace(made.roadmap.frame, received_ns=now_ns - 40 * 10**9))
    watcher = window.live.widget.contrast._watcher
    assert watcher is not None
    watcher.made = replace(made, roadmap=old)
    qtbot.waitUntil(lambda: window.live.widget.contrast.roadmap.held is watcher.made, timeout=PATIENCE_MS)
    then(qtbot, window, session, frame(NEXT))
    assert pink(window) > SEEN
    assert "ROADMAP frames 7 to" in words(window, "note")
    assert re.search(r"[45]\d s old", words(window, "note"))
    corner = words(window, "corner")
    assert re.search(r"Contrast not needed: roadmap is [45]\d s old", corner)
    assert f"Injections 1, frames {NEXT + 1}" in corner
    assert press(qtbot, window, Key.Key_R, Held.ShiftModifier) == "Roadmap off"
    assert pink(window) == 0.0
    assert session.asked == [], "guidance was told of something that is for the eye alone"


@pytest.mark.parametrize(
    "changes", [{"primary_rad": 0.52}, {"table_mm": (0.0, 4.0, 0.0)}, {"sid_mm": 1080.0}, {"column_spacing_mm": 0.5}]
)
def test_a_roadmap_of_another_view_is_not_painted_and_the_picture_says_so(
    qtbot: QtBot, window: GuidanceWindow, changes: dict[str, object]
) -> None:
    session = with_roadmap(qtbot, window)
    assert pink(window) > SEEN
    other = frame(NEXT, geometry=geometry(**changes))
    then(qtbot, window, session, other)
    qtbot.waitUntil(lambda: "ROADMAP HIDDEN" in words(window, "note"), timeout=PATIENCE_MS)
    assert pink(window) == 0.0
    assert "Contrast not needed" not in words(window, "corner")
    then(qtbot, window, session, frame(NEXT + 1))
    qtbot.waitUntil(lambda: window.live.widget.contrast.roadmap.state.standing == "held", timeout=PATIENCE_MS)
    assert pink(window) > SEEN, "the C-arm is back"


def test_a_picture_that_has_moved_hides_the_roadmap_until_it_is_moved_too(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = with_roadmap(qtbot, window)
    then(qtbot, window, session, frame(NEXT, shift_px=(0.0, 6.0)))
    qtbot.waitUntil(lambda: "picture moved by 6 px" in words(window, "note"), timeout=PATIENCE_MS)
    assert pink(window) == 0.0
    assert press(qtbot, window, Key.Key_E, Held.ShiftModifier).startswith("Roadmap ")
    assert window.live.widget.contrast.roadmap.shift_px == pytest.approx((0.0, 6.0), abs=0.5)
    assert "ROADMAP frames" in words(window, "note")
    assert press(qtbot, window, Key.Key_Home, Held.AltModifier) == "Roadmap not shifted"
    assert "ROADMAP HIDDEN" in words(window, "note")


def test_another_patient_never_sees_it(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = with_roadmap(qtbot, window)
    then(qtbot, window, session, frame(NEXT), patient="other")
    assert pink(window) == 0.0
    assert "ROADMAP HIDDEN: another patient" in words(window, "note")
    shown(qtbot, window, run((0.0,) * 8), SimpleNamespace(**{**vars(CASE), "id": "case-8"}))
    assert window.live.widget.contrast.roadmap.held is None
    assert press(qtbot, window, Key.Key_R, Held.ShiftModifier) == "No injection has been seen yet"


def test_it_outlives_its_run_and_names_it(qtbot: QtBot, window: GuidanceWindow) -> None:
    with_roadmap(qtbot, window)
    shown(qtbot, window, [frame(index, source_id="run2") for index in range(6)])
    qtbot.waitUntil(lambda: window.live.widget.contrast.roadmap.state.standing == "held", timeout=PATIENCE_MS)
    assert pink(window) > SEEN
    assert "ROADMAP run1 frames 7 to" in words(window, "note")
    assert window.live.widget.contrast.counts == (1, NEXT + 6)


def test_masks_are_proposed_from_before_contrast_and_taken_anew(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = shown(qtbot, window, run(AMOUNTS[:9]))
    pixels = session.screen().frame.pixels  # pyright: ignore[reportOptionalMemberAccess]
    before = pixels.copy()
    assert press(qtbot, window, Key.Key_M, Held.ShiftModifier).startswith("Mask: mean of frames 3 to 5")
    assert "SUBTRACTED, mask 3 to 5" in words(window, "note")
    assert "Mask not shifted" in words(window, "corner")
    for number in range(NEXT, NEXT + 8):
        then(qtbot, window, session, frame(number))
    caught_up(qtbot, window, 17)
    told = press(qtbot, window, Key.Key_M, Held.ShiftModifier)
    assert told.startswith(f"Mask: mean of frames {NEXT + 6} to {NEXT + 8}")
    assert press(qtbot, window, Key.Key_M) == "Mask off"
    assert press(qtbot, window, Key.Key_M).startswith(f"Mask: frame {NEXT + 8}")
    np.testing.assert_array_equal(pixels, before)


def test_the_mask_is_shifted_by_keys_finely_and_coarsely_and_back(qtbot: QtBot, window: GuidanceWindow) -> None:
    shown(qtbot, window, run(AMOUNTS[:9]))
    assert "No mask" in press(qtbot, window, Key.Key_Right, Held.AltModifier)
    press(qtbot, window, Key.Key_M, Held.ShiftModifier)
    fine = Held.AltModifier | Held.ShiftModifier
    for key, held, told in (
        (Key.Key_Right, fine, "Mask 0.1 px right"), (Key.Key_Down, fine, "Mask 0.1 px right, 0.1 px down"),
        (Key.Key_Left, Held.AltModifier, "Mask 0.9 px left, 0.1 px down"),
        (Key.Key_Up, Held.AltModifier, "Mask 0.9 px left, 0.9 px up"),
        (Key.Key_Home, Held.AltModifier, "Mask not shifted"),
    ):  # fmt: skip
        assert press(qtbot, window, key, held) == told
    change = window.live.widget.view.change
    assert change is not None
    assert change.shift_px == (0.0, 0.0)


def test_the_shift_is_found_beside_the_picture(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = shown(qtbot, window, run(AMOUNTS[:9]))
    press(qtbot, window, Key.Key_M, Held.ShiftModifier)
    then(qtbot, window, session, frame(9, amount=0.8, shift_px=(1.4, -2.2)))
    assert press(qtbot, window, Key.Key_E, Held.ShiftModifier) == "Looking for the shift of the mask"
    qtbot.waitUntil(lambda: window.live.widget.view.change.shift_px != (0.0, 0.0), timeout=PATIENCE_MS)  # pyright: ignore[reportOptionalMemberAccess]
    assert window.live.widget.view.change.shift_px == pytest.approx((1.4, -2.2), abs=0.11)  # pyright: ignore[reportOptionalMemberAccess]
    assert window.strip.message.text() == "Mask 2.2 px left, 1.4 px down"


def test_anatomy_comes_back_by_keys(qtbot: QtBot, window: GuidanceWindow) -> None:
    shown(qtbot, window, run(AMOUNTS[:9]))
    assert "No mask" in press(qtbot, window, Key.Key_PageUp, Held.AltModifier)
    press(qtbot, window, Key.Key_M, Held.ShiftModifier)
    assert press(qtbot, window, Key.Key_PageUp, Held.AltModifier) == "Anatomy 10 %"
    assert "anatomy 10 %" in words(window, "corner")
    told = [press(qtbot, window, Key.Key_PageUp, Held.AltModifier) for _ in range(12)]
    assert told[-1] == "Anatomy 100 %"
    told = [press(qtbot, window, Key.Key_PageDown, Held.AltModifier) for _ in range(12)]
    assert told[-1] == "Anatomy 0 %"


def test_a_mask_of_another_view_is_not_subtracted_and_the_picture_says_so(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = shown(qtbot, window, run(AMOUNTS[:9]))
    press(qtbot, window, Key.Key_M, Held.ShiftModifier)
    other = frame(9, geometry=geometry(primary_rad=0.7))
    then(qtbot, window, session, other)
    assert "NOT SUBTRACTED: the mask is of another view" in words(window, "note")
    assert window.live.widget.view.shown_frame is other


def test_peak_opacification_is_marked_as_no_live_picture_and_carries_no_overlay(
    qtbot: QtBot, window: GuidanceWindow
) -> None:
    session = shown(qtbot, window, run())
    then(qtbot, window, session, frame(NEXT), state="valid", guidance="accepted", overlay=overlay(NEXT))
    view = window.live.widget.view
    assert press(qtbot, window, Key.Key_Q) == "All that the injection has filled, in one picture"
    assert "PEAK OPACIFICATION NOT LIVE, frames 7 to 1" in words(window, "badge")
    held = window.live.widget.contrast.seen.injection
    assert held is not None
    assert view.shown_frame is held.peak
    image = view.grab().toImage()
    pixels = pixels_of(image, (image.width(), image.height()))[..., 2::-1].astype(int)
    cyan = QColor(palette.VALID)
    assert not (np.abs(pixels - (cyan.red(), cyan.green(), cyan.blue())).sum(axis=-1) < 30).any()
    assert press(qtbot, window, Key.Key_Q) == "Back to the frames"
    assert "PEAK" not in words(window, "badge")
    assert view.shown_frame is session.screen().frame


def test_what_makes_no_sense_on_a_subtracted_run_is_off_with_its_reason(qtbot: QtBot, window: GuidanceWindow) -> None:
    shown(qtbot, window, [replace(one, kind="dsa") for one in run((0.0,) * 6)])
    assert press(qtbot, window, Key.Key_M) == "This run is subtracted already"
    assert press(qtbot, window, Key.Key_M, Held.ShiftModifier) == "This run is subtracted already"
    assert "subtracted already" in press(qtbot, window, Key.Key_E, Held.ShiftModifier)
    assert "anatomy is not known" in press(qtbot, window, Key.Key_PageUp, Held.AltModifier)
    assert press(qtbot, window, Key.Key_Q) == "No injection has been seen in this run"
    assert press(qtbot, window, Key.Key_R, Held.ShiftModifier) == "No injection has been seen yet"
    assert window.live.widget.view.change is None


def test_a_view_whose_angles_nobody_states_is_marked_as_unchecked(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = with_roadmap(qtbot, window)
    then(qtbot, window, session, frame(NEXT, geometry=None, patient=mark_of("A")))
    qtbot.waitUntil(lambda: "the source states no angles" in words(window, "note"), timeout=PATIENCE_MS)
    assert "Contrast not needed" not in words(window, "corner")
