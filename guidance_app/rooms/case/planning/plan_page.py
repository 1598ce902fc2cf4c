"""Planning on three linked slices: marks, the annulus, and the angles of the C-arm beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engines.planning.angles import ViewAngles
from engines.planning.annulus import CUSPS, cusp_overlap, edge_on, three_cusps
from engines.planning.plan import MarkKind
from engines.planning.segment_views import AngleMap, seen_from
from guidance_app.rooms.case.checking.case_look import CaseLook
from guidance_app.rooms.case.planning.angle_plot import BEST, CURVE, WIDEST_DEG, AnglePlot, PlotMark
from guidance_app.rooms.case.planning.mark_slices import MarkSlices
from guidance_app.rooms.case.planning.plan_desk import PlanDesk
from guidance_app.rooms.case.planning.plan_side import PlanSide
from guidance_app.views import palette
from guidance_app.views.language import tr

_LOOK_MS = 300  # how often the C-arm is asked for where it stands


class PlanPage(QWidget):
    """Signals: `kept` once the plan lies in the case.

    Args:
        carm_deg: LAO/RAO and cranial angle of the picture that the live room shows; None where there is none.
    """

    kept = pyqtSignal()

    def __init__(self, carm_deg: Callable[[], tuple[float, float] | None]) -> None:
        super().__init__()
        self._carm_deg = carm_deg
        self.desk = PlanDesk(self)
        self.slices = MarkSlices(self)
        self.plot = AnglePlot()
        self.side = PlanSide()
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.thin_button = QPushButton(tr("Slices / slabs"))
        self.thin_button.setMinimumHeight(40)
        self.thin_button.setToolTip("S")
        self.thin_button.clicked.connect(lambda: self.toggle_thin())
        self.keep_button = QPushButton(tr("Keep in the case"))
        self.keep_button.setMinimumHeight(44)
        self.keep_button.setToolTip("Ctrl+S")
        self.keep_button.clicked.connect(lambda: self.keep())
        self._tried: ViewAngles | None = None
        self._live: ViewAngles | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look_at_carm)
        self.slices.mark_moved.connect(self.desk.move)
        self.desk.changed.connect(self._show_plan)
        self.desk.opened.connect(self._opened)
        self.desk.mapped.connect(self._mapped)
        self.desk.said.connect(self.say)
        self.desk.kept.connect(self.kept)
        self.plot.chosen.connect(self.try_angles)
        self.side.placed.connect(self.place)
        self.side.hinge_placed.connect(self.place_hinge)
        self.side.went.connect(self._go_to)
        self.side.removed.connect(lambda name: self._told(self.desk.remove(name)))
        self.side.segment_chosen.connect(self._segment_chosen)
        self.side.limits_changed.connect(self.desk.set_limits)
        self._lay_out()

    def show_case(self, folder: Path, look: CaseLook) -> None:
        """Plan on this case."""
        self.slices.show_look(look)
        self.slices.show_classes({one.name: one.structure_class for one in look.structures}, "")
        self._tried = None
        self.say(tr("Click to go there, then say what it is; marks can be dragged"), False)
        self.desk.open(folder, look.labels)
        self._timer.start()
        self.look_at_carm()

    def place(self, kind: MarkKind) -> str:
        """A mark where the crosshair is, with the name that is written."""
        problem = self.desk.place(kind, self.side.name.text(), self.slices.point_mm)
        self.side.name.clear()
        return self._told(problem)

    def place_hinge(self, cusp: str) -> str:
        return self._told(self.desk.place_hinge(cusp, self.slices.point_mm))

    def undo(self) -> str:
        return self._told(self.desk.undo())

    def redo(self) -> str:
        return self._told(self.desk.redo())

    def keep(self) -> str:
        return self._told(self.desk.keep())

    def toggle_thin(self) -> str:
        self.slices.show_thin(not self.slices.thin)
        return ""

    def try_angles(self, primary_deg: float, secondary_deg: float) -> None:
        """Try a view; the C-arm's own dot comes back with the next move of the C-arm."""
        self._tried = ViewAngles(primary_deg=primary_deg, secondary_deg=secondary_deg)
        self._show_angles()

    def look_at_carm(self) -> None:
        """Take up where the live picture was taken from."""
        found = self._carm_deg()
        live = None if found is None else ViewAngles(primary_deg=found[0], secondary_deg=found[1])
        if live is not None and live != self._live:
            self._tried = None
        self._live = live
        if self._tried is None:
            self.plot.live = live is not None
            self.plot.carm = live or self.plot.carm or ViewAngles(primary_deg=0.0, secondary_deg=0.0)
            self._say_here()
            self.plot.update()

    def say(self, line: str, problem: bool) -> None:
        self.line.setText(line)
        self.line.setStyleSheet(f"color: {palette.ALARM if problem else palette.QUIET_TEXT};")

    def close_page(self) -> None:
        """Twice is harmless."""
        self._timer.stop()
        self.desk.close_desk()

    def _told(self, problem: str) -> str:
        if problem:
            self.say(problem, True)
        return problem

    def _opened(self) -> None:
        self.side.show_segments(self.desk.segments)

    def _go_to(self, name: str) -> None:
        point = self.desk.points().get(name)
        if point is not None:
            self.slices.go_to(point)

    def _segment_chosen(self, number: int) -> None:
        chosen = self.desk.segments[number] if 0 <= number < len(self.desk.segments) else None
        self.desk.choose(chosen)
        if chosen is not None:
            self.slices.go_to(chosen.points_mm[len(chosen.points_mm) // 2])

    def _mapped(self, found: AngleMap | None) -> None:
        self.plot.show_map(found)
        self._show_angles()

    def _show_plan(self) -> None:
        desk = self.desk
        self.slices.show_marks(desk.points())
        self.side.show_plan(desk.plan)
        self.side.show_annulus(desk.annulus, desk.size, desk.problem, missing=len(CUSPS) - len(desk.plan.hinges))
        self.plot.limits = desk.limits
        self._show_angles()

    def _show_angles(self) -> None:
        desk, marks = self.desk, []
        self.plot.curve = np.empty((0, 2))
        views: list[tuple[str, ViewAngles]] = []
        if desk.annulus is not None:
            primary = np.arange(-WIDEST_DEG, WIDEST_DEG + 0.5, 1.0)
            self.plot.curve = np.column_stack([primary, edge_on(desk.annulus.normal, primary)])
            views = [(tr("cusp overlap"), cusp_overlap(desk.annulus)), (tr("three cusps"), three_cusps(desk.annulus))]
            marks += [
                PlotMark(words=words, angles=angles, colour=CURVE, above=number > 0)
                for number, (words, angles) in enumerate(views)
            ]
        if desk.found is not None:
            best = ViewAngles(primary_deg=desk.found.best.primary_deg, secondary_deg=desk.found.best.secondary_deg)
            marks.append(PlotMark(words=tr("best"), angles=best, colour=BEST, shape="square"))
        self.plot.marks = tuple(marks)
        self.side.show_views(views, desk.limits)
        if self._tried is not None:
            self.plot.carm, self.plot.live = self._tried, False
        self._say_here()
        self.plot.update()

    def _say_here(self) -> None:
        here, desk = self.plot.carm, self.desk
        if here is None:
            return
        seen = None if desk.segment is None else seen_from(desk.segment, here.primary_deg, here.secondary_deg)
        self.side.show_here(here, desk.off_edge(here), seen, live=self.plot.live, reached=desk.limits.reach(here))
        self.side.show_best(None if desk.found is None else desk.found.best, searching=desk.segment is not None)

    def _lay_out(self) -> None:
        below = QHBoxLayout()
        below.setSpacing(10)
        below.addWidget(self.line, 1)
        below.addWidget(self.thin_button)
        below.addWidget(self.keep_button)
        left = QVBoxLayout()
        left.setSpacing(6)
        left.addLayout(self.slices.beside(self.plot), 1)
        left.addLayout(below)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addLayout(left, 1)
        layout.addWidget(self.side)


def plan_keys(page: PlanPage) -> dict[str, tuple[str, Callable[[], str]]]:
    """What keys do on this page: the words and the act of each."""
    hinges = {
        str(number): (tr("Hinge point of the {cusp} cusp").format(cusp=cusp), partial(page.place_hinge, cusp))
        for number, cusp in enumerate(CUSPS, start=1)
    }  # fmt: skip
    return {
        "L": (tr("Landmark at the crosshair"), partial(page.place, "landmark")),
        "T": (tr("Target at the crosshair"), partial(page.place, "target")),
        "O": (tr("Ostium at the crosshair"), partial(page.place, "ostium")),
        **hinges,
        "S": (tr("Slices, again: slabs"), page.toggle_thin),
        "Ctrl+Z": (tr("Undo the last mark"), page.undo),
        "Ctrl+Y": (tr("Set it again"), page.redo),
        "Ctrl+S": (tr("Keep the plan in the case"), page.keep),
        "Del": (tr("Remove the chosen mark"), lambda: page.side.remove_chosen()),
    }
