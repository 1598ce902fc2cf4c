"""The branches are listed, the worst first; a choice shows in the picture; comparisons hide the overlay and say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engines.registration.residuals.class_residuals import SeenVessels
from guidance_app.live.engine.model_projection import mask_outlines
from guidance_app.live.engine.step.draw import vessel_outlines
from guidance_app.rooms.live.judging.branch_words import summary_text
from guidance_app.rooms.live.judging.comparison import checkerboard, edges, rendered_model
from guidance_app.rooms.live.judging.judged_model import (
    JudgedBranch,
    JudgedModel,
    Judgement,
    filled_mask,
    seen_vessels,
)
from tests.engines.registration.vessel_bed import bed
from tests.guidance_app.rooms.live.judging.judging_bench import JudgingBench, branch, judged_screen
from tests.guidance_app.views.staging import overlay, screen

_BRANCHES = branch("LAD", 4.2, row=30.0, right_px=12.0), branch("LCx", 0.8, row=70.0), branch("RCA", None, row=90.0)


def test_branches_are_listed_the_worst_first_with_a_mark_beside_each_figure(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    assert not bench.panel.isVisible()
    bench.open()
    assert bench.panel.isVisible()
    rows = [bench.panel.branches.item(row).text() for row in range(3)]  # type: ignore[union-attr]
    assert [row.split() for row in rows] == [
        ["\u25b2", "4.2", "mm", "LAD"], ["\u25cf", "0.8", "mm", "LCx"], ["\u25cb", "not", "filled", "now", "RCA"],
    ]  # fmt: skip
    assert "Judged by 2 branches; 1 not filled now: cannot be judged." in bench.panel.summary.text()


def test_nothing_is_computed_before_judging_is_opened(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    assert bench.model.asked == []
    assert bench.desk.model is None
    assert not bench.desk.busy, "the model is not even being made"
    assert "Open judging first" in bench.press(Qt.Key.Key_B)
    bench.open()
    assert len(bench.model.asked) == 1


def test_a_choice_by_key_or_mouse_shows_the_branch_in_the_picture(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    bench.open()
    before = bench.pixel(40.0, 30.0)
    bench.press(Qt.Key.Key_N)
    assert bench.desk.tool.chosen is not None
    assert bench.desk.tool.chosen.name == "LAD"
    assert bench.panel.branches.currentRow() == 0
    assert max(bench.pixel(40.0, 30.0)) > max(before) + 60
    item = bench.panel.branches.item(1)
    assert item is not None
    at = bench.panel.branches.visualItemRect(item).center()
    qtbot.mouseClick(bench.panel.branches.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert bench.desk.tool.chosen.name == "LCx"
    assert bench.pixel(40.0, 30.0) == before
    qtbot.mouseClick(bench.panel.branches.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert bench.desk.tool.chosen is None


def test_the_list_goes_round_with_both_keys(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    bench.open()
    bench.press(Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert bench.desk.chosen_row == 2
    bench.press(Qt.Key.Key_N)
    assert bench.desk.chosen_row == 0


@pytest.mark.parametrize(
    ("key", "word"), [(Qt.Key.Key_B, "FLICKER"), (Qt.Key.Key_C, "SQUARES"), (Qt.Key.Key_E, "EDGES")]
)
def test_a_comparison_takes_the_overlay_s_place_and_the_badge_says_so(qtbot: QtBot, key: Qt.Key, word: str) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    bench.open()
    plain = bench.place.view.grab().toImage()
    bench.press(key)
    compared = bench.place.view.grab().toImage()
    badges = [text.lines for text in bench.place.view.painted_texts if text.role == "badge"]
    assert word in " ".join(badges[0])
    assert compared != plain
    bench.press(key)
    assert bench.place.view.grab().toImage() == plain


def test_flicker_gives_picture_and_model_their_turns(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    bench.open()
    bench.press(Qt.Key.Key_B)
    model = bench.place.view.grab().toImage()
    qtbot.waitUntil(lambda: not bench.desk.tool.model_turn)
    assert bench.place.view.grab().toImage() != model


def test_the_raw_image_stays_raw(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    bench.press(Qt.Key.Key_Escape)
    raw = bench.place.view.grab().toImage()
    bench.press(Qt.Key.Key_Escape)
    bench.open()
    bench.press(Qt.Key.Key_N)
    bench.press(Qt.Key.Key_C)
    bench.press(Qt.Key.Key_Escape)
    shown = bench.place.view.grab().toImage()
    # The panel beside it makes the picture narrower, so only what is written is compared.
    assert raw.width() > shown.width()
    assert [text.lines for text in bench.place.view.painted_texts if text.role == "badge"] == [("RAW IMAGE",)]
    assert bench.pixel(40.0, 30.0) == bench.pixel(40.0, 32.0)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (judged_screen(guidance_state="stale"), "No current registration"),
        (screen(guidance="proposed", paused=True), "shows no vessel"),
    ],
)
def test_what_cannot_be_judged_says_why(qtbot: QtBot, shown, why: str) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES, shown=shown)
    bench.press(Qt.Key.Key_J)
    assert why in bench.panel.summary.text()
    assert bench.panel.branches.count() == 0


def test_closing_takes_everything_off_the_picture(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    plain = bench.place.view.grab().toImage()
    bench.open()
    bench.press(Qt.Key.Key_N)
    bench.press(Qt.Key.Key_C)
    bench.press(Qt.Key.Key_J)
    assert not bench.panel.isVisible()
    assert bench.place.view.tools == []
    qtbot.waitUntil(lambda: bench.place.view.grab().toImage() == plain)


def test_a_model_that_cannot_be_made_is_said(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)

    def broken():
        raise OSError("surface.vtp: gone")

    bench.desk.take(broken)
    bench.press(Qt.Key.Key_J)
    qtbot.waitUntil(lambda: "surface.vtp: gone" in bench.panel.summary.text())


def test_a_real_model_is_judged_by_outlines_of_vessels() -> None:
    scene = bed(3, missing=0.0, false_curves=0)
    outlines = mask_outlines(scene.view.vessel > 0.5)
    model = JudgedModel(scene.model)
    right = model.judge(scene.pose, scene.geometry, outlines)
    wrong = model.judge(scene.moved(5, deg=1.0, mm=5.0, depth_mm=2.0), scene.geometry, outlines)
    assert right.middle_mm is not None
    assert wrong.middle_mm is not None
    assert right.middle_mm < 1.0 < wrong.middle_mm
    names = [one.name for one in right.branches]
    assert len(set(names)) == len(names)
    # What a branch is moved by brings it onto the vessel.
    mask = scene.view.vessel > 0.5
    worst = next(one for one in wrong.branches if one.residual.residual_mm is not None)
    moved = np.rint(np.concatenate(worst.pieces_px) + worst.move_px).astype(int).clip(0, 511)
    before = np.rint(np.concatenate(worst.pieces_px)).astype(int).clip(0, 511)
    assert mask[moved[:, 1], moved[:, 0]].mean() > mask[before[:, 1], before[:, 0]].mean()


def test_outlines_fill_to_the_mask_they_came_from() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:50, 10:50] = True
    mask[20:40, 20:40] = False
    again = filled_mask(mask_outlines(mask), (60, 60))
    assert (again == mask).mean() > 0.95
    assert not again[30, 30]


def test_comparisons_keep_the_picture_s_size_and_show_both() -> None:
    drawn, grey = overlay(0), np.full((100, 100), 200, np.uint8)
    model = rendered_model(drawn, 150)
    assert model[50, 50] < model[10, 10]
    squares = checkerboard(grey, model)
    assert {int(squares[2, 2]), int(squares[2, 12])} == {200, int(model[2, 12])}
    coloured = edges(grey, model)
    assert coloured.shape == (100, 100, 3)
    assert (coloured.max(axis=2).astype(int) - coloured.min(axis=2) > 60).any()


def test_outlines_keep_their_class_and_those_without_one_are_not_told_apart() -> None:
    arterial, venous = np.zeros((60, 60), dtype=bool), np.zeros((60, 60), dtype=bool)
    arterial[10:30, 10:30], venous[35:55, 35:55] = True, True
    both = seen_vessels(vessel_outlines(SeenVessels(arterial=arterial, venous=venous)), (60, 60))
    assert (both.arterial == arterial).mean() > 0.98
    assert both.venous is not None
    assert (both.venous == venous).mean() > 0.98
    # In the late phase the arteries are empty: that is not the same as classes that nobody tells apart.
    late = seen_vessels(vessel_outlines(SeenVessels(arterial=np.zeros_like(venous), venous=venous)), (60, 60))
    assert late.venous is not None
    assert not late.arterial.any()
    assert seen_vessels(vessel_outlines(SeenVessels(arterial=arterial)), (60, 60)).venous is None


def test_a_late_picture_says_that_veins_alone_are_judged() -> None:
    def of(vessel_class: str, residual_mm: float | None) -> JudgedBranch:
        one = branch(vessel_class, residual_mm)
        return replace(one, residual=replace(one.residual, vessel_class=vessel_class))

    late = Judgement(branches=(of("vein", 0.5), of("vein", 0.0), of("artery", None)), middle_mm=0.0, worst_mm=0.5)
    assert "Judged by 2 veins alone: no artery is filled now" in summary_text(late)
    mixed = Judgement(branches=(of("vein", 0.5), of("artery", 0.0), of("artery", None)), middle_mm=0.0, worst_mm=0.5)
    assert "Judged by 1 branch and 1 vein; 1 not filled now: cannot be judged." in summary_text(mixed)
    none = Judgement(branches=(of("artery", None),), middle_mm=None, worst_mm=None)
    assert "No branch is filled now" in summary_text(none)


def test_a_list_of_the_picture_before_says_that_it_compares(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, *_BRANCHES)
    bench.open()
    assert "Judged by 2" in bench.panel.summary.text()
    shown = judged_screen()
    assert shown.frame is not None
    assert not bench.desk.behind
    bench.desk.see(replace(shown, frame=replace(shown.frame, index=shown.frame.index + 1)), bench.session)
    assert bench.desk.behind
    assert "Comparing" in bench.panel.summary.text()
    bench.desk.see(shown, bench.session)
    qtbot.waitUntil(lambda: "Judged by 2" in bench.panel.summary.text())
