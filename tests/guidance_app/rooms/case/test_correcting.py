"""Tools in the hand of a person: a missed vessel comes, what is wrong goes, all is undone, and the case has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from engines.anatomy.cases.by_hand import read_by_hand
from engines.anatomy.cases.case import load_case
from engines.anatomy.files.ct import load_ct, save_ct
from engines.anatomy.vessel_model import CtVolume
from guidance_app.rooms.case.checking.check_page import CheckPage
from guidance_app.rooms.case.checking.correct_desk import Tool
from guidance_app.rooms.case.importing.wizard import ImportWizard
from guidance_app.window.window import GuidanceWindow
from tests.engines.anatomy.shapes import distance_mm, grid
from tests.guidance_app.mouse import move_mouse
from tests.guidance_app.rooms.case.test_import import checked

_PATIENCE_MS = 60_000
MISSED = ((-14, 0, 0), (4, 0, 10))  # springs from the artery, is in the CT and in no mask


@pytest.fixture
def wizard(qtbot: QtBot, window: GuidanceWindow, disk: Path, at_once: None) -> ImportWizard:  # noqa: ARG001
    ct = load_ct(disk / "cta.nii.gz")
    hu = np.array(ct.voxels_hu)
    affine = grid((64, 64, 64), (1.0, 1.0, 1.0))
    hu[distance_mm((64, 64, 64), affine, [MISSED]) <= 1.6] = 380
    save_ct(disk / "cta.nii.gz", CtVolume(voxels_hu=hu, lps_from_index=ct.lps_from_index))
    wizard = checked(qtbot, window, disk)
    # A window of a hidden test has no size before it is laid out.
    qtbot.waitUntil(lambda: wizard.check.slabs.views["front"].width() > 150)
    return wizard


class Hand:
    """A person who takes tools and clicks into the view from the front."""

    def __init__(self, qtbot: QtBot, check: CheckPage) -> None:
        self.qtbot, self.check = qtbot, check
        self.view = check.slabs.views["front"]

    def take(self, tool: Tool) -> None:
        self.qtbot.mouseClick(self.check.tools.buttons[tool], Qt.MouseButton.LeftButton)
        assert self.check.desk.tool == tool

    def at(self, x_mm: float, z_mm: float) -> QPoint:
        centre = self.check.slabs._centre_mm
        return self.view.view_px(x_mm - centre[0], -(z_mm - centre[2])).toPoint()

    def click(self, x_mm: float, z_mm: float) -> None:
        self.qtbot.mouseClick(self.view, Qt.MouseButton.LeftButton, pos=self.at(x_mm, z_mm))
        self.wait()

    def wait(self) -> None:
        self.qtbot.waitUntil(lambda: not self.check.desk.busy, timeout=_PATIENCE_MS)


def voxels(check: CheckPage) -> np.ndarray:
    assert check.look is not None
    assert check.look.labels is not None
    return np.array(check.look.labels.labels)


def test_a_missed_vessel_is_added_with_one_click_seen_and_kept_in_the_case(
    qtbot: QtBot, window: GuidanceWindow, wizard: ImportWizard, tmp_path: Path
) -> None:
    check = wizard.check
    hand, before = Hand(qtbot, check), voxels(wizard.check)
    hand.take("add")
    hand.click(0.0, 7.8)
    assert "Added" in check.tools.line.text(), check.tools.line.text()
    after = voxels(check)
    assert 60 < int((after != before).sum()) < 300
    assert check.look is not None
    assert len(check.look.lines["artery"]) == 3
    assert "4 branches" in check.facts.text()  # and the vein's
    wizard.check.keep_button.click()
    qtbot.waitUntil(lambda: window.case is not None, timeout=_PATIENCE_MS)
    assert window.case is not None
    assert window.case.folder == tmp_path / "cases" / "heart"
    model = window.case.vessel_model()  # what is guided on from now on
    assert model.labels is not None
    assert model.surface is not None
    assert np.array_equal(model.labels.labels, after)
    assert model.surface.vertices_mm[:, 0].min() < -14.0
    middle = model.surface.vertices_mm[np.abs(model.surface.vertices_mm[:, 0]) < 3.0]
    assert len(middle) > 10  # where the missed vessel runs, between artery and vein
    assert [entry.edit.kind for entry in read_by_hand(window.case.folder)] == ["add"]


def test_undo_goes_back_through_tools_and_classes_in_their_order(qtbot: QtBot, wizard: ImportWizard) -> None:
    check = wizard.check
    hand, found = Hand(qtbot, check), voxels(wizard.check)
    check.structures.choose("vein")
    check.structures.say("false lumen")
    hand.take("add")
    hand.click(0.0, 7.8)
    assert [edit.kind for edit in check.edits] == ["say structure", "add"]
    check.structures.choose("artery")
    check.structures.say("vein")
    assert [edit.kind for edit in check.edits] == ["say structure", "add", "say structure"]
    left = []
    while check.structures.undo_button.isEnabled():
        qtbot.mouseClick(check.structures.undo_button, Qt.MouseButton.LeftButton)
        hand.wait()
        left.append([edit.kind for edit in check.edits])
    assert left == [["say structure", "add"], ["say structure"], []]
    assert np.array_equal(voxels(check), found)
    assert check.structures.classes == {"artery": "artery", "vein": "vein"}
    qtbot.keyClick(wizard, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    hand.wait()
    qtbot.keyClick(wizard, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    hand.wait()
    assert [edit.kind for edit in check.edits] == ["say structure", "add"]
    assert not np.array_equal(voxels(check), found)


def test_a_part_is_swapped_erased_and_named(qtbot: QtBot, wizard: ImportWizard, tmp_path: Path) -> None:
    check = wizard.check
    hand = Hand(qtbot, check)
    hand.take("swap")
    hand.click(14.0, 4.0)
    assert check.structures.classes == {"artery": "artery"}
    hand.take("erase")
    hand.click(14.0, 4.0)
    assert check.look is not None
    assert not (voxels(check)[40:] > 0).any()
    hand.take("name")
    hand.click(-14.0, 4.0)
    assert check.tools.line.text() == "Write the name first"
    qtbot.keyClicks(check.tools.name, "ICA-left")
    hand.click(-14.0, 4.0)
    assert "Named ICA-left" in check.tools.line.text()
    check.keep_button.click()
    tree = load_case(tmp_path / "cases" / "heart").vessel_model().centerlines
    assert tree is not None
    assert {branch.name for branch in tree.branches} == {"ICA-left"}


def test_the_brush_erases_in_slices_along_a_drag(qtbot: QtBot, wizard: ImportWizard) -> None:
    check = wizard.check
    hand, before = Hand(qtbot, check), voxels(wizard.check)
    hand.click(-14.0, 0.0)  # to the artery's depth
    hand.take("brush")
    assert check.slabs.thin
    check.tools.brush.setValue(5.0)
    qtbot.mousePress(hand.view, Qt.MouseButton.LeftButton, pos=hand.at(-16.0, 10.0))
    for x in (-15.0, -14.0, -13.0, -12.0):
        move_mouse(hand.view, hand.at(x, 10.0), held=Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(hand.view, Qt.MouseButton.LeftButton, pos=hand.at(-12.0, 10.0))
    hand.wait()
    gone = (before > 0) & (voxels(check) == 0)
    assert gone.sum() > 100
    places = np.argwhere(gone) @ np.eye(3) + grid((64, 64, 64), (1.0, 1.0, 1.0))[:3, 3]
    assert np.abs(places[:, 2] - 10.0).max() < 6.5
    assert check.look is not None
    assert len(check.look.lines["artery"]) == 2  # parted


def test_a_click_that_can_do_nothing_says_why_and_changes_nothing(qtbot: QtBot, wizard: ImportWizard) -> None:
    check = wizard.check
    hand, before = Hand(qtbot, check), voxels(wizard.check)
    hand.take("add")
    hand.click(0.0, -18.0)
    assert "No contrast there" in check.tools.line.text()
    hand.take("cut")
    hand.click(-14.0, 4.0)
    assert "what falls off" in check.tools.line.text()
    hand.click(14.0, 4.0)
    assert "do not hang together" in check.tools.line.text()
    assert np.array_equal(voxels(check), before)
    assert check.edits == ()
    assert not check.structures.undo_button.isEnabled()


def test_keys_take_tools_and_lay_them_down_but_not_while_a_name_is_typed(
    qtbot: QtBot, window: GuidanceWindow, wizard: ImportWizard
) -> None:
    check = wizard.check
    check.slabs.views["front"].setFocus()
    qtbot.keyClick(window, Qt.Key.Key_E)
    assert check.desk.tool == "erase"
    qtbot.keyClick(window, Qt.Key.Key_E)
    assert check.desk.tool == ""
    qtbot.keyClick(window, Qt.Key.Key_B)
    qtbot.keyClick(window, Qt.Key.Key_BracketRight)
    assert check.desk.brush_mm == pytest.approx(2.5)
    qtbot.keyClick(window, Qt.Key.Key_N)
    qtbot.keyClicks(check.tools.name, "ace")
    assert check.desk.tool == "name"
    assert check.desk.name == "ace"
