"""What is planned on a case: marks with undo, the annulus and its views, a segment and the angles that show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QObject, pyqtSignal

from calibration.errors import GuidanceError, InputError
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.structure_names import vessel_class_of
from engines.anatomy.vessel_model import LabelVolume
from engines.planning.angles import GantryLimits, ViewAngles
from engines.planning.annulus import CUSPS, Annulus, AnnulusSize, annulus_of, annulus_size
from engines.planning.plan import Mark, MarkKind, Plan, keep_plan, read_plan
from engines.planning.segment_views import AngleMap, Segment, angle_map, segments_of
from guidance_app.panels.background import Background
from guidance_app.views.language import tr

_PLOT_STEP_DEG = 4.0


class PlanDesk(QObject):
    """Signals: `changed` after every change of the plan; `opened` once a case was read; `mapped` with the angles of
    the chosen segment; `said` one line, and whether it is a problem; `kept` once the plan lies in the case.

    Attributes:
        size: of the lumen in the annulus' plane; None where none is cut, or there is no annulus.
        unkept: the plan differs from what the case has.
    """

    changed = pyqtSignal()
    opened = pyqtSignal()
    mapped = pyqtSignal(object)
    said = pyqtSignal(str, bool)
    kept = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.plan = Plan()
        self.segments: tuple[Segment, ...] = ()
        self.segment: Segment | None = None
        self.found: AngleMap | None = None
        self.limits = GantryLimits()
        self.annulus: Annulus | None = None
        self.size: AnnulusSize | None = None
        self.problem = ""  # why three hinge points make no annulus
        self.unkept = False
        self._case: Case | None = None
        self._labels: LabelVolume | None = None
        self._done: list[Plan] = []
        self._undone: list[Plan] = []
        self._background = Background(self)

    @property
    def busy(self) -> bool:
        return self._background.busy

    def open(self, folder: Path, labels: LabelVolume | None) -> None:
        """Read a case and its plan, off the window's thread."""
        self._case, self._labels = None, labels

        def work() -> tuple[Case, Plan, tuple[Segment, ...]]:
            case = load_case(folder)
            tree = case.vessel_model().centerlines
            return case, read_plan(case), segments_of(tree.branches) if tree is not None else ()

        self._background.run(work, self._opened, failed=self._failed)

    def place(self, kind: MarkKind, name: str, point_mm: Float[np.ndarray, " 3"]) -> str:
        """Set a landmark, the target or an ostium; "" or one line why not."""
        words = " ".join(name.split()) or self._free_name(kind)
        if words in CUSPS:
            return tr("{name} is a cusp's name; choose another").format(name=words)
        self._take(self.plan.with_mark(Mark(name=words, kind=kind, point_mm=point_mm.copy())))
        return ""

    def place_hinge(self, cusp: str, point_mm: Float[np.ndarray, " 3"]) -> str:
        self._take(self.plan.with_hinge(cusp, point_mm.copy()))
        return ""

    def move(self, name: str, point_mm: Float[np.ndarray, " 3"]) -> None:
        """A mark or a hinge point was dragged."""
        if name in CUSPS:
            self.place_hinge(name, point_mm)
            return
        old = next(mark for mark in self.plan.marks if mark.name == name)
        self._take(self.plan.with_mark(Mark(name=name, kind=old.kind, point_mm=point_mm.copy())))

    def remove(self, name: str) -> str:
        if name not in self.points():
            return tr("Choose a mark first")
        self._take(self.plan.without(name))
        return ""

    def points(self) -> dict[str, Float[np.ndarray, " 3"]]:
        """All marks and hinge points by name, LPS mm."""
        return {mark.name: mark.point_mm for mark in self.plan.marks} | dict(self.plan.hinges)

    def undo(self) -> str:
        if not self._done:
            return tr("Nothing to take back")
        self._undone.append(self.plan)
        self._show(self._done.pop())
        return ""

    def redo(self) -> str:
        if not self._undone:
            return tr("Nothing to do again")
        self._done.append(self.plan)
        self._show(self._undone.pop())
        return ""

    def choose(self, segment: Segment | None) -> None:
        """The segment whose angles are looked for."""
        self.segment, self.found = segment, None
        self.mapped.emit(None)
        if segment is None:
            return
        limits = self.limits

        def then(found: AngleMap) -> None:
            self.found = found
            self.mapped.emit(found)

        self._background.run(
            lambda: angle_map(segment, limits, step_deg=_PLOT_STEP_DEG), then, failed=self._failed
        )  # fmt: skip

    def set_limits(self, limits: GantryLimits) -> None:
        """How far this room's gantry turns."""
        self.limits = limits
        self.changed.emit()
        if self.segment is not None:
            self.choose(self.segment)

    def keep(self) -> str:
        """Write the plan into the case; "" or one line why not. `kept` tells when it is there."""
        case, plan = self._case, self.plan
        if case is None:
            return tr("The case is still being read")
        partly = 0 < len(plan.hinges) < len(CUSPS)

        def then(kept: Case) -> None:
            self._case = kept
            self.unkept = plan is not self.plan or partly
            line = tr("Kept in the case; live pictures show it with the model")
            self.said.emit(line + (tr("; the annulus is kept once it has three points") if partly else ""), False)
            self.kept.emit()

        self._background.run(lambda: keep_plan(case, plan), then, failed=self._failed, replaces=False)
        return ""

    def off_edge(self, angles: ViewAngles) -> float | None:
        """How many degrees a view is from seeing the annulus as a line; None without an annulus."""
        from engines.planning.annulus import off_edge_deg

        return None if self.annulus is None else off_edge_deg(self.annulus.normal, angles)

    def close_desk(self) -> None:
        """Twice is harmless."""
        self._background.close()

    def _opened(self, read: tuple[Case, Plan, tuple[Segment, ...]]) -> None:
        self._case, plan, self.segments = read
        self._done.clear()
        self._undone.clear()
        self.segment = self.found = None
        self._show(plan)
        self.unkept = False
        self.opened.emit()

    def _take(self, plan: Plan) -> None:
        self._done.append(self.plan)
        self._undone.clear()
        self._show(plan)

    def _show(self, plan: Plan) -> None:
        self.plan, self.unkept = plan, True
        self.annulus, self.size, self.problem = None, None, ""
        hinges = plan.hinges_mm
        if hinges is not None:
            try:
                self.annulus = annulus_of(hinges)
            except InputError as error:
                self.problem = str(error)
        if self.annulus is not None and self._labels is not None:
            names = tuple(name for name in self._labels.names.values() if vessel_class_of(name) == "aorta")
            self.size = annulus_size(self.annulus, self._labels, names or tuple(self._labels.names.values()))
        self.changed.emit()

    def _free_name(self, kind: MarkKind) -> str:
        words = {"landmark": tr("landmark"), "target": tr("target"), "ostium": tr("ostium")}[kind]
        if kind == "target":
            return words
        taken = self.points()
        number = next(n for n in range(1, len(taken) + 2) if f"{words} {n}" not in taken)
        return f"{words} {number}"

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GuidanceError):
            raise error
        self.said.emit(str(error), True)
