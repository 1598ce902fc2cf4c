"""A fusion that a reader corrects: each correction computes anew what follows from it, and can be taken back."""

from __future__ import annotations

from dataclasses import replace

from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.coronaries.territory import WallPaths
from engines.cmr.correcting.corrections import NONE, Corrections
from engines.cmr.fuse import judge_case
from engines.cmr.fusion_result import Fusion
from engines.cmr.measured import Measured, Progress, silent
from engines.cmr.registered import Registered, register_case


class CorrectedFusion:
    """Keeps what a case measured, so that a correction costs only what depends on it."""

    def __init__(self, measured: Measured, say: Progress = silent, arms: Arms = DEFAULT) -> None:
        self.measured, self._arms = measured, arms
        self._first = register_case(measured, say, arms)
        self._paths = WallPaths(measured.heart) if measured.branches else None
        self._registered: tuple[Corrections, Registered] = (NONE, self._first)
        self.fusion = judge_case(measured, self._first, say, paths=self._paths)
        self._done: list[tuple[Corrections, Fusion]] = [(NONE, self.fusion)]

    @property
    def corrections(self) -> Corrections:
        return self._done[-1][0]

    def correct(self, corrections: Corrections) -> Fusion:
        """The fusion with these corrections, all counted from the one that was computed.

        Raises:
            InputError: nothing can be fused so; the corrections before stay.
        """
        kept, registered = self._registered
        if not corrections.same_places(kept):
            registered = register_case(
                self.measured, arms=self._arms, corrections=corrections, before=self._first
            )  # fmt: skip
        fusion = judge_case(self.measured, registered, corrections=corrections, paths=self._paths)
        self._registered = (replace(corrections), registered)
        self._done.append((corrections, fusion))
        self.fusion = fusion
        return fusion

    def undo(self) -> bool:
        """Take the last correction back; False where there is none."""
        if len(self._done) < 2:
            return False
        self._done.pop()
        self.fusion = self._done[-1][1]
        return True
