"""Last stage: the lines on this frame, and what the window is told with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.angiography.frame import Frame
from engines.registration.residuals.class_residuals import ARTERY, VEIN, SeenVessels
from guidance_app.live.engine.model_projection import ProjectedModel, mask_outlines
from guidance_app.live.engine.step.door import Admitted
from guidance_app.live.engine.step.place import Placed
from guidance_app.live.engine.step.see import Seen
from guidance_app.live.engine.step.sight import BranchSight
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import GuidanceResult, Overlay, OverlayPath, StageTimes
from guidance_app.live.stiff_wire import WIRE_HALO_MM, error_with_wire


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """Lines in pixels of the frame: the model where it may be drawn, and the outline of the segmented vessels."""

    overlay: Overlay | None
    vessel_outline: tuple[OverlayPath, ...]


class Draw:
    """Project the model, and outline the vessels.

    Args:
        threshold: probability from which a pixel counts as vessel.
    """

    def __init__(self, model: ProjectedModel, *, threshold: float) -> None:
        self._model = model
        self._threshold = threshold
        self._sight = BranchSight()

    def draw(self, admitted: Admitted, seen: Seen, placed: Placed, evidence: Evidence | None) -> Drawn:
        overlay = self._overlay(admitted, seen, placed, evidence)
        outline = vessel_outlines(SeenVessels.of(seen.segmentation, self._threshold))
        return Drawn(overlay=overlay, vessel_outline=outline)

    def _overlay(self, admitted: Admitted, seen: Seen, placed: Placed, evidence: Evidence | None) -> Overlay | None:
        place = placed.place
        if place is None:
            return None
        overlay = self._model.overlay(
            admitted.frame,
            place.geometry,
            place.registration.isocentre_from_lps,
            expected_error_mm=error_with(place.registration.expected_error_mm, evidence),
            added_halo_mm=WIRE_HALO_MM if placed.situation.wire else 0.0,
            generation=placed.situation.generation,
            deformation=place.motion,
            evidence=evidence,
        )
        speaks = evidence is not None and evidence.kind == "vessel" and evidence.age_s == 0.0
        filled = seen.gated.vessel >= self._threshold if speaks and seen.gated is not None else None
        still = admitted.frame.frame_time_ms is None
        return self._sight.marked(overlay, admitted.key, filled, still_picture=still)


def vessel_outlines(seen: SeenVessels) -> tuple[OverlayPath, ...]:
    """Borders of the segmented vessels; "artery" or "vein" where the network tells them apart."""
    if seen.venous is None:
        return mask_outlines(seen.arterial)
    return mask_outlines(seen.arterial, name=ARTERY) + mask_outlines(seen.venous, name=VEIN)


def error_with(expected_error_mm: float, evidence: Evidence | None) -> float:
    """The pose's own expected error, and what a picture without vessels adds to it."""
    return expected_error_mm if evidence is None else math.hypot(expected_error_mm, evidence.added_error_mm)


def result_of(
    frame: Frame, placed: Placed, drawn: Drawn, times: StageTimes, evidence: Evidence | None
) -> GuidanceResult:
    """All that views read of this frame."""
    situation, found = placed.situation, placed.situation.registration
    return GuidanceResult(
        frame_index=frame.index,
        state=situation.state,
        reason=situation.reason,
        overlay=drawn.overlay,
        vessel_outline=drawn.vessel_outline,
        confidence=None if found is None else found.confidence,
        expected_error_mm=None
        if found is None
        else error_with_wire(error_with(found.expected_error_mm, evidence), inside=situation.wire),
        depth_sigma_mm=None if found is None else found.depth_sigma_mm,
        times=times,
        generation=situation.generation,
    )
