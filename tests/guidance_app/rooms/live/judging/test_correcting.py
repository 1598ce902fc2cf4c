"""Handles and keys move a draft, pairs make one, undo and redo go back and forth; only proposing tells guidance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, QRectF, Qt
from pytestqt.qtbot import QtBot

from calibration.pose import RigidPose
from guidance_app.live.guidance_state import Weak
from guidance_app.rooms.live.judging.hand_history import History
from guidance_app.rooms.live.judging.handles import WORDS, dragged, handle_at, kept_inside, place_of
from guidance_app.rooms.live.judging.judged_model import JudgedModel
from tests.guidance_app.live.stand_ins import registration
from tests.guidance_app.mouse import move_mouse
from tests.guidance_app.rooms.live.judging.judging_bench import JudgingBench, branch, judged_screen
from tests.guidance_app.views.staging import geometry, screen

_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
_PIVOT = np.zeros((1, 3))


@pytest.fixture
def bench(qtbot: QtBot) -> JudgingBench:
    made = JudgingBench(qtbot, branch("LAD", 2.0))
    made.open()
    return made


def _shown_px(pose: RigidPose | None) -> np.ndarray:
    """Where the model's middle is shown."""
    assert pose is not None
    return geometry().projection(pose).project(_PIVOT)[0][0]


def _badge(bench: JudgingBench) -> str:
    bench.place.view.repaint()
    return " ".join(next(text.lines for text in bench.place.view.painted_texts if text.role == "badge"))


# Keys


def test_keys_shift_and_turn_the_draft_and_shift_makes_them_fine(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    start = _shown_px(bench.desk.hand.pose)
    step_px = 1.0 / geometry().isocentre_mm_per_px
    bench.press(Qt.Key.Key_Right)
    assert _shown_px(bench.desk.hand.pose) - start == pytest.approx([step_px, 0.0], abs=0.02)
    bench.press(Qt.Key.Key_Up, _SHIFT)
    assert _shown_px(bench.desk.hand.pose) - start == pytest.approx([step_px, -0.2 * step_px], abs=0.02)
    before = bench.desk.hand.pose
    bench.press(Qt.Key.Key_Right, _CTRL)
    bench.press(Qt.Key.Key_PageUp)
    after = bench.desk.hand.pose
    assert before is not None
    assert after is not None
    turned = np.trace(after.rotation @ before.rotation.T)
    assert np.arccos((turned - 1.0) / 2.0) == pytest.approx(np.deg2rad(1.0), abs=1e-6)
    assert np.linalg.norm(after.translation_mm - before.translation_mm) == pytest.approx(5.0, abs=0.2)
    assert bench.session.placed == [], "nothing is told to guidance before it is proposed"


def test_while_correcting_arrows_are_the_hand_s_and_afterwards_the_run_s(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    bench.press(Qt.Key.Key_Right)
    assert "step 1" not in bench.session.asked
    bench.press(Qt.Key.Key_Escape)
    assert bench.desk.hand.mode == "off"
    assert not bench.place.view.raw
    bench.press(Qt.Key.Key_Right)
    assert bench.session.asked[-1] == "step 1"


def test_undo_and_redo_walk_through_the_steps(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    poses = [bench.desk.hand.pose]
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Down):
        bench.press(key)
        poses.append(bench.desk.hand.pose)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert bench.desk.hand.pose is poses[1]
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert bench.desk.hand.pose is poses[0]
    assert bench.press(Qt.Key.Key_Z, _CTRL) == "Nothing to undo"
    bench.press(Qt.Key.Key_Y, _CTRL)
    bench.press(Qt.Key.Key_Z, _CTRL | _SHIFT)
    assert bench.desk.hand.pose is poses[2]
    assert bench.press(Qt.Key.Key_Y, _CTRL) == "Nothing to redo"


# Proposing


def test_enter_proposes_and_does_not_accept(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    bench.press(Qt.Key.Key_Right)
    pose = bench.desk.hand.pose
    bench.press(Qt.Key.Key_Return)
    assert bench.session.placed == [pose]
    assert "accept" not in bench.session.asked
    assert bench.session.asked[-1].startswith("place: handles; 1.0 mm in the plane")
    assert bench.desk.hand.mode == "off"


def test_what_was_proposed_can_be_taken_back(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    bench.press(Qt.Key.Key_Right)
    bench.press(Qt.Key.Key_Return)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert bench.session.asked[-1] == "withdraw"
    assert bench.press(Qt.Key.Key_Z, _CTRL) == "Nothing to undo"


def test_one_key_proposes_and_registers_from_there(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    bench.press(Qt.Key.Key_Right)
    bench.press(Qt.Key.Key_G)
    assert bench.session.asked[-2].startswith("place: ")
    assert bench.session.asked[-1] == "register"


def test_the_draft_is_judged_and_drawn_as_unverified_in_place_of_the_overlay(bench: JudgingBench) -> None:
    asked = len(bench.model.asked)
    bench.press(Qt.Key.Key_P)
    bench.press(Qt.Key.Key_Right)
    bench.qtbot.waitUntil(lambda: len(bench.model.asked) > asked and bench.model.asked[-1] is bench.desk.hand.pose)
    assert _badge(bench) == "BY HAND UNVERIFIED"
    assert bench.place.view.tools[-1].hides_overlay


def test_correcting_opens_judging_by_itself(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, branch("LAD", 2.0))
    bench.press(Qt.Key.Key_P)
    qtbot.waitUntil(lambda: bench.desk.hand.mode == "handles")
    assert bench.panel.isVisible()


def test_a_changed_view_ends_what_was_not_proposed(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    shown = judged_screen()
    assert shown.frame is not None
    turned = replace(shown, frame=replace(shown.frame, geometry=geometry(primary_rad=0.1)))
    bench.desk.see(turned, cast(Any, bench.session))
    assert bench.desk.hand.mode == "off"
    assert bench.session.placed == []


def test_without_c_arm_angles_there_is_nothing_to_correct(qtbot: QtBot) -> None:
    shown = screen(guidance="unregistered", state="hidden")
    assert shown.frame is not None
    bench = JudgingBench(qtbot, shown=replace(shown, frame=replace(shown.frame, geometry=None)))
    assert "C-arm angles" in bench.press(Qt.Key.Key_P)


def test_without_any_pose_the_header_s_is_the_start(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, shown=screen(guidance="unregistered", state="hidden", paused=True))
    bench.session.registration = None
    bench.press(Qt.Key.Key_P)
    qtbot.waitUntil(lambda: bench.desk.hand.mode == "handles")
    assert _shown_px(bench.desk.hand.pose) == pytest.approx([49.5, 49.5])


# Handles


def test_a_handle_is_dragged_with_the_mouse(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    view = bench.place.view
    view.repaint()
    start = _shown_px(bench.desk.hand.pose)
    to_view = view.view_from_frame()
    assert to_view is not None
    middle = to_view.map(QPointF(start[0] + 0.5, start[1] + 0.5))
    grip = place_of("across", middle).toPoint()
    bench.qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=grip)
    move_mouse(view, grip + QPoint(20, 9), held=Qt.MouseButton.LeftButton)
    bench.qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=grip + QPoint(40, 9))
    moved = _shown_px(bench.desk.hand.pose) - start
    assert moved == pytest.approx([40.0 / to_view.m11(), 0.0], abs=0.05)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert _shown_px(bench.desk.hand.pose) == pytest.approx(start), "a drag is one step"


def test_beside_the_handles_the_mouse_windows_as_ever(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    view = bench.place.view
    view.repaint()
    before = view.window_level
    corner = bench.at(3.0, 96.0)
    bench.qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=corner)
    move_mouse(view, corner + QPoint(30, 0), held=Qt.MouseButton.LeftButton)
    bench.qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=corner + QPoint(30, 0))
    assert view.window_level != before


def test_every_handle_has_its_place_its_words_and_moves_one_thing() -> None:
    middle = QPointF(300.0, 300.0)
    assert len(WORDS) == 7
    for handle in WORDS:
        at = place_of(handle, middle)
        assert handle_at(at, middle) == handle
        away = at + QPointF(10.0, -4.0)
        nudge = dragged(handle, at, away, middle, 0.5, fine=False)
        fine = dragged(handle, at, away, middle, 0.5, fine=True)
        values = np.array([*nudge.shift_mm, *nudge.turn_rad])
        assert np.count_nonzero(values) == (2 if handle == "plane" else 1)
        assert np.array([*fine.shift_mm, *fine.turn_rad]) == pytest.approx(0.2 * values)
    assert handle_at(QPointF(150.0, 150.0), middle) is None


def test_handles_stay_within_the_picture() -> None:
    area = QRectF(0.0, 0.0, 600.0, 500.0)
    middle = kept_inside(QPointF(-400.0, 900.0), area)
    assert all(area.contains(place_of(handle, middle)) for handle in WORDS)


# Landmark pairs


def _set_pair(bench: JudgingBench, point: tuple[float, float], place: tuple[float, float]) -> None:
    bench.click(*point)
    bench.click(*place)


class _FlatModel:
    """Model points lie where they are clicked, at three depths, so that pairs are never on one line."""

    pivot_mm = np.zeros(3)

    def __init__(self, staged: Any) -> None:
        self._staged = staged
        self.picked: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._staged, name)

    def nearest_place(self, pose, view, at_px):
        depth = view.sod_mm + (-15.0, 5.0, 15.0, -5.0)[len(self.picked) % 4]
        point = view.projection(pose).back_project(np.array([at_px]), np.array([depth]))[0]
        self.picked.append(point)
        return replace(self._staged.nearest_place(pose, view, at_px), point_lps_mm=point)


@pytest.fixture
def pairs_bench(bench: JudgingBench) -> JudgingBench:
    bench.desk.model = cast(JudgedModel, _FlatModel(bench.model))
    bench.press(Qt.Key.Key_L)
    return bench


_CORNERS = ((20.0, 25.0), (80.0, 30.0), (30.0, 80.0), (75.0, 75.0))


def test_three_pairs_move_the_model_and_its_residuals_are_told(pairs_bench: JudgingBench) -> None:
    bench = pairs_bench
    start = _shown_px(bench.desk.hand.pose)
    for number, (column, row) in enumerate(_CORNERS[:3]):
        assert bench.desk.hand.tool.residuals_mm is None
        _set_pair(bench, (column, row), (column + 6.0, row - 4.0))
        told = bench.panel.status.text()
        assert ("of at least 3 pairs" in told) == (number < 2)
    assert "3 pairs, worst" in bench.panel.status.text()
    assert "a fourth tells" in bench.panel.status.text()
    assert _shown_px(bench.desk.hand.pose) - start == pytest.approx([6.0, -4.0], abs=1.0)
    residuals = bench.desk.hand.tool.residuals_mm
    assert residuals is not None
    assert residuals.shape == (3,)
    bench.press(Qt.Key.Key_Return)
    assert bench.session.asked[-1].startswith("place: 3 landmark pairs, worst ")


def test_fewer_than_three_pairs_leave_the_pose_and_say_how_many_are_missing(pairs_bench: JudgingBench) -> None:
    bench = pairs_bench
    start = _shown_px(bench.desk.hand.pose)
    _set_pair(bench, _CORNERS[0], (30.0, 30.0))
    assert "1 of at least 3 pairs" in bench.panel.status.text()
    assert _shown_px(bench.desk.hand.pose) == pytest.approx(start)


def test_a_pair_that_disagrees_is_named_and_undo_takes_it_back(pairs_bench: JudgingBench) -> None:
    bench = pairs_bench
    for column, row in _CORNERS[:3]:
        _set_pair(bench, (column, row), (column + 2.0, row))
    before = _shown_px(bench.desk.hand.pose)
    _set_pair(bench, _CORNERS[3], (20.0, 20.0))
    told = bench.panel.status.text()
    assert "disagree" in told or "turn the model" in told
    assert "\n" not in told
    assert _shown_px(bench.desk.hand.pose) == pytest.approx(before), "the pose stays that of the pairs before"
    bench.press(Qt.Key.Key_Z, _CTRL)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert len(bench.desk.hand.tool.places_px) == 3


def test_a_click_beside_the_model_sets_nothing(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_L)
    bench.desk.model = cast(JudgedModel, _Far(bench.model))
    bench.click(30.0, 30.0)
    assert "nearer to the model" in bench.panel.status.text()
    assert bench.desk.hand.no_undo() == "Nothing to undo"


class _Far(_FlatModel):
    def nearest_place(self, pose, view, at_px):
        return replace(self._staged.nearest_place(pose, view, at_px), away_px=1e6)


# A pose that was too weak


def test_a_weak_pose_is_shown_as_rejected_and_can_be_corrected(qtbot: QtBot) -> None:
    shown = screen(guidance="unregistered", state="hidden", paused=True)
    bench = JudgingBench(qtbot, branch("LAD", 6.0), shown=replace(shown, result=judged_screen().result))
    bench.session.registration = None
    assert "No search has found" in bench.press(Qt.Key.Key_W)
    weak = replace(registration(geometry(), "rejected"), reasons=("it fits badly",))
    bench.session.weak = Weak(registration=weak, geometry=geometry())
    bench.press(Qt.Key.Key_W)
    qtbot.waitUntil(lambda: bench.desk.hand.mode == "weak")
    assert _badge(bench).startswith("REJECTED BY THE PROGRAM")
    assert "it fits badly" in bench.panel.status.text()
    qtbot.waitUntil(lambda: bench.panel.branches.count() == 1)
    assert bench.session.placed == []
    assert "Nothing is being corrected" in bench.desk.hand.propose()
    bench.press(Qt.Key.Key_P)
    assert bench.desk.hand.pose is weak.isocentre_from_lps
    assert _badge(bench) == "BY HAND UNVERIFIED"


def test_a_weak_pose_of_another_view_is_not_shown(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, branch("LAD", 6.0))
    elsewhere = geometry(primary_rad=0.1)
    bench.session.weak = Weak(registration=registration(elsewhere, "rejected"), geometry=elsewhere)
    assert "another view" in bench.press(Qt.Key.Key_W)


# The wire, and the way back


def test_the_wire_is_said_and_taken_back_by_one_key(bench: JudgingBench) -> None:
    assert "wider halo" in bench.press(Qt.Key.Key_X)
    assert bench.panel.buttons["live.wire"].isChecked()
    bench.press(Qt.Key.Key_X)
    assert [asked for asked in bench.session.asked if asked.startswith("wire")] == ["wire True", "wire False"]


def test_a_new_step_forgets_what_was_undone() -> None:
    steps = History("a")
    steps.push("b")
    steps.push("c")
    assert steps.undo()
    steps.push("d")
    assert not steps.can_redo
    assert steps.current == "d"
    assert steps.undo()
    assert steps.current == "b"
    assert steps.undo()
    assert steps.current == steps.first == "a"
    assert not steps.undo()


def test_a_second_screen_shows_the_handles_and_leaves_the_mouse_to_the_first(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_P)
    bench.press(Qt.Key.Key_F11, _CTRL)
    second = bench.window.live.second_screen
    assert second is not None
    second.view.resize(300, 300)
    bench.place.view.repaint()
    second.view.grab()
    start = _shown_px(bench.desk.hand.pose)
    view = bench.place.view
    to_view = view.view_from_frame()
    assert to_view is not None
    grip = place_of("across", to_view.map(QPointF(start[0] + 0.5, start[1] + 0.5))).toPoint()
    bench.qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=grip)
    bench.qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=grip + QPoint(40, 0))
    assert _shown_px(bench.desk.hand.pose)[0] > start[0] + 1.0
    assert second.view.tools is view.tools
    second.end()
