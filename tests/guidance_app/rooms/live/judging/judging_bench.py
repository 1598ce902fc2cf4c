# ruff: noqa: ARG002 - the stand-in takes what the real model takes
"""A window on a staged session with a registration, and a model that judges as it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from PyQt6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.angiography.frame import Frame
from engines.registration.residuals.branch_residuals import BranchResidual
from guidance_app.live.guidance import Overlay, OverlayPath, ScreenState
from guidance_app.rooms.live.judging.judged_model import JudgedBranch, JudgedModel, Judgement, ModelPlace
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.live.stand_ins import registration
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, frame, geometry, overlay, screen

VESSEL = OverlayPath(
    points_px=np.array([[20.0, 45.0], [80.0, 45.0], [80.0, 55.0], [20.0, 55.0]]),
    width_px=np.full(4, np.nan),
    closed=True,
)


def branch(name: str, residual_mm: float | None, *, row: float = 50.0, right_px: float = 0.0) -> JudgedBranch:
    """A horizontal branch in this row of the staged picture."""
    columns = np.linspace(20.0, 80.0, 31)
    told = BranchResidual(
        branches=(0,), name=name, vessel_class="artery", residual_mm=residual_mm,
        move_mm=np.array([residual_mm or 0.0, 0.0]), here=0.4, there=0.9, visible_mm=40.0,
    )  # fmt: skip
    line = np.column_stack([columns, np.full(31, row)])
    return JudgedBranch(name=name, residual=told, pieces_px=(line,), move_px=np.array([right_px, 0.0]))


class StagedModel:
    """Answers with `judgement`; remembers what it was asked; its overlays lie where the pose's shift says."""

    pivot_mm = np.zeros(3)

    def __init__(self, *branches: JudgedBranch) -> None:
        worst = max((one.residual.residual_mm or 0.0 for one in branches), default=None)
        self.judgement = Judgement(branches=branches, middle_mm=worst, worst_mm=worst)
        self.asked: list[RigidPose] = []
        self.drawn: list[RigidPose] = []

    def judge(self, pose: RigidPose, geometry: CArmGeometry, vessels: object) -> Judgement:
        self.asked.append(pose)
        return self.judgement

    def overlay(self, shown: Frame, view: CArmGeometry, pose: RigidPose, *, error_mm: float | None = None) -> Overlay:
        self.drawn.append(pose)
        return overlay(shown.index)

    def nearest_place(self, pose: RigidPose, view: CArmGeometry, at_px: tuple[float, float]) -> ModelPlace | None:
        """On the plane through the isocentre, right where it was clicked."""
        point = view.projection(pose).back_project(np.array([at_px]), np.array([view.sod_mm]))[0]
        return ModelPlace(
            point_lps_mm=point, direction=np.array([0.0, 1.0, 0.0]), radius_mm=3.0, name="LM", away_px=0.5
        )

    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        return np.empty((0, 3)), np.empty((0, 3))


def judged_screen(**changes: Any) -> ScreenState:
    """A paused picture with its own result, whose vessels are outlined."""
    base = screen(guidance="proposed", paused=True)
    assert base.result is not None
    return replace(base, result=replace(base.result, vessel_outline=(VESSEL,)), **changes)


class JudgingBench:
    """The window with judging open."""

    def __init__(self, qtbot: QtBot, *branches: JudgedBranch, shown: ScreenState | None = None) -> None:
        self.qtbot = qtbot
        self.session = StagedSession([shown or judged_screen()])
        self.session.registration = cast(Any, registration(geometry()))
        self.model = StagedModel(*branches)
        self.window = GuidanceWindow(title="Test")
        qtbot.addWidget(self.window, before_close_func=lambda window: window.close_rooms())
        self.window.resize(1280, 800)
        self.window.live.show_session(self.session, CASE, runs=("run1",))
        self.place = self.window.live.widget
        self.desk = self.place.judging
        self.panel = self.place.judging_panel
        self.desk.take(lambda: cast(JudgedModel, self.model))
        self.window.go_to("live")
        with qtbot.waitExposed(self.window):
            self.window.show()
        qtbot.waitUntil(lambda: self.session.finished)

    def open(self) -> None:
        self.press(Qt.Key.Key_J)
        self.qtbot.waitUntil(lambda: self.desk.judgement is not None)

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> str:
        self.window.strip.message.setText("")
        self.qtbot.keyPress(self.window, key, modifier)
        return self.window.strip.message.text()

    def at(self, column: float, row: float) -> QPoint:
        """A place of the frame in the view."""
        to_view = self.place.view.view_from_frame()
        assert to_view is not None
        return to_view.map(QPointF(column + 0.5, row + 0.5)).toPoint()

    def click(self, column: float, row: float) -> None:
        self.qtbot.mouseClick(self.place.view, Qt.MouseButton.LeftButton, pos=self.at(column, row))

    def pixel(self, column: float, row: float) -> tuple[int, int, int]:
        view = self.place.view
        view.repaint()
        colour = view.grab().toImage().pixelColor(self.at(column, row))
        return colour.red(), colour.green(), colour.blue()


__all__ = ["VESSEL", "JudgingBench", "StagedModel", "branch", "frame", "judged_screen"]
