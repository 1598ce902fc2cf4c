"""What a person's tool does to the model that is checked: one step after another, off the window's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QObject, pyqtSignal

from calibration.errors import GuidanceError
from engines.anatomy.cases.case import load_case
from engines.anatomy.correcting.edits import (
    AddVessel,
    Brush,
    Cut,
    CutAt,
    Edit,
    ErasePart,
    NameBranch,
    Point,
    SayPart,
    SayStructure,
)
from engines.anatomy.correcting.history import History
from engines.anatomy.correcting.places import class_at, labelled_near, nearest_of_tree
from engines.anatomy.structure_names import NO_VESSEL
from engines.anatomy.vessel_model import CtVolume, VesselModel
from guidance_app.panels.background import Background
from guidance_app.rooms.case.checking.case_look import CaseLook, look_after
from guidance_app.views.language import tr

Tool = Literal["", "add", "brush", "erase", "cut", "bridge", "swap", "name"]


class CorrectDesk(QObject):
    """Signals: `changed` carries the look of the corrected model; `said` one line, and whether it is a problem;
    `busy_changed` while a step is worked on.

    Attributes:
        said_class: of what is added or cut off; "" is as the vessel it belongs to, or gone.
        name: that the next named branch gets.
        keep_mm: of a cut, the click on what stays; None before it.
    """

    changed = pyqtSignal(object)
    said = pyqtSignal(str, bool)
    busy_changed = pyqtSignal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tool: Tool = ""
        self.said_class = ""
        self.name = ""
        self.brush_mm = 2.0
        self.keep_mm: Point | None = None
        self._look: CaseLook | None = None
        self._history: History | None = None
        self._background = Background(self)
        self._background.busy_changed.connect(self.busy_changed)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All that was done and not taken back."""
        return self._history.edits if self._history is not None else ()

    @property
    def busy(self) -> bool:
        return self._background.busy

    def begin(self, look: CaseLook) -> None:
        """Another case is checked."""
        self._look, self._history, self.keep_mm = look, None, None

    def take(self, tool: Tool) -> None:
        """Take a tool; "" lays it down."""
        self.tool, self.keep_mm = tool, None
        self.said.emit(self.words(), False)

    def words(self) -> str:
        """What the next click does."""
        cut = tr("Cut: click on what stays") if self.keep_mm is None else tr("Cut: now click on what falls off")
        return {
            "": "",
            "add": tr("Add: click on a bright vessel that has no outline, best near its tip"),
            "brush": tr("Brush: drag over what is no vessel; [ and ] change its size"),
            "erase": tr("Erase: click on a part; all that hangs together goes"),
            "cut": cut,
            "bridge": tr("Bridge: click on a thin bridge; the smaller side falls off"),
            "swap": tr("Swap: click on a part; artery becomes vein, anything else artery"),
            "name": tr("Name: write a name, then click on the vessel; it goes on to the tip"),
        }[self.tool]

    def click(self, point_mm: Float[np.ndarray, " 3"], before: Sequence[SayStructure]) -> None:
        """Use the tool at a place.

        Args:
            before: what was said of whole structures since the last step; it is done first.
        """
        x, y, z = np.round(point_mm, 3).tolist()
        at: Point = (x, y, z)
        gone = self.said_class or NO_VESSEL
        match self.tool:
            case "add":
                self._do(lambda _: AddVessel(seed_mm=at, said=self.said_class), before)
            case "erase":
                self._do(lambda _: ErasePart(at_mm=at), before)
            case "bridge":
                self._do(lambda _: CutAt(at_mm=at, becomes=gone), before)
            case "swap":
                self._do(lambda model: SayPart(at_mm=at, said=_other_class(model, at)), before)
            case "name":
                name = self.name.strip()
                if not name:
                    self.said.emit(tr("Write the name first"), True)
                    return
                self._do(lambda _: NameBranch(at_mm=at, name=name), before)
            case "cut":
                if self.keep_mm is None:
                    self.keep_mm = at
                    self.said.emit(self.words(), False)
                    return
                keep, self.keep_mm = self.keep_mm, None
                self._do(lambda _: Cut(keep_mm=keep, lose_mm=at, becomes=gone), before)

    def stroke(self, points_mm: Sequence[Float[np.ndarray, " 3"]], before: Sequence[SayStructure]) -> None:
        """Erase along a stroke of the brush."""
        places = [tuple(np.round(point, 2).tolist()) for point in points_mm]
        centres = tuple(dict.fromkeys((x, y, z) for x, y, z in places))
        self._do(lambda _: Brush(centres_mm=centres, radius_mm=self.brush_mm), before)

    def undo(self) -> str:
        return self._step(tr("Nothing to take back"), bool(self._history and self._history.done), History.undo)

    def redo(self) -> str:
        return self._step(tr("Nothing to do again"), bool(self._history and self._history.undone), History.redo)

    def close_desk(self) -> None:
        """Twice is harmless."""
        self._background.close()

    def _step(self, nothing: str, can: bool, step: Callable[[History], History]) -> str:
        history = self._history
        if history is None or not can:
            return nothing
        if self.busy:
            return tr("Still at the step before")
        undone = step is History.undo
        words = (history.done if undone else history.undone)[-1].words
        line = (tr("Taken back: {words}") if undone else tr("Done again: {words}")).format(words=words)
        self._run(lambda: step(history), line)
        return ""

    def _do(self, edit_of: Callable[[VesselModel], Edit], before: Sequence[SayStructure]) -> None:
        look = self._look
        if look is None:
            return
        if self.busy:
            self.said.emit(tr("Still at the step before"), True)
            return
        history, sayings = self._history, tuple(before)

        def work() -> History:
            begun = history if history is not None else History(model=_model_of(look))
            ct = partial(_ct_of, look)
            for saying in sayings:
                begun = begun.did(saying, ct)
            return begun.did(edit_of(begun.model), ct)

        self.said.emit(tr("Working\u2026"), False)
        self._run(work, "")

    def _run(self, work: Callable[[], History], line: str) -> None:
        look, before = self._look, self._history
        assert look is not None

        def both() -> tuple[History, CaseLook]:
            history = work()
            model = before.model if before is not None else _model_of(look)
            return history, look_after(look, model, history.model)

        def then(found: tuple[History, CaseLook]) -> None:
            self._history, self._look = found
            self.changed.emit(self._look)
            self.said.emit(line or found[0].done[-1].words, False)

        self._background.run(both, then, failed=self._failed, replaces=False)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GuidanceError):
            raise error
        self.said.emit(str(error), True)


def _model_of(look: CaseLook) -> VesselModel:
    """The model of the case: the look holds its labels already, mapped from the disk."""
    model = load_case(look.folder).vessel_model()
    return model if look.labels is None else VesselModel(labels=look.labels, centerlines=model.centerlines)


def _ct_of(look: CaseLook) -> CtVolume | None:
    if look.volume is None:
        return None
    voxels, lps_from_index = look.volume
    return CtVolume(voxels_hu=voxels, lps_from_index=lps_from_index)


def _other_class(model: VesselModel, at: Point) -> str:
    if model.labels is not None:
        number = int(model.labels.labels[labelled_near(model.labels, at)])
        return "vein" if class_at(model.labels, number) == "artery" else "artery"
    place = nearest_of_tree(model.centerlines, at) if model.centerlines is not None else None
    is_artery = place is not None and model.centerlines is not None and (
        model.centerlines.branches[place.branch].vessel_class == "artery"
    )  # fmt: skip
    return "vein" if is_artery else "artery"
