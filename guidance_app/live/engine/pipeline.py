"""One frame through guidance: segment, decide, track, project. No thread, no clock of its own, no Qt.

Live guidance, replay, benchmarks and tests all call `Pipeline.step`, so a recorded case goes through exactly the live
path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from calibration.carm import CArmGeometry
from engines.angiography.contrast_gate import vessels_darkening
from engines.angiography.frame import Frame
from engines.registration.follow import places_after_move
from engines.registration.motion.deform_basis import Deformation
from engines.registration.registration import Registration
from engines.registration.view import RegistrationView, view_of_frame
from engines.segmentation.segmentation import Segmentation
from guidance_app.live import guidance_state
from guidance_app.live.engine.contrast_memory import ContrastMemory
from guidance_app.live.engine.model_projection import ProjectedModel, mask_outlines
from guidance_app.live.guidance import GuidanceResult, Overlay, OverlayPath, StageTimes
from guidance_app.live.guidance_state import Situation

MIN_VESSEL_SHARE = 0.004  # of the open field; below it a picture shows a catheter or noise rather than a filled tree
_STILL_FILLING = 1.15  # growth over the remembered frames that says the bolus is still arriving


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColdStart:
    """A picture to register from scratch, and the generation that its answer belongs to.

    `frame` is that picture and `past` what came before it in the same view (both for `ContrastMemory`).
    """

    view: RegistrationView
    frame: Frame
    past: tuple[Frame, ...]
    previous: Registration | None
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepOutcome:
    """What one frame led to; `cold_start` is work that must not hold up the next frame."""

    result: GuidanceResult
    situation: Situation
    cold_start: ColdStart | None = None


class Segments(Protocol):
    def segment(self, frame: Frame) -> Segmentation: ...


class Registers(Protocol):
    """Registration of one case's model, cold and warm."""

    def register(self, request: ColdStart) -> Registration: ...

    def track(self, view: RegistrationView, previous: Registration) -> Registration: ...


class Steps(Protocol):
    """What the engine process drives: the pipeline, or a light stand-in in tests."""

    description: str

    @property
    def degraded(self) -> str:
        """What it has had to do without since it was made, for a person; "" when all is well."""
        ...

    def warm_up(self) -> None: ...

    def step(self, frame: Frame, situation: Situation) -> StepOutcome: ...

    def register(self, request: ColdStart) -> Registration: ...


class Pipeline:
    """Guidance for one case.

    Args:
        vessel_threshold: probability from which a pixel counts as vessel.
        segmenter: may remember where the collimator stands, which it checks against every frame.
        memory: earlier pictures, which tell vessels from what was as dark before the bolus. Beside the collimator the
            one thing that a step remembers outside its situation, and may lose (a restarted engine) without harm.
        clock_ns: only for the stage times in the result; never decides anything.
        degraded: says what the segmenter has had to do without, "" while all is well.
        model_has_veins: see `view_of_frame`.
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
    ) -> None:
        self._segmenter = segmenter
        self._registrar = registrar
        self._model = model
        self._threshold = vessel_threshold
        self._memory = memory
        self._clock_ns = clock_ns
        self._degraded = degraded
        self._model_has_veins = model_has_veins
        self.description = description

    @property
    def degraded(self) -> str:
        return self._degraded()

    def warm_up(self) -> None:
        """Run the network once, so that the first live frame does not pay for it."""
        noise = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
        self._segmenter.segment(Frame(pixels=noise, kind="fluoro"))

    def register(self, request: ColdStart) -> Registration:
        """The cold start that a step asked for; takes seconds."""
        background = self._memory.learn(request.past) if self._memory is not None else None
        if background is not None:
            gated = _gated(request.view, background.gate(request.frame))
            request = replace(request, view=replace(gated, contrast=background.darkening(request.frame)))
        elif request.frame.kind == "dsa":
            view = request.view
            contrast = vessels_darkening(request.frame, view.vessel, view.geometry.isocentre_mm_per_px)
            request = replace(request, view=replace(view, contrast=contrast))
        return self._registrar.register(request)

    def step(self, frame: Frame, situation: Situation) -> StepOutcome:
        started = self._clock_ns()
        segmentation = self._segmenter.segment(frame)
        segmented = self._clock_ns()

        situation = guidance_state.saw_geometry(situation, frame.geometry)
        share = vessel_share(segmentation.vessel(), segmentation.field_of_view, self._threshold)
        situation = guidance_state.saw_vessel(situation, share)
        if self._memory is not None:
            self._memory.see(frame)
        cold_start = None
        tracked_ms = None
        motion: Deformation | None = None
        if frame.geometry is not None and share >= MIN_VESSEL_SHARE:
            view = view_of_frame(
                frame, segmentation, file=frame.source_id, threshold=self._threshold,
                model_has_veins=self._model_has_veins,
            )  # fmt: skip
            if situation.registration is not None and situation.state != "rejected":
                gate = self._memory.gate(frame) if self._memory is not None else None
                found = self._tracked(_gated(view, gate), situation.registration, situation.pose_geometry)
                situation = guidance_state.checked(situation, found, frame.geometry)
                motion = found.deformation
                tracked_ms = (self._clock_ns() - segmented) / 1e6
            if _may_start_cold(frame, situation):
                situation = guidance_state.registration_started(situation)
                past = self._memory.past() if self._memory is not None else ()
                cold_start = ColdStart(
                    view=view, frame=frame, past=past, previous=_previous(situation), generation=situation.generation
                )

        tracked = self._clock_ns()
        overlay = self._overlay(frame, situation, motion)
        outline = mask_outlines(segmentation.vessel() >= self._threshold)
        rendered = self._clock_ns()
        times = StageTimes(
            decode=frame.decode_ms,
            segment=(segmented - started) / 1e6,
            track=tracked_ms,
            render=(rendered - tracked) / 1e6,
        )
        return StepOutcome(
            result=_result(frame, situation, overlay, outline, times), situation=situation, cold_start=cold_start
        )

    def _tracked(self, view: RegistrationView, previous: Registration, fitted: CArmGeometry | None) -> Registration:
        """One warm step; after a move of table or C-arm from each place it may have led to, the one that fits best."""
        places = (previous,) if fitted is None else places_after_move(previous, fitted, view.geometry)
        tried = [self._registrar.track(view, place) for place in places]
        return max(tried, key=lambda found: (found.status == "accepted", found.confidence))

    def _overlay(self, frame: Frame, situation: Situation, motion: Deformation | None) -> Overlay | None:
        """The model on this frame, if the pose was found to fit this very view; `motion` was found on this very frame.

        On a frame that shows too little vessel the heart is at another moment than the last motion: it is shown rigid.
        """
        geometry, registration = frame.geometry, situation.registration
        if geometry is None or registration is None or situation.state not in ("accepted", "proposed"):
            return None
        if situation.checked_geometry is None or not situation.checked_geometry.same_view(geometry):
            return None
        return self._model.overlay(
            frame,
            geometry,
            registration.isocentre_from_lps,
            expected_error_mm=registration.expected_error_mm,
            generation=situation.generation,
            # A pose that nobody has accepted is shown as it is: moved onto the vessels, a wrong one would look right.
            deformation=motion if situation.state == "accepted" else None,
        )


def _previous(situation: Situation) -> Registration | None:
    """The pose that a search begins near: after a table move, where the header says that it led."""
    found, now, fitted = situation.registration, situation.geometry, situation.pose_geometry
    if found is None or now is None or fitted is None:
        return found
    return places_after_move(found, fitted, now)[0]


def _gated(view: RegistrationView, gate: Float[np.ndarray, "rows columns"] | None) -> RegistrationView:
    return view if gate is None else replace(view, vessel=view.vessel * gate)


def vessel_share(
    vessel: Float[np.ndarray, "rows columns"],
    field_of_view: Bool[np.ndarray, "rows columns"] | None,
    threshold: float,
) -> float:
    """How much of the open field shows contrast-filled vessel."""
    filled_px = int(np.count_nonzero(vessel >= threshold))
    open_px = vessel.size if field_of_view is None else int(np.count_nonzero(field_of_view))
    return filled_px / max(open_px, 1)


def _may_start_cold(frame: Frame, situation: Situation) -> bool:
    if not situation.wanted or situation.registering or situation.rest_frames > 0:
        return False
    still_picture = frame.frame_time_ms is None
    return situation.asked or still_picture or has_filled(situation.vessel_shares)


def has_filled(shares: tuple[float, ...]) -> bool:
    """Whether the bolus has arrived: registering on the first drops would match a stump to a tree."""
    return (
        len(shares) == guidance_state.REMEMBERED_FRAMES
        and shares[-1] <= _STILL_FILLING * max(shares[0], MIN_VESSEL_SHARE)
    )  # fmt: skip


def _result(
    frame: Frame,
    situation: Situation,
    overlay: Overlay | None,
    vessel_outline: tuple[OverlayPath, ...],
    times: StageTimes,
) -> GuidanceResult:
    found = situation.registration
    return GuidanceResult(
        frame_index=frame.index,
        state=situation.state,
        reason=situation.reason,
        overlay=overlay,
        vessel_outline=vessel_outline,
        confidence=None if found is None else found.confidence,
        expected_error_mm=None if found is None else found.expected_error_mm,
        depth_sigma_mm=None if found is None else found.depth_sigma_mm,
        times=times,
        generation=situation.generation,
    )
