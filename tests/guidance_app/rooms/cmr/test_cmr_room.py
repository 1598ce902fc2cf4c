"""The CMR room with a result: read, hover, scrub, switch, export, fuse and cancel, by mouse and keyboard."""

import csv
import json

import cv2
import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtWidgets import QPushButton

from engines.cmr.results.drawing import VESSEL_COLOURS, colours
from engines.cmr.results.figure import MOST
from engines.simulation.cmr.case import simulate_cmr_case
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.cmr.exports import lesion_csv
from guidance_app.rooms.cmr.pictures.bulls_eye_view import NOT_SEEN
from guidance_app.rooms.cmr.room import CmrRoom
from guidance_app.views import palette
from tests.guidance_app.mouse import move_mouse
from tests.guidance_app.rooms.cmr.small_result import DEFECT_SHARE, FLOW, FRAME, PATIENT, make_result


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("cmr_room"))


@pytest.fixture
def window(window_with):
    return window_with(CmrRoom)


@pytest.fixture
def room(window, result, qtbot):
    room = window.rooms[0]
    assert room.open_result(result) == ""
    qtbot.waitUntil(lambda: room.place.ct is not None and not room.place.busy, timeout=20_000)
    return room


def picture_of(path):
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def sentences(place):
    return [place.lesions.item(k).text() for k in range(place.lesions.count())]


def pixel_at(view, at):
    """Median colour about a place, so that letters do not count."""
    pixels = pixels_of(view.grab().toImage())
    x, y = round(at.x()), round(at.y())
    return np.median(pixels[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3), axis=0)


def off_words(eye, segment):
    """A place within a segment beside its numbers."""
    middle, place = eye.place_of(17), eye.place_of(segment)
    if segment == 17:
        return middle + QPoint(0, 10).toPointF()
    turn, off = np.deg2rad(19.0), place - middle
    c, s = float(np.cos(turn)), float(np.sin(turn))
    return middle + QPointF(c * off.x() - s * off.y(), s * off.x() + c * off.y())


def test_a_sentence_a_lesion_is_read_first_then_the_unmatched_defect(room):
    assert sentences(room.place) == [
        "LAD 70 %: 24 g subtended, upslope 0.45 of remote: matched",
        "Defect without a stenosis: 6 g, upslope 0.60 of remote (11 mid inferolateral)",
    ]
    top = room.place.lesions.geometry().bottom()
    assert top < room.place.banner.geometry().top() < room.place.eye.geometry().top()


@pytest.mark.parametrize(
    ("flags", "word", "why", "step"),
    [
        ((), "TRUSTED", "Nothing speaks against the answer", "unmatched defect"),
        (("FEW_SLICES",), "CHECK", "Fewer than three slices were seen", "near a slice"),
        (("FEW_SLICES", "REGISTRATION_DOUBTFUL"), "REJECTED", "CT and CMR may not lie on each other", "both walls"),
    ],
)
def test_flags_become_a_trust_word_with_reasons_and_a_next_step(window, tmp_path, qtbot, flags, word, why, step):
    room = window.rooms[0]
    assert room.open_result(make_result(tmp_path, flags=flags)) == ""
    banner = room.place.banner
    assert banner.word.text().endswith(word)
    assert why in banner.why.text()
    assert step in banner.next.text()
    qtbot.waitUntil(lambda: not room.place.busy, timeout=20_000)


def test_coronaries_found_in_the_ct_are_called_so_and_their_degrees_estimates(window, tmp_path, qtbot):
    room = window.rooms[0]
    assert room.open_result(make_result(tmp_path, flags=("TREE_INCOMPLETE",), found_in_ct=True)) == ""
    place = room.place
    assert sentences(place)[0].startswith("LAD about 70 %: 24 g")
    assert "coronaries found in the CT (PDA not seen, course assumed)" in place.banner.figures.text()
    assert "# coronaries found in the CT (PDA" in lesion_csv(place.opened)
    qtbot.waitUntil(lambda: not place.busy, timeout=20_000)


def test_the_bulls_eye_has_the_scale_s_colours_and_grey_where_nothing_was_seen(room):
    eye = room.place.eye
    for segment, share in ((4, 1.0), (8, DEFECT_SHARE)):
        expected = colours(np.array([share / MOST]))[0].astype(float)
        assert np.abs(pixel_at(eye, off_words(eye, segment)) - expected).max() < 12
    grey = [int(NOT_SEEN[k : k + 2], 16) for k in (1, 3, 5)]
    assert np.abs(pixel_at(eye, off_words(eye, 17)) - grey).max() < 12


def test_pointing_at_a_segment_lights_it_in_all_views(room, qtbot):
    place = room.place
    before = [pixels_of(view.grab().toImage()) for view in (place.eye, place.slice)]
    move_mouse(place.eye, place.eye.place_of(8).toPoint())
    qtbot.waitUntil(lambda: "8 mid anteroseptal" in place.detail.text())
    assert "upslope 45 % of remote; 0.045 \u00b1 0.004" in place.detail.text()
    assert "fed by LAD" in place.detail.text()
    assert "blood flow 1.1 ml/min/g (fit leaves 4 %)" in place.detail.text()
    for view, old in zip((place.eye, place.slice), before, strict=True):
        assert (pixels_of(view.grab().toImage()) != old).any()
    place.eye.pointed.emit(0)
    assert place.detail.text() == "Point at a segment"


def test_pointing_into_the_wall_of_the_ct_names_its_segment(room):
    place = room.place
    place.to_level(0.5)
    place.slice.pointed.emit(0.0, -26.0)  # anterior is on top
    assert place.eye.lit == 7
    place.slice.pointed.emit(-26.0, -6.0)  # the septum is at the left
    assert place.eye.lit == 8
    place.slice.pointed.emit(0.0, 0.0)
    assert place.eye.lit == 0
    place.slice.pointed.emit(0.0, -26.0)
    place.slice.left.emit()
    assert place.eye.lit == 0


def test_a_drag_in_the_section_changes_the_window(room):
    place = room.place
    place.hold_overlay(True)
    before = pixels_of(place.slice.grab().toImage()).mean()
    place.slice.dragged.emit(0.0, -0.3)
    assert pixels_of(place.slice.grab().toImage()).mean() > before + 3  # a lower level is a brighter picture


def test_a_click_takes_a_segment_and_brings_its_section(room, qtbot):
    place = room.place
    qtbot.mouseClick(place.eye, Qt.MouseButton.LeftButton, pos=place.eye.place_of(4).toPoint())
    assert (place.chosen, place.level) == (4, pytest.approx(0.8))  # a CMR slice saw the base there
    qtbot.mouseClick(place.eye, Qt.MouseButton.LeftButton, pos=place.eye.place_of(4).toPoint())
    assert place.chosen == 0


def test_a_click_on_a_lesion_leads_to_the_worst_wall_of_its_vessel(room):
    place = room.place
    place.lesions.itemClicked.emit(place.lesions.item(0))
    assert place.chosen in (7, 8)
    place.lesions.itemClicked.emit(place.lesions.item(1))
    assert place.chosen == 11


def test_arrows_scrub_the_section_and_page_keys_go_from_slice_to_slice(room, window, qtbot):
    place = room.place
    place.to_level(0.5)
    shown = pixels_of(place.slice.grab().toImage())
    qtbot.keyClick(window, Qt.Key.Key_Up)
    assert place.level == pytest.approx(0.5 + 2.0 / FRAME.length_mm)
    assert place.eye.level == place.level
    for _ in range(8):
        qtbot.keyClick(window, Qt.Key.Key_Up)
    assert (pixels_of(place.slice.grab().toImage()) != shown).any()
    qtbot.keyClick(window, Qt.Key.Key_PageDown)
    assert place.level == pytest.approx(0.5)
    qtbot.keyClick(window, Qt.Key.Key_PageDown)
    assert place.level == pytest.approx(0.2)
    qtbot.keyClick(window, Qt.Key.Key_PageDown)
    assert "no further CMR slice" in window.strip.message.text()


def test_overlays_are_hidden_only_while_o_is_held(room, window, qtbot):
    place = room.place

    def coloured():
        pixels = pixels_of(place.slice.grab().toImage()).astype(int)
        return int((np.ptp(pixels, axis=2) > 40).sum())

    assert coloured() > 1000
    qtbot.keyPress(window, Qt.Key.Key_O)
    assert coloured() < 50
    qtbot.keyRelease(window, Qt.Key.Key_O)
    assert coloured() > 1000


def test_t_switches_to_territories_in_all_views(room, window, qtbot):
    place = room.place
    qtbot.keyClick(window, Qt.Key.Key_T)
    at = off_words(place.eye, 5)
    assert np.abs(pixel_at(place.eye, at) - VESSEL_COLOURS["LCx"]).max() < 12
    assert "LAD orange" in place.scene.legend
    qtbot.keyClick(window, Qt.Key.Key_T)
    assert np.abs(pixel_at(place.eye, at) - VESSEL_COLOURS["LCx"]).max() > 40


def test_without_a_tree_there_are_no_territories_and_that_is_said(window, tmp_path, qtbot):
    room = window.rooms[0]
    assert room.open_result(make_result(tmp_path, tree=False, flags=("TREE_INCOMPLETE",))) == ""
    assert sentences(room.place)[0] == "No coronary tree: no lesion can be matched"
    qtbot.keyClick(window, Qt.Key.Key_T)
    assert "no coronary tree" in window.strip.message.text()
    qtbot.waitUntil(lambda: not room.place.busy, timeout=20_000)


def test_number_keys_turn_the_heart_to_its_sides(room, window, qtbot):
    place = room.place
    pictures = []
    for key, name in zip((Qt.Key.Key_1, Qt.Key.Key_3, Qt.Key.Key_5), ("septal", "lateral", "apical"), strict=True):
        qtbot.keyClick(window, key)
        assert name in place.scene.title
        place.scene.render_now()
        pictures.append(pixels_of(place.scene.grab().toImage()))
    assert (pictures[0] != pictures[1]).mean() > 0.02
    assert (pictures[1] != pictures[2]).mean() > 0.02
    assert (np.ptp(pictures[0].astype(int), axis=2) > 40).sum() > 500  # coloured wall


def test_every_action_with_a_key_is_reached_by_the_mouse_too(room):
    tips = {button.toolTip().split("   ")[0] for button in room.place.findChildren(QPushButton)}
    assert {action.words for action in room.actions() if action.keys} <= tips


def test_an_export_is_whole_and_names_nobody(room, result, tmp_path):
    out = tmp_path / "export"
    assert "8 files" in room.export(out)
    assert sorted(path.name for path in out.iterdir()) == [
        "figure.png", "fused.vtp", "lesions.csv", "panel.png", "perfusion_on_ct.nii.gz", "segments.csv",
        "territory_on_ct.nii.gz", "warped_cmr_wall.nii.gz",
    ]  # fmt: skip
    for name in ("lesions.csv", "segments.csv"):
        text = (out / name).read_text()
        assert text.startswith(f"# {palette.RESEARCH_LINE}\n# TRUSTED")
        assert PATIENT not in text
    rows = list(csv.DictReader((out / "segments.csv").read_text().splitlines()[2:]))
    assert len(rows) == 17
    assert (float(rows[7]["of_remote"]), rows[16]["relative_upslope"]) == (DEFECT_SHARE, "")
    assert (float(rows[0]["stress_mbf_ml_min_g"]), rows[2]["stress_mbf_ml_min_g"]) == (FLOW, "")
    lesions = list(csv.DictReader((out / "lesions.csv").read_text().splitlines()[2:]))
    assert [row["kind"] for row in lesions] == ["lesion", "defect"]
    assert lesions[0]["sentence"].endswith("matched")
    before, after = (picture_of(path / "figure.png") for path in (result, out))
    assert (before[40:80] != after[40:80]).any(), "the name is painted over"
    assert (after[50:74] < 250).any(), "and the research line stands there"
    assert (before[80:] == after[80:]).all()
    assert picture_of(out / "panel.png").shape[1] > 800


def test_a_film_shows_the_heart_turning_and_says_when_it_is_whole(room, window, qtbot, tmp_path):
    path = tmp_path / "heart.mp4"
    assert room.film(path) == ""
    assert "still being taken" in room.film(tmp_path / "second.mp4")
    qtbot.waitUntil(lambda: not room.place.film.running, timeout=120_000)
    assert "the film is whole" in window.strip.message.text()
    film = cv2.VideoCapture(str(path))
    pictures = [film.read()[1] for _ in range(int(film.get(cv2.CAP_PROP_FRAME_COUNT)))]
    film.release()
    assert len(pictures) >= 70
    assert (np.abs(pictures[0].astype(int) - pictures[len(pictures) // 2]) > 30).mean() > 0.005


@pytest.mark.parametrize("name", ["result.json", "fused.vtp", "perfusion_on_ct.nii.gz", "figure.png"])
def test_a_folder_that_lacks_a_file_is_one_line(window, tmp_path, name):
    result = make_result(tmp_path)
    (result / name).unlink()
    why = window.rooms[0].start.open_folder(result)
    assert name in why
    assert "\n" not in why
    assert window.rooms[0].place is None


def test_a_result_of_another_kind_is_one_line(window, tmp_path):
    result = make_result(tmp_path)
    (result / "result.json").write_text(json.dumps({"schema": "guidance-app/ivus/1"}))
    why = window.rooms[0].start.open_folder(result)
    assert "schema" in why
    assert "\n" not in why


def test_a_ct_that_has_gone_leaves_the_maps_and_is_told(window, tmp_path, qtbot):
    result = make_result(tmp_path)
    (tmp_path / "cta.nii.gz").unlink()
    room = window.rooms[0]
    assert room.open_result(result) == ""
    qtbot.waitUntil(lambda: not room.place.busy, timeout=20_000)
    assert "no CT" in room.place.slice.corner
    assert "cta.nii.gz" in window.strip.message.text()


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return simulate_cmr_case(1, tmp_path_factory.mktemp("cmr_job") / "case", spacing_mm=1.7)


def test_a_case_is_fused_in_a_job_and_opened(window, case, qtbot, tmp_path):
    room = window.rooms[0]
    room.start.open_folder(case)  # a case folder fills the form
    room.start.fields["out"].setText(str(tmp_path / "out"))
    qtbot.mouseClick(room.start.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: room.place is not None, timeout=60_000)
    assert room.place.opened.found.stenoses or sentences(room.place)[0].startswith("No stenosis")
    qtbot.waitUntil(lambda: room.place.ct is not None, timeout=20_000)


def test_a_cancelled_job_is_gone_within_a_second_and_leaves_nothing(window, case, qtbot, tmp_path):
    start = window.rooms[0].start
    start.open_folder(case)
    start.fields["out"].setText(str(tmp_path / "work" / "out"))
    qtbot.mouseClick(start.run_button, Qt.MouseButton.LeftButton)
    assert start.job is not None
    qtbot.mouseClick(start.cancel_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: start.job is None, timeout=1000)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_job_that_fails_is_one_line(window, qtbot, tmp_path):
    start = window.rooms[0].start
    for name, text in (("cta", "nowhere.nii.gz"), ("perfusion", "nothing"), ("out", str(tmp_path / "out"))):
        start.fields[name].setText(text)
    start.start()
    qtbot.waitUntil(lambda: start.job is None, timeout=60_000)
    assert start.line.text().startswith("Failed: nothing")
    assert "\n" not in start.line.text()
