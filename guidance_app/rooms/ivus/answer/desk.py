"""The state behind the IVUS room: which frame, which answer, what a person did. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from engines.ivus.fusion import Candidate, Fusion
from engines.ivus.registration import Matter
from engines.ivus.rescue import Act, choice, ranked_again
from engines.ivus.trust import advice
from guidance_app.rooms.ivus.answer.measuring import Measurement
from guidance_app.rooms.ivus.answer.opened import CtSections, OpenedFusion

Verdict = Literal["TRUSTED", "CHECK", "REJECTED"]
Review = Literal["", "accepted", "rejected"]
_LIKELY_WRONG = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    frame: int
    note: str


class FusionDesk:
    """One opened result.

    Args:
        opened: as read; the answer on the desk may differ from it after a person's help.
    """

    def __init__(self, opened: OpenedFusion) -> None:
        self.opened = opened
        self.fusion: Fusion = opened.fusion
        self.ct = CtSections(opened, opened.fusion, None)
        # Candidates of the unhelped search: going through them must not change their list.
        self.candidates: tuple[Candidate, ...] = opened.fusion.candidates
        self.shown_candidate = 0
        self.frame = 0
        self.cut_rad = 0.0
        self.review: Review = ""
        self.matter: Matter | None = None
        self.acts: tuple[Act, ...] = ()
        self.bookmarks: tuple[Bookmark, ...] = ()
        self.measurements: tuple[Measurement, ...] = ()
        self._before: list[tuple[Fusion, CtSections, tuple[Act, ...], int, Review]] = []

    @property
    def frames(self) -> int:
        return len(self.fusion.z_mm)

    @property
    def verdict(self) -> Verdict:
        """What is read first."""
        if self.review == "rejected":
            return "REJECTED"
        if not self.fusion.flags:
            return "TRUSTED"
        helped = "WITH_MANUAL_HELP" in self.fusion.flags
        return "REJECTED" if self.fusion.confidence < _LIKELY_WRONG and not helped else "CHECK"

    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is as it is, in words; the most important first."""
        return tuple(advice(name, self.fusion).split("; ")[0] for name in self.fusion.flags)

    def next_step(self) -> str:
        """What to do now."""
        if self.review:
            return f"{self.review} by you; U takes it back, E exports"
        if not self.fusion.flags:
            return "scrub through once, then A accepts"
        told = [advice(name, self.fusion) for name in self.fusion.flags]
        advised = [words.split("; ")[1] for words in told if "; " in words]
        step = advised[0] if advised else "compare side branches in both pictures"
        return f"do not use it as it is; {step}" if self.verdict == "REJECTED" else step

    def to_frame(self, frame: int) -> bool:
        """Go to a frame, at most to the ends; False where it is there already."""
        frame = min(max(frame, 0), self.frames - 1)
        moved, self.frame = frame != self.frame, frame
        return moved

    def to_place(self, place_mm: float) -> bool:
        """Go to the frame that lies nearest."""
        return self.to_frame(int(np.abs(self.fusion.place_mm - place_mm).argmin()))

    def next_landmark(self, by: int) -> bool:
        """Go to the next frame with a landmark of the ultrasound."""
        places = sorted({round(landmark.place) for landmark in self.fusion.ivus_landmarks})
        left = [place for place in places if (place - self.frame) * by > 0]
        return bool(left) and self.to_frame(left[0] if by > 0 else left[-1])

    def turn_cut(self, by_rad: float) -> None:
        self.cut_rad = float(np.angle(np.exp(1j * (self.cut_rad + by_rad))))

    def ranked(self, acts: tuple[Act, ...], *, manual: bool = True) -> Fusion:
        """Search again with these acts; a second on two cores, so call it off Qt's thread.

        Raises:
            RuntimeError: the CT is not loaded yet.
        """
        if self.matter is None:
            raise RuntimeError("the CT is still being read")
        return ranked_again(self.matter, acts, manual=manual)

    def candidate_act(self, number: int) -> Act:
        return choice(self.candidates[number], number + 1, self.opened.fusion)

    def take(self, fusion: Fusion, ct: CtSections, acts: tuple[Act, ...], *, candidate: int) -> None:
        """Put another answer on the desk; undo brings the present one back."""
        self._remember()
        self.fusion, self.ct, self.acts, self.shown_candidate = fusion, ct, acts, candidate
        self.review = ""

    def judge(self, review: Review) -> None:
        self._remember()
        self.review = review

    def undo(self) -> str:
        """Back to before the last manual act, choice or verdict."""
        if not self._before:
            return "nothing to undo"
        self.fusion, self.ct, self.acts, self.shown_candidate, self.review = self._before.pop()
        return "undone"

    def _remember(self) -> None:
        self._before.append((self.fusion, self.ct, self.acts, self.shown_candidate, self.review))

    def bookmark(self, note: str) -> None:
        self.bookmarks = (*self.bookmarks, Bookmark(frame=self.frame, note=note))

    def keep(self, measurement: Measurement) -> None:
        self.measurements = (*self.measurements, measurement)

    def maps_row(self, frame: int) -> int:
        """Row of the landmark maps that speaks of a frame."""
        return int(np.abs(self.fusion.frame_index - frame).argmin())

    def at_frames(self, values: Float[np.ndarray, " g"]) -> Float[np.ndarray, " f"]:
        """Values of the searched frames carried to all frames."""
        nominal = np.abs(self.fusion.z_mm - self.fusion.z_mm[0])
        return np.interp(nominal, nominal[self.fusion.frame_index], values)
