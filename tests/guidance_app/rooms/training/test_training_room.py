"""The training room by mouse and keyboard: three exercises, their answers, and a history."""

import json
import shutil
import sqlite3

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor

from engines.anatomy.cases.case import load_case
from engines.exercises.hand_pose import pose_score
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.training.exercise import ANSWER, MINE
from guidance_app.rooms.training.room import TrainingRoom
from guidance_app.views import palette
from tests.guidance_app.mouse import move_mouse

Key, Shift = Qt.Key, Qt.KeyboardModifier.ShiftModifier


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def open_room(window_with, qtbot, tmp_path, clock):
    """A window in the training room, on a case that has been read, with a pseudonym typed."""

    def make(case="coronary", *, pseudonym="heron-7"):
        class Here(TrainingRoom):
            def __init__(self, house):
                super().__init__(house, folder=tmp_path / "data")

        window = window_with(Here)
        place = window.rooms[0].widget
        place._clock_s = clock
        place._draw_seed = iter(range(5, 999)).__next__
        window._set_case(load_case(case))
        window.rooms[0].enter(window.case)
        qtbot.waitUntil(lambda: place.prepared is not None, timeout=30_000)
        if pseudonym:
            place.start.pseudonym.setFocus()
            qtbot.keyClicks(place.start.pseudonym, pseudonym)
            qtbot.keyClick(place.start.pseudonym, Key.Key_Return)
        return window, place

    return make


@pytest.fixture
def opened(open_room):
    return open_room()


def begin(qtbot, place, name):
    qtbot.mouseClick(place.start.cards[name], Qt.MouseButton.LeftButton)
    assert place.exercise is not None
    return place.exercise


def drag(qtbot, view, button, by, modifier=Qt.KeyboardModifier.NoModifier):
    middle = QPoint(view.width() // 2, view.height() // 2)
    qtbot.mousePress(view, button, modifier, middle)
    if modifier == Qt.KeyboardModifier.NoModifier:
        move_mouse(view, middle + QPoint(*by), held=button)
    qtbot.mouseRelease(view, button, modifier, middle + QPoint(*by))


def has_colour(view, name):
    colour = QColor(name)
    pixels = pixels_of(view.grab().toImage()).astype(int)
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return bool((np.abs(pixels - wanted).max(axis=2) < 30).sum() > 30)


def moved_mm(exercise, before):
    """How the projected middle of the model went, right and down."""
    picture = exercise.picture
    middle = picture.points_mm().mean(axis=0)[None]
    px = [picture.geometry.projection(pose).project(middle)[0][0] for pose in (before, exercise.pose)]
    return (px[1] - px[0]) * picture.geometry.isocentre_mm_per_px


def test_the_start_says_which_case_and_what_the_score_rests_on(opened):
    _, place = opened
    assert "coronary-demo" in place.start.case_line.text()
    assert "exact truth of a simulated run" in place.start.case_line.text()
    assert all(card.isEnabled() for card in place.start.cards.values())


def test_without_a_pseudonym_nothing_begins_and_the_reason_is_said(open_room, qtbot):
    window, place = open_room(pseudonym="")
    qtbot.mouseClick(place.start.cards["by-hand"], Qt.MouseButton.LeftButton)
    assert place.exercise is None
    assert "Type a pseudonym first" in window.strip.message.text()


def test_the_left_drag_moves_the_model_as_far_as_the_hand_goes(opened, qtbot):
    _, place = opened
    exercise = begin(qtbot, place, "by-hand")
    view, before = exercise.view, exercise.pose
    drag(qtbot, view, Qt.MouseButton.LeftButton, (40, -20))
    assert moved_mm(exercise, before) == pytest.approx(np.array([40.0, -20.0]) / view._scale(), abs=0.02)
    assert exercise.moves == 1


@pytest.mark.parametrize("button", [Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton])
def test_the_other_buttons_turn_it_about_its_middle(opened, qtbot, button):
    _, place = opened
    exercise = begin(qtbot, place, "by-hand")
    before = exercise.pose
    drag(qtbot, exercise.view, button, (30, 10))
    assert moved_mm(exercise, before) == pytest.approx([0.0, 0.0], abs=1e-6)
    assert not np.allclose(exercise.pose.rotation, before.rotation)


def test_keys_move_by_a_millimetre_and_shift_turns_by_a_degree(opened, qtbot):
    window, place = opened
    exercise = begin(qtbot, place, "by-hand")
    before = exercise.pose
    qtbot.keyClick(window, Key.Key_Right)
    qtbot.keyClick(window, Key.Key_Down)
    assert moved_mm(exercise, before) == pytest.approx([1.0, 1.0], abs=1e-3)
    before = exercise.pose
    qtbot.keyClick(window, Key.Key_Left, Shift)
    between = before.rotation @ exercise.pose.rotation.T
    assert np.rad2deg(np.arccos((np.trace(between) - 1) / 2)) == pytest.approx(1.0, abs=1e-6)
    assert moved_mm(exercise, before) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_undo_and_redo_step_through_the_moves(opened, qtbot):
    window, place = opened
    exercise = begin(qtbot, place, "by-hand")
    first = exercise.pose
    qtbot.keyClick(window, Key.Key_Right)
    second = exercise.pose
    qtbot.keyClick(window, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert exercise.pose is first
    qtbot.mouseClick(place.page.buttons["redo"], Qt.MouseButton.LeftButton)
    assert exercise.pose is second
    assert not place.page.buttons["redo"].isEnabled()


def test_the_score_by_hand_is_told_shown_and_kept(opened, qtbot, clock):
    window, place = opened
    exercise = begin(qtbot, place, "by-hand")
    assert not has_colour(exercise.view, ANSWER)
    clock.now_s += 37.0
    qtbot.keyClick(window, Key.Key_Return)
    wanted = pose_score(exercise.picture, exercise.pose)
    assert f"{wanted.mean_mm:.1f} mm off" in place.page.headline.text()
    assert "37 s" in place.page.lines.text()
    assert "exact truth" in place.page.reference.text()
    assert has_colour(exercise.view, ANSWER)
    assert has_colour(exercise.view, MINE)
    (kept,) = place.history.attempts("heron-7")
    assert (kept.exercise, kept.seconds, kept.score) == ("by-hand", 37.0, wanted.mean_mm)
    assert kept.figures["turned_deg"] == pytest.approx(7.0)
    before = exercise.pose
    qtbot.keyClick(window, Key.Key_Right)
    assert exercise.pose is before  # it is over


def test_holding_o_hides_the_model(opened, qtbot):
    window, place = opened
    exercise = begin(qtbot, place, "by-hand")
    qtbot.keyPress(window, Key.Key_O)
    assert not has_colour(exercise.view, MINE)
    qtbot.keyRelease(window, Key.Key_O)
    assert has_colour(exercise.view, MINE)


def test_ten_overlays_are_judged_by_keys_with_the_answer_after_each(opened, qtbot, clock):
    window, place = opened
    exercise = begin(qtbot, place, "right-or-wrong")
    for number, item in enumerate(exercise.items):
        assert not has_colour(exercise.view, ANSWER) or item.score.mean_mm < 1.0
        clock.now_s += 3.0
        qtbot.keyClick(window, Key.Key_4 if item.wrong and number else Key.Key_2)
        assert ("wrong" if item.wrong else "right") in exercise.answer_line.text()
        assert f"{item.score.mean_mm:.1f} mm off" in exercise.answer_line.text()
        assert has_colour(exercise.view, ANSWER)
        clock.now_s += 60.0  # reading the answer costs nothing
        qtbot.keyClick(window, Key.Key_Space)
    found = 5 - int(exercise.items[0].wrong)
    assert f"{found} of 5 wrong ones found" in place.page.headline.text()
    assert "false alarms: 0 of 5" in place.page.lines.text()
    (kept,) = place.history.attempts("heron-7")
    assert kept.seconds == pytest.approx(30.0)
    assert kept.figures["hits"] == found
    assert kept.figures["sensitivity"] == found / 5


def test_an_overlay_is_not_passed_without_an_answer_and_not_answered_twice(opened, qtbot):
    window, place = opened
    exercise = begin(qtbot, place, "right-or-wrong")
    qtbot.keyClick(window, Key.Key_Space)
    assert exercise.number == 0
    qtbot.mouseClick(place.page.buttons["maybe-wrong"], Qt.MouseButton.LeftButton)
    qtbot.keyClick(window, Key.Key_1)
    assert len(exercise.answers) == 1


def test_angles_are_chosen_in_the_map_looked_at_and_scored(opened, qtbot):
    window, place = opened
    exercise = begin(qtbot, place, "projection")
    exercise.map_view.repaint()
    before = pixels_of(exercise.view.grab().toImage())
    at = exercise.map_view.place_of(30.0, -20.0).toPoint()
    qtbot.mouseClick(exercise.map_view, Qt.MouseButton.LeftButton, pos=at)
    assert exercise.here == pytest.approx((30.0, -20.0), abs=1.0)
    qtbot.keyClick(window, Key.Key_Up)
    assert exercise.here[1] == pytest.approx(-19.0, abs=1.0)
    assert np.array_equal(pixels_of(exercise.view.grab().toImage()), before)  # nobody has looked yet
    qtbot.keyClick(window, Key.Key_Space)
    assert not np.array_equal(pixels_of(exercise.view.grab().toImage()), before)
    qtbot.waitUntil(lambda: exercise._map is not None, timeout=30_000)
    qtbot.keyClick(window, Key.Key_Return)
    assert "foreshortened" in place.page.headline.text()
    assert exercise.best_view.isVisible()
    (kept,) = place.history.attempts("heron-7")
    assert kept.figures["looks"] == 1.0
    lost = kept.figures["foreshortening"] + kept.figures["overlap"]
    best = kept.figures["best_foreshortening"] + kept.figures["best_overlap"]
    assert kept.score == pytest.approx(100.0 * (lost - best))
    assert kept.reference == "model"


def test_the_arm_stops_at_its_limits(opened, qtbot):
    window, place = opened
    exercise = begin(qtbot, place, "projection")
    for _ in range(8):
        qtbot.keyClick(window, Key.Key_Right, Shift)
        qtbot.keyClick(window, Key.Key_Down, Shift)
    assert exercise.here == (60.0, -40.0)


def test_an_exercise_that_is_begun_is_given_up_only_on_a_second_escape(opened, qtbot):
    window, place = opened
    begin(qtbot, place, "by-hand")
    qtbot.keyClick(window, Key.Key_Right)
    qtbot.keyClick(window, Key.Key_N)
    qtbot.keyClick(window, Key.Key_Escape)
    assert place.exercise is not None
    qtbot.keyClick(window, Key.Key_Escape)
    assert place.exercise is None
    assert "nothing was kept" in window.strip.message.text()
    assert place.history.attempts("heron-7") == ()


def test_progress_is_plotted_and_listed_newest_first(opened, qtbot):
    window, place = opened
    for _ in range(2):
        begin(qtbot, place, "by-hand")
        qtbot.keyClick(window, Key.Key_Return)
        qtbot.keyClick(window, Key.Key_Escape)
    table = place.start.progress.table
    scores = [one.score for one in place.history.attempts("heron-7")]
    assert [table.item(row, 3).text() for row in range(2)] == [f"{score:.1f} mm" for score in reversed(scores)]
    (line,) = place.start.progress._item.listDataItems()
    assert line.getData()[1].tolist() == pytest.approx(scores)


def test_a_trainee_is_exported_deleted_and_taken_back(opened, qtbot, tmp_path):
    window, place = opened
    begin(qtbot, place, "by-hand")
    qtbot.keyClick(window, Key.Key_Return)
    qtbot.keyClick(window, Key.Key_Escape)
    assert "1 attempts" in place.export(tmp_path / "heron.csv")
    assert palette.RESEARCH_LINE in (tmp_path / "heron.csv").read_text()
    qtbot.mouseClick(place.start.delete_button, Qt.MouseButton.LeftButton)
    assert place.history.attempts("heron-7") == ()
    qtbot.mouseClick(window.toasts.shown[-1].offer_button, Qt.MouseButton.LeftButton)
    assert len(place.history.attempts("heron-7")) == 1


def test_a_history_of_a_later_version_is_said_and_kept_and_training_goes_on(open_room, qtbot, tmp_path):
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "training.sqlite"
    with sqlite3.connect(file) as base:
        base.execute("PRAGMA user_version = 7")
    base.close()
    before = file.read_bytes()
    window, place = open_room()
    assert "later version" in place.start.problem.text()
    begin(qtbot, place, "by-hand")
    qtbot.keyClick(window, Key.Key_Return)
    assert "Not kept on the disk yet" in place.page.reference.text()
    assert file.read_bytes() == before
    assert len(place.unkept) == 1


def test_an_own_case_without_a_reference_still_offers_the_projection(open_room, tmp_path):
    bundled = load_case("coronary").folder
    shutil.copytree(bundled, tmp_path / "DOE^JOHN", ignore=shutil.ignore_patterns("truth"))
    _, place = open_room(tmp_path / "DOE^JOHN")
    assert not place.start.cards["by-hand"].isEnabled()
    assert place.start.cards["projection"].isEnabled()
    assert "let the program register one" in place.start.case_line.text()
    assert place.start.reference_button.isVisibleTo(place)


def test_history_and_export_hold_nothing_that_names_a_patient(open_room, qtbot, tmp_path):
    folder = tmp_path / "DOE^JOHN"
    shutil.copytree(load_case("coronary").folder, folder)
    content = json.loads((folder / "case.json").read_text()) | {"id": "DOE JOHN 1950"}
    (folder / "case.json").write_text(json.dumps(content))
    window, place = open_room(folder)
    begin(qtbot, place, "by-hand")
    qtbot.keyClick(window, Key.Key_Return)
    place.export(tmp_path / "out.csv")
    for file in (place.history.path, tmp_path / "out.csv"):
        assert b"DOE" not in file.read_bytes()


def test_pseudonym_and_level_are_found_again(opened, qtbot):
    window, place = opened
    qtbot.mouseClick(place.start.levels["far"], Qt.MouseButton.LeftButton)
    state = window.rooms[0].saved_state()
    assert state == {"pseudonym": "heron-7", "level": "far"}
    other = TrainingRoom(window)
    other.restore({**state, "later": 1})
    assert (other._pseudonym, other._level) == ("heron-7", "far")


def test_the_research_line_is_on_both_pages(opened):
    from PyQt6.QtWidgets import QLabel

    _, place = opened
    for page in (place.start, place.page):
        assert palette.RESEARCH_LINE in [label.text() for label in page.findChildren(QLabel)]


def test_the_wheel_moves_the_model_along_the_beam(opened, qtbot):
    from PyQt6.QtGui import QWheelEvent
    from PyQt6.QtWidgets import QApplication

    _, place = opened
    exercise = begin(qtbot, place, "by-hand")
    before = exercise.picture.geometry.projection(exercise.pose).project(exercise.picture.points_mm())[1].mean()
    at = QPointF(exercise.view.width() / 2, exercise.view.height() / 2)
    event = QWheelEvent(
        at, exercise.view.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(exercise.view, event)
    after = exercise.picture.geometry.projection(exercise.pose).project(exercise.picture.points_mm())[1].mean()
    assert after - before == pytest.approx(-5.0, abs=0.1)
