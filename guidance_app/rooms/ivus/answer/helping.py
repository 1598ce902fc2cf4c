"""Help by hand: a slide, a turn, a candidate or a landmark pair ranks all hypotheses again in the background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.fusion import Fusion
from engines.ivus.rescue import Act, landmark_pair, slide, turn
from guidance_app.panels.background import Background
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.answer.opened import CtSections


class HandHelp:
    """What a person adds to the search.

    Args:
        changed: called when another answer lies on the desk.
        say: told what to do next, and what was done.
    """

    def __init__(
        self, desk: FusionDesk, background: Background, *, changed: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._desk, self._background, self._changed, self._say = desk, background, changed, say
        self.ct: CtVolume | None = None
        self._begun: tuple[int, float] | None = None  # a landmark pair: its frame, and the angle in it

    @property
    def pairing(self) -> bool:
        """A landmark pair was begun."""
        return self._begun is not None

    def slide(self, by_mm: float) -> str:
        return self.rank((*self._desk.acts, slide(self._desk.fusion, self._desk.frame, by_mm)))

    def turn(self, by_deg: float) -> str:
        return self.rank((*self._desk.acts, turn(self._desk.fusion, self._desk.frame, np.deg2rad(by_deg))))

    def show_candidate(self, number: int) -> str:
        """Lay another candidate on the desk."""
        desk = self._desk
        if number == desk.shown_candidate:
            return ""
        if number == 0 and not desk.acts:
            desk.take(desk.opened.fusion, CtSections(desk.opened, desk.opened.fusion, None), (), candidate=0)
            self._changed()
            return ""
        return self.rank((desk.candidate_act(number),), candidate=number)

    def begin_pair(self) -> str:
        """A landmark pair: a click on the frame, then one on the CT's map or cross-section."""
        self._begun = (-1, 0.0)
        return "click the landmark in the IVUS frame"

    def pair_in_frame(self, turn_rad: float) -> None:
        """The landmark's angle in the frame that is shown."""
        if self._begun is not None and self._begun[0] < 0:
            self._begun = (self._desk.frame, turn_rad)
            self._say("scrub to where the CT shows the same landmark, and click it in the cross-section")

    def pair_in_frames_map(self, turn_rad: float) -> None:
        """Begin a pair in the map of the frames, at the frame that is shown."""
        self._begun = (self._desk.frame, turn_rad)
        self._say("now right-click the same landmark in the CT's map, or click it in the cross-section")

    def pair_in_ct(self, place_mm: float, frame: int, turn_rad: float) -> None:
        """The landmark's place in the CT, and its angle as a frame there would see it."""
        if self._begun is None or self._begun[0] < 0:
            return
        fusion = self._desk.fusion
        hand = fusion.handedness * (-1 if fusion.distal_to_proximal else 1)
        course_rad = float(fusion.angle_rad[frame]) + hand * turn_rad
        act = landmark_pair(*self._begun, place_mm, course_rad)
        self._begun = None
        self._say(self.rank((*self._desk.acts, act)))

    def rank(self, acts: tuple[Act, ...], *, candidate: int = -1) -> str:
        """Search again in the background and take the answer."""
        desk, ct = self._desk, self.ct
        if desk.opened.fusion.method != "ours":
            return "the published method has no hypotheses to rank again; register with method ours"
        if desk.matter is None or ct is None:
            return "the CT is still being read; try again in a moment"

        def work() -> Fusion:
            return desk.ranked(acts)

        def then(fusion: Fusion) -> None:
            shown = desk.shown_candidate if candidate < 0 else candidate
            desk.take(fusion, CtSections(desk.opened, fusion, ct), acts, candidate=shown)
            self._changed()
            self._say(f"ranked again: {acts[-1].words}")

        self._background.run(work, then, failed=lambda error: self._say(f"could not rank again: {error}"))
        return "ranking the hypotheses again"
