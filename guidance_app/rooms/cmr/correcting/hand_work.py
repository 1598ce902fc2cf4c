"""The corrections of one result: taken up from its inputs, computed off Qt's thread, taken back one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal

from calibration.errors import InputError
from engines.cmr.correcting.corrections import NONE, Corrections, DrawnWall, Move, SetStenosis
from engines.cmr.correcting.from_files import TakenUp, take_up
from engines.cmr.fusion_result import Fusion
from engines.cmr.results.result_file import write_fusion
from engines.cmr.results.session_file import SessionSlice, session_slices
from guidance_app.panels.background import Background
from guidance_app.rooms.cmr.opened import OpenedCmr, opened_of

_NOT_YET = "press Correct first"
_Stenosis = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shown:
    opened: OpenedCmr
    session: tuple[SessionSlice, ...]
    seconds: float


class HandWork(QObject):
    """`changed` carries the opened result and its slices after each correction, `ready` says that handles may show.

    Args:
        say: takes lines for the status strip.
    """

    changed = pyqtSignal(object, object)
    ready = pyqtSignal()

    def __init__(self, opened: OpenedCmr, say: Callable[[str], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        # Of its own: another request of the place, as for a CT, must not drop a correction.
        self._opened, self._background, self._say = opened, Background(self), say
        self._ended = False
        self._taken: TakenUp | None = None
        self._wanted = NONE
        self.waiting = False

    @property
    def active(self) -> bool:
        return self._taken is not None

    @property
    def fusion(self) -> Fusion:
        assert self._taken is not None
        return self._taken.session.fusion

    @property
    def corrected(self) -> bool:
        return self._taken is not None and self._taken.session.corrections is not NONE

    def refusal(self) -> str:
        return "" if self.active else _NOT_YET

    def begin(self) -> str:
        """Measure the case again; `ready` follows."""
        if self.active or self.waiting:
            return "corrections are ready" if self.active else "the case is being measured again"
        self.waiting = True
        self._background.run(
            lambda: take_up(self._opened.folder, self._follow), self._begun, failed=self._not_begun, replaces=False
        )  # fmt: skip
        return "measuring the case again, so that it can be corrected"

    # What a reader does

    def move_end(self, name: str, by_mm: np.ndarray) -> str:
        """Move apex or mitral centre, LPS."""
        before = self._wanted.apex_mm if name == "apex" else self._wanted.mitral_mm
        first, second, third = (float(a + b) for a, b in zip(before, by_mm, strict=True))
        move: Move = (first, second, third)
        return self._want(replace(self._wanted, **{f"{name}_mm": move}))  # pyright: ignore[reportArgumentType]

    def turn_insertion(self, name: str, by_deg: float) -> str:
        """Turn the anterior or inferior insertion about the axis."""
        before = self._wanted.anterior_deg if name == "anterior" else self._wanted.inferior_deg
        return self._want(replace(self._wanted, **{f"{name}_deg": before + by_deg}))  # pyright: ignore[reportArgumentType]

    def move_slice(self, index: int, septal_mm: float, anterior_mm: float) -> str:
        a, b = self._wanted.slices_mm.get(index, (0.0, 0.0))
        moves = {**self._wanted.slices_mm, index: (a + septal_mm, b + anterior_mm)}
        return self._want(replace(self._wanted, slices_mm=moves))

    def draw_wall(self, index: int, drawn: DrawnWall) -> str:
        return self._want(replace(self._wanted, walls={**self._wanted.walls, index: drawn}))

    def name_branch(self, index: int, vessel: str) -> str:
        return self._want(replace(self._wanted, vessels={**self._wanted.vessels, index: vessel}))

    def hide_branch(self, index: int) -> str:
        """Hide a branch, or show it again."""
        return self._want(replace(self._wanted, hidden=self._wanted.hidden ^ {index}))

    def set_stenosis(self, branch: int, point: int, percent: float) -> str:
        one = SetStenosis(branch=branch, point=point, percent=percent)
        return self._want(replace(self._wanted, added=(*self._wanted.added, one)))

    def reject_stenosis(self, lesion: int) -> str:
        """Say that the lesion with this number is none."""
        if not self.active:
            return _NOT_YET
        if not 0 <= lesion < len(self.fusion.lesions):
            return "choose a lesion in the list first"
        stenosis = self.fusion.lesions[lesion].stenosis
        here: _Stenosis = (stenosis.branch, stenosis.point)
        left = tuple(one for one in self._wanted.added if (one.branch, one.point) != here)
        if len(left) < len(self._wanted.added):
            return self._want(replace(self._wanted, added=left))
        return self._want(replace(self._wanted, rejected=self._wanted.rejected | {here}))

    def undo(self) -> str:
        """Take the last correction back."""
        if self._taken is None:
            return _NOT_YET
        if self._background.busy:
            return "a correction is being computed"
        if not self._taken.session.undo():
            return "nothing to undo"
        self._wanted = self._taken.session.corrections
        self._run(lambda: None, "taken back")
        return ""

    def write(self, folder: Path) -> None:
        """The corrected result with all its files.

        Raises:
            InputError: the folder cannot be written to.
        """
        assert self._taken is not None
        write_fusion(folder, self.fusion, self._taken.ct, self._taken.wall, case="", elapsed_ms=0.0)

    @property
    def busy(self) -> bool:
        return self._background.busy

    def close(self) -> None:
        """End what is being measured or computed."""
        self._ended = True
        self._background.close()

    # Computing

    def _follow(self, _text: str, _share: float) -> None:
        if self._ended:
            raise InputError("the result was closed")

    def _want(self, corrections: Corrections) -> str:
        if self._taken is None:
            return _NOT_YET
        self._wanted = corrections
        session = self._taken.session
        self._run(lambda: session.correct(corrections), "corrected")
        return ""

    def _run(self, work: Callable[[], object], word: str) -> None:
        taken = self._taken
        assert taken is not None

        def compute() -> _Shown:
            started = time.perf_counter()
            work()
            fusion = taken.session.fusion
            opened = opened_of(fusion, self._opened)
            return _Shown(opened=opened, session=session_slices(fusion), seconds=time.perf_counter() - started)

        def show(shown: _Shown) -> None:
            self.changed.emit(shown.opened, shown.session)
            self._say(f"{word} in {shown.seconds:.1f} s")

        self._background.run(compute, show, failed=self._refused, replaces=False)

    def _begun(self, taken: TakenUp) -> None:
        self._taken, self.waiting = taken, False
        self._say("drag a handle, brush a wall, or choose a branch")
        self.ready.emit()

    def _not_begun(self, error: Exception) -> None:
        self.waiting = False
        self._tell(error)

    def _refused(self, error: Exception) -> None:
        if self._taken is not None:
            self._wanted = self._taken.session.corrections
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error
        self._say(str(error))
