"""One frame through guidance: see, judge, confirm, place, draw. No thread, no clock of its own, no Qt.

Live guidance, replay, benchmarks and tests all call `Pipeline.step`, so a recorded case goes through exactly the live
path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from engines.angiography.contrast_gate import Background, vessels_darkening
from engines.angiography.frame import Frame
from engines.registration.progress import Between, go_on
from engines.registration.registration import Registration
from engines.registration.view import RegistrationView
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.step.confirm import Confirm
from guidance_app.live.engine.step.contrast_memory import ContrastMemory, learnt
from guidance_app.live.engine.step.door import Door, ViewKey
from guidance_app.live.engine.step.draw import Draw, result_of
from guidance_app.live.engine.step.judge import ColdStart, Judge, Tracks
from guidance_app.live.engine.step.place import Moves, Placing
from guidance_app.live.engine.step.see import See, Segments, gated
from guidance_app.live.guidance import GuidanceResult, StageTimes
from guidance_app.live.guidance_state import Situation

_VEINS = "veins are filled, which lie alike in every head: check it, or search again while arteries fill"

Learned = Callable[[Background], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepOutcome:
    """What one frame led to; `cold_start` is work that must not hold up the next frame."""

    result: GuidanceResult
    situation: Situation
    cold_start: ColdStart | None = None


class Registers(Tracks, Moves, Protocol):
    """Registration of one case's model: cold, warm, and its motion."""

    def register(self, request: ColdStart, *, between: Between = go_on) -> Registration: ...

    def rehearse(self) -> None: ...


class Steps(Protocol):
    """What the engine process drives: the pipeline, or a light stand-in in tests."""

    description: str

    @property
    def degraded(self) -> str:
        """What it has had to do without since it was made, for a person; "" when all is well."""
        ...

    def warm_up(self) -> None:
        """What the first frame would otherwise pay for."""
        ...

    def rehearse(self) -> None:
        """What the first cold start would otherwise pay for; takes seconds."""
        ...

    def step(self, frame: Frame, situation: Situation) -> StepOutcome: ...

    def register(self, request: ColdStart, *, learned: Learned | None = None, between: Between = go_on) -> Registration:
        """The cold start that a step asked for, of this process or of another; takes seconds.

        Args:
            learned: is given the background of the request's view before the search begins; None keeps it here.
            between: is called between the search's stages; what it raises ends the search.
        """
        ...

    def keep(self, background: Background, key: ViewKey) -> None:
        """Another process has found what this view looks like without contrast."""
        ...


class Pipeline:
    """Guidance for one case.

    Args:
        vessel_threshold: probability from which a pixel counts as vessel.
        segmenter: may remember where the collimator stands, which it checks against every frame.
        memory: earlier pictures, which tell vessels from what was as dark before the bolus. Like the collimator and
            the door's view it is remembered outside the situation, and may be lost (a restarted engine) without harm.
        clock_ns: only for the stage times in the result; never decides anything.
        degraded: says what the segmenter has had to do without, "" while all is well.
        model_has_veins: see `view_of_frame`.
        subtracts: whether bones are taken away as soon as that can be done, see `BoneMask`.
        confirm: weighs what else than vessels speaks for the pose.
    """

    def __init__(
        self,
        *,
        segmenter: Segments,
        registrar: Registers,
        model: ProjectedModel,
        vessel_threshold: float,
        memory: ContrastMemory | None = None,
        clock_ns: Callable[[], int],
        description: str = "",
        degraded: Callable[[], str] = lambda: "",
        model_has_veins: bool = False,
        subtracts: bool = False,
        confirm: Confirm,
    ) -> None:
        self._segmenter = segmenter
        self._registrar = registrar
        self._memory = memory
        self._clock_ns = clock_ns
        self._degraded = degraded
        self._door = Door()
        self._see = See(
            segmenter, memory, threshold=vessel_threshold, model_has_veins=model_has_veins, subtracts=subtracts
        )
        self._judge = Judge(registrar)
        self._confirm = confirm
        self._placing = Placing(registrar)
        self._draw = Draw(model, threshold=vessel_threshold)
        self.description = description

    @property
    def degraded(self) -> str:
        return self._degraded()

    def warm_up(self) -> None:
        """Run the network once, so that the first live frame does not pay for it."""
        noise = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
        self._segmenter.segment(Frame(pixels=noise, kind="fluoro"))

    def rehearse(self) -> None:
        self._registrar.rehearse()

    def step(self, frame: Frame, situation: Situation) -> StepOutcome:
        began = self._clock_ns()
        admitted = self._door.admit(frame, situation)
        shown = self._see.shown(admitted)
        segmentation = self._see.segment(admitted, shown)
        segmented = self._clock_ns()
        seen = self._see.weigh(admitted, shown, segmentation)
        weighed = self._clock_ns()
        judged = self._judge.judge(admitted, seen)
        checked = self._clock_ns()
        confirmed = self._confirm.confirm(admitted, seen, judged)
        borne_out = self._clock_ns()
        placed = self._placing.place(admitted, confirmed.judged)
        set_down = self._clock_ns()
        drawn = self._draw.draw(admitted, seen, placed, confirmed.evidence)
        times = StageTimes(
            decode=frame.decode_ms,
            segment=_ms(began, segmented),
            contrast=_ms(segmented, weighed),
            track=None if judged.tracked is None else _ms(weighed, checked),
            evidence=_ms(checked, borne_out),
            motion=_ms(borne_out, set_down) if placed.moved else None,
            render=_ms(set_down, self._clock_ns()),
        )
        return StepOutcome(
            result=result_of(frame, placed, drawn, times, confirmed.evidence),
            situation=placed.situation,
            cold_start=judged.cold_start,
        )

    def keep(self, background: Background, key: ViewKey) -> None:
        if self._memory is not None:
            self._memory.keep(background, key)

    def register(self, request: ColdStart, *, learned: Learned | None = None, between: Between = go_on) -> Registration:
        shown = request.shown or request.frame
        background = None if self._memory is None else learnt(request.past, request.frame)
        if background is not None:
            if learned is None:
                self.keep(background, request.key)
            else:
                learned(background)
        view = request.view
        if shown.kind == "dsa":
            view = replace(view, contrast=vessels_darkening(shown, view.vessel, view.geometry.isocentre_mm_per_px))
        elif background is not None:
            view = replace(gated(view, background.gate(shown)), contrast=background.darkening(shown))
        return _proposed_by_veins(self._registrar.register(replace(request, view=view), between=between), view)


def _proposed_by_veins(found: Registration, view: RegistrationView) -> Registration:
    """What was found while veins are filled is a proposal at best: the large ones lie alike in every head.

    Of searches with another simulated patient's model 6 of 9 were accepted then, and 1 of 11 while arteries alone were
    filled; with the patient's own model a search is accepted in the arterial phase before.
    """
    if found.status != "accepted" or "vein" not in view.branch_classes:
        return found
    return replace(found, status="caution", reasons=(*found.reasons, _VEINS))


def _ms(began_ns: int, ended_ns: int) -> float:
    return (ended_ns - began_ns) / 1e6
