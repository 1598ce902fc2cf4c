"""From a scan and a run to an overlay in a few clicks; cancelled, broken off or refused, nothing is lost."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QWheelEvent
from PyQt6.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.anatomy.cases.case_correction import LEFT_OUT
from engines.anatomy.cases.intake_notes import read_notes
from engines.anatomy.files.ct import save_ct
from engines.anatomy.files.labels import save_labels
from engines.anatomy.intake.found import FoundRun
from engines.anatomy.structures.structure_table import structures_of
from engines.anatomy.vessel_model import CtVolume
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.case.checking.colours import colour_of
from guidance_app.rooms.case.importing import works
from guidance_app.rooms.case.importing.cards import run_card
from guidance_app.rooms.case.importing.plan import CasePlan
from guidance_app.rooms.case.importing.wizard import ImportWizard
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.window.window import GuidanceWindow
from tests.engines.anatomy.shapes import grid
from tests.guidance_app.rooms.case import slow_works
from tests.guidance_app.rooms.case.conftest import TUBES, Runs
from tests.guidance_app.rooms.case.test_case_room import drop

_PATIENCE_MS = 120_000  # a job gives way to everything else on a busy machine


def room_of(window: GuidanceWindow) -> CaseRoom:
    room = window.rooms[0]
    assert isinstance(room, CaseRoom)
    return room


def wizard_of(window: GuidanceWindow) -> ImportWizard:
    wizard = room_of(window).wizard
    assert wizard is not None
    return wizard


class Hand:
    """A person's mouse, counted."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.clicks = 0

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        self.qtbot.waitUntil(widget.isVisible)
        assert widget.isEnabled()
        self.clicks += 1
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at or widget.rect().center())


def surveyed(qtbot: QtBot, window: GuidanceWindow, *places: Path) -> ImportWizard:
    room_of(window).new_case(places)
    wizard = wizard_of(window)
    qtbot.waitUntil(lambda: not wizard.working, timeout=_PATIENCE_MS)
    return wizard


def checked(qtbot: QtBot, window: GuidanceWindow, *places: Path) -> ImportWizard:
    """With the case made, named `heart`."""
    wizard = surveyed(qtbot, window, *places)
    wizard.sources.kinds["evt"].click()
    wizard.sources.name.setText("heart")
    wizard.sources.make_button.click()
    qtbot.waitUntil(lambda: not wizard.working, timeout=_PATIENCE_MS)
    assert wizard.step == "check", wizard.sources.line.text()
    return wizard


def coloured(wizard: ImportWizard, view: str, said: str) -> int:
    """How many pixels of a slab's picture are of a class's colour."""
    pixels = pixels_of(wizard.check.slabs.views[view].grab().toImage()).astype(int)
    colour = QColor(colour_of(said))
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return int((np.abs(pixels - wanted).max(axis=2) < 12).sum())


@pytest.mark.usefixtures("at_once")
def test_from_a_scan_and_a_run_to_the_picture_in_at_most_five_clicks(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    hand = Hand(qtbot)
    hand.click(room_of(window).welcome.new_button)
    wizard = wizard_of(window)
    dialog = wizard.findChild(QFileDialog)
    assert dialog is not None
    assert QApplication.activeModalWidget() is None
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(str(disk))  # a person types it, or finds it with the arrow keys
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    hand.click(_button(box, "Choose"))
    qtbot.waitUntil(lambda: bool(wizard.places) and not wizard.working, timeout=_PATIENCE_MS)
    if not wizard.sources.kind:
        hand.click(wizard.sources.kinds["evt"])
    hand.click(wizard.sources.make_button)
    qtbot.waitUntil(lambda: wizard.step == "check", timeout=_PATIENCE_MS)
    hand.click(wizard.check.guide_button)
    assert window.current is window.live, wizard.check.line.text()
    assert Runs.opened == [(next((tmp_path / "cases").iterdir()).name, disk / "IM0001")]
    qtbot.waitUntil(lambda: window.live.widget.view.screen_state is not None)
    assert hand.clicks <= 5
    assert room_of(window).wizard is None


@pytest.mark.usefixtures("at_once")
def test_what_was_found_is_proposed_with_pictures_and_can_be_chosen_otherwise(
    qtbot: QtBot, window: GuidanceWindow, disk: Path
) -> None:
    wizard = surveyed(qtbot, window, disk)
    sources = wizard.sources
    card = next(iter(sources.scans))
    assert card.isChecked()
    pixels = pixels_of(card.grab().toImage())
    assert pixels[20:100, 40:300].std() > 20  # slices, not an empty card
    masks = next(iter(sources.models))
    assert masks.isChecked()
    assert sources.run is not None
    assert sources.extract_card is not None
    Hand(qtbot).click(sources.extract_card)
    assert not masks.isChecked()
    sources.kinds["coronary"].click()
    assert sources.plan().vessels is None or masks not in sources.models  # cards are made anew for another kind


@pytest.mark.usefixtures("at_once")
def test_keys_alone_choose_and_make(qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path) -> None:
    wizard = surveyed(qtbot, window, disk)
    wizard.sources.kinds["evt"].setFocus()
    qtbot.keyClick(wizard.sources.kinds["evt"], Qt.Key.Key_Space)
    assert wizard.sources.kind == "evt"
    qtbot.keyClick(window, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: wizard.step == "check", timeout=_PATIENCE_MS)
    assert (next((tmp_path / "cases").iterdir()) / "case.json").is_file()
    wizard.check.structures.table.selectRow(1)
    qtbot.keyClick(window, Qt.Key.Key_1)
    assert wizard.check.structures.classes["vein"] == "artery"
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert wizard.check.structures.classes["vein"] == "vein"
    qtbot.keyClick(window, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert wizard.check.structures.classes["vein"] == "artery"


@pytest.mark.usefixtures("at_once")
def test_structures_are_seen_in_their_colours_corrected_and_taken_back(
    qtbot: QtBot, window: GuidanceWindow, disk: Path
) -> None:
    wizard = checked(qtbot, window, disk)
    check, hand = wizard.check, Hand(qtbot)
    check.whole_button.click()
    assert coloured(wizard, "front", "artery") > 30
    assert coloured(wizard, "front", "vein") > 30
    assert coloured(wizard, "front", "false lumen") == 0
    # A click on the vein, at the patient's left, chooses it.
    view = check.slabs.views["front"]
    offset_mm = TUBES["vein"][0] - 0.5 * sum(x for x, _ in TUBES.values())
    hand.click(view, view.view_px(offset_mm, 0.0).toPoint())
    assert check.structures.chosen == "vein"
    hand.click(check.structures.class_buttons["false lumen"])
    assert coloured(wizard, "front", "vein") == 0
    assert coloured(wizard, "front", "false lumen") > 30
    hand.click(check.structures.undo_button)
    assert coloured(wizard, "front", "vein") > 30
    qtbot.waitUntil(lambda: check.space._image is not None, timeout=_PATIENCE_MS)
    image = check.space._image
    assert image is not None
    assert pixels_of(image).std() > 5


@pytest.mark.usefixtures("at_once")
def test_the_wheel_moves_one_slab_and_a_click_brings_the_others_there(
    qtbot: QtBot, window: GuidanceWindow, disk: Path
) -> None:
    check = checked(qtbot, window, disk).check
    view = check.slabs.views["feet"]
    before = check.slabs.point_mm
    at = QPointF(view.rect().center())
    turned = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, turned)
    assert check.slabs.point_mm[2] == pytest.approx(before[2] + 2.0)
    Hand(qtbot).click(view, QPoint(view.width() // 2 + 30, view.height() // 2 + 20))
    assert check.slabs.point_mm[0] > before[0] or check.slabs.point_mm[1] > before[1]


@pytest.mark.usefixtures("at_once")
def test_a_correction_is_in_the_case_before_it_is_guided_on(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    wizard = checked(qtbot, window, disk)
    wizard.check.structures.choose("vein")
    wizard.check.structures.class_buttons[LEFT_OUT].click()
    wizard.check.guide_button.click()
    qtbot.waitUntil(lambda: window.current is window.live, timeout=_PATIENCE_MS)
    structures = structures_of(load_case(tmp_path / "cases" / "heart").vessel_model())
    assert [one.name for one in structures] == ["artery"]
    assert [entry.name for entry in (tmp_path / "cases").iterdir()] == ["heart"]


@pytest.mark.usefixtures("at_once")
def test_a_case_that_is_kept_has_a_card_and_can_be_checked_again(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    wizard = checked(qtbot, window, disk)
    wizard.check.keep_button.click()
    room = room_of(window)
    assert room.wizard is None
    assert any(str(tmp_path / "cases" / "heart") in button.text() for button in room.welcome.buttons.values())
    assert room.welcome.run_button.isVisible()
    Hand(qtbot).click(room.welcome.check_button)
    again = wizard_of(window)
    qtbot.waitUntil(lambda: again.step == "check", timeout=_PATIENCE_MS)
    assert again.check.structures.classes == {"artery": "artery", "vein": "vein"}
    assert not again.check.guide_button.isEnabled()
    again.begin([disk / "IM0001"])
    qtbot.waitUntil(lambda: not again.working, timeout=_PATIENCE_MS)
    assert again.check.guide_button.isEnabled()


@pytest.mark.parametrize("stage", ["looking", "making", "correcting"])
def test_cancelled_at_any_stage_nothing_half_made_stays(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    if stage == "correcting":
        wizard = checked(qtbot, window, disk)
        wizard.check.structures.choose("vein")
        wizard.check.structures.class_buttons["artery"].click()
        with monkeypatch.context() as lingering:  # so small a case is written between two looks at the job
            lingering.setattr("guidance_app.rooms.case.importing.works.correct_case", slow_works.correct_case)
            wizard.check.guide_button.click()
    elif stage == "making":
        wizard = surveyed(qtbot, window, disk)
        wizard.sources.kinds["evt"].click()
        wizard.sources.make_button.click()
    else:
        room_of(window).new_case([disk])
        wizard = wizard_of(window)
    page = wizard.check if stage == "correcting" else wizard.sources
    qtbot.waitUntil(lambda: wizard._job is not None and wizard._job.stage not in ("", "starting"), timeout=_PATIENCE_MS)
    began_s = time.monotonic()
    Hand(qtbot).click(page.progress.cancel_button)
    took_s = time.monotonic() - began_s
    assert not wizard.working
    assert took_s < 1.0
    assert page.line.text().startswith("Cancelled; ")
    cases = tmp_path / "cases"
    left = [entry.name for entry in cases.iterdir()] if cases.exists() else []
    assert left == (["heart"] if stage == "correcting" else [])
    assert psutil.Process().children() == [] or all(
        child.status() == psutil.STATUS_ZOMBIE or "resource_tracker" in " ".join(child.cmdline())
        for child in psutil.Process().children()
    )
    if stage == "correcting":
        assert structures_of(load_case(cases / "heart").vessel_model())[1].structure_class == "vein"
    scratch = wizard._scratch
    wizard.header.back.click()
    qtbot.waitUntil(lambda: room_of(window).wizard is None, timeout=_PATIENCE_MS)
    assert not scratch.exists()


def test_a_job_that_crashes_is_one_line_and_can_be_begun_again(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    wizard = surveyed(qtbot, window, disk)
    wizard.sources.kinds["evt"].click()
    wizard.sources.make_button.click()
    qtbot.waitUntil(lambda: wizard._job is not None and wizard._job._process is not None, timeout=_PATIENCE_MS)
    assert wizard._job is not None
    assert wizard._job._process is not None
    assert wizard._job._process.pid is not None
    psutil.Process(wizard._job._process.pid).kill()
    qtbot.waitUntil(lambda: not wizard.working, timeout=_PATIENCE_MS)
    assert wizard.sources.line.text().startswith("it broke off")
    assert list((tmp_path / "cases").iterdir()) == []
    wizard.sources.make_button.click()
    qtbot.waitUntil(lambda: wizard.step == "check", timeout=_PATIENCE_MS)


@pytest.mark.usefixtures("at_once")
def test_a_case_of_the_same_name_stays_as_it_is(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "cases" / "heart").mkdir(parents=True)
    (tmp_path / "cases" / "heart" / "mine.txt").write_text("mine")
    wizard = surveyed(qtbot, window, disk)
    wizard.sources.kinds["evt"].click()
    wizard.sources.name.setText("heart")
    Hand(qtbot).click(wizard.sources.make_button)
    assert not wizard.working
    assert "heart is there already; choose another name" in wizard.sources.line.text()
    assert (tmp_path / "cases" / "heart" / "mine.txt").read_text() == "mine"


@pytest.mark.usefixtures("at_once")
def test_a_scan_without_contrast_says_so_before_and_after(qtbot: QtBot, window: GuidanceWindow, tmp_path: Path) -> None:
    shape, affine = (64, 64, 64), grid((64, 64, 64), (1.0, 1.0, 1.0))
    hu = np.full(shape, -1000.0)
    hu[8:56, 8:56] = 40.0
    hu += np.random.default_rng(2).normal(0.0, 10.0, shape)
    path = tmp_path / "plain.nii.gz"
    save_ct(path, CtVolume(voxels_hu=hu.astype(np.int16), lps_from_index=affine))
    wizard = surveyed(qtbot, window, path)
    card = next(iter(wizard.sources.scans))
    assert "no contrast" in card.warning
    wizard.sources.kinds["tavi"].click()
    wizard.sources.make_button.click()
    qtbot.waitUntil(lambda: not wizard.working, timeout=_PATIENCE_MS)
    assert "no contrast between 180 and 700 HU" in wizard.sources.line.text()
    assert wizard.step == "files"
    assert list((tmp_path / "cases").iterdir()) == []


@pytest.mark.parametrize("what", ["empty", "text", "gone"])
@pytest.mark.usefixtures("at_once")
def test_nothing_usable_is_one_line_with_a_way_out(
    qtbot: QtBot, window: GuidanceWindow, tmp_path: Path, what: str
) -> None:
    place = tmp_path / "place"
    if what != "gone":
        place.mkdir()
    if what == "text":
        (place / "a.txt").write_text("x")
    wizard = surveyed(qtbot, window, place)
    line = wizard.sources.line.text()
    assert ("is not there; choose a folder" if what == "gone" else "Nothing here makes a case: add a folder") in line
    assert "\n" not in line
    wizard.sources.make_button.click()
    assert not wizard.working
    assert wizard.header.folder.isEnabled()


@pytest.mark.usefixtures("at_once")
def test_what_is_dropped_is_looked_through_beside_the_rest(qtbot: QtBot, window: GuidanceWindow, disk: Path) -> None:
    assert drop(room_of(window).welcome, disk / "cta.nii.gz")
    wizard = wizard_of(window)
    qtbot.waitUntil(lambda: not wizard.working, timeout=_PATIENCE_MS)
    assert not wizard.sources.runs
    assert drop(wizard, disk / "IM0001", disk / "masks")
    qtbot.waitUntil(lambda: not wizard.working, timeout=_PATIENCE_MS)
    assert len(wizard.sources.runs) == 1
    assert [model.path for model in wizard.sources.models.values()] == [disk / "masks"]
    assert len(wizard.sources.scans) == 1


@pytest.mark.usefixtures("at_once")
def test_a_name_that_might_be_a_patients_text_is_refused(qtbot: QtBot, window: GuidanceWindow, disk: Path) -> None:
    wizard = surveyed(qtbot, window, disk)
    wizard.sources.kinds["evt"].click()
    wizard.sources.name.clear()
    qtbot.keyClicks(wizard.sources.name, "Doe, Jane")
    assert wizard.sources.name.text() == "DoeJane"
    wizard.sources.name.clear()
    wizard.sources.make_button.click()
    assert "a pseudonym, never the patient's name" in wizard.sources.line.text()


def test_a_full_disk_is_one_line_and_leaves_nothing(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("engines.anatomy.cases.case_creation.save_ct", full)
    folder, look = tmp_path / "job", tmp_path / "look"
    folder.mkdir()
    look.mkdir()
    plan = CasePlan(kind="evt", field_of_view="upper", case_id="heart", cta=disk / "cta.nii.gz", vessels=disk / "masks")
    with pytest.raises(InputError, match=r"No space left on device.*free space"):
        works.make_case(folder, lambda _words, _share: None, plan=plan, look=look)
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("at_once")
def test_what_was_guessed_is_said_and_kept_without_the_files_names(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    both = load_masks(disk)
    for mask in (disk / "masks").iterdir():
        mask.unlink()
    (disk / "masks").rmdir()
    save_labels(disk / "DOE_JANE.nii.gz", both)
    wizard = checked(qtbot, window, disk)
    said = wizard.check.notes.text()
    assert "guessed from their shapes" in said
    assert "--names" not in said
    assert "DOE" not in said
    assert not any("DOE" in note for note in read_notes(tmp_path / "cases" / "heart"))
    assert all(one.guessed for one in structures_of(load_case(tmp_path / "cases" / "heart").vessel_model()))
    item = wizard.check.structures.table.item(0, 1)
    assert item is not None
    assert item.text().endswith("(guessed)")


def test_a_run_of_another_patient_says_so(tmp_path: Path) -> None:
    run = FoundRun(path=tmp_path / "xa.dcm", words="xa", patient="B", lao_deg=3.0, cranial_deg=0.0)
    words = [run_card(run, tmp_path, patient).warning for patient in ("A", "B", "")]
    assert words == ["of another patient than the scan", "", ""]


def load_masks(disk: Path) -> Any:
    from engines.anatomy.files.labels import load_labels

    return load_labels(disk / "masks")


def _button(box: QDialogButtonBox, words: str) -> QPushButton:
    found: Callable[[str], bool] = lambda text: words in text.replace("&", "")  # noqa: E731
    return next(button for button in box.findChildren(QPushButton) if found(button.text()))
