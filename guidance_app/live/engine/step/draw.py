"""Last stage: the lines on this frame, and what the window is told with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.angiography.frame import Frame
from engines.segmentation.segmentation import Segmentation
from guidance_app.live.engine.model_projection import ProjectedModel, mask_outlines
from guidance_app.live.engine.step.place import Placed
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import GuidanceResult, Overlay, OverlayPath, StageTimes


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

    def draw(self, frame: Frame, segmentation: Segmentation, placed: Placed, evidence: Evidence | None) -> Drawn:
        outline = mask_outlines(segmentation.vessel() >= self._threshold)
        return Drawn(overlay=self._overlay(frame, placed, evidence), vessel_outline=outline)

    def _overlay(self, frame: Frame, placed: Placed, evidence: Evidence | None) -> Overlay | None:
        place = placed.place
        if place is None:
            return None
        return self._model.overlay(
            frame,
            place.geometry,
            place.registration.isocentre_from_lps,
            expected_error_mm=error_with(place.registration.expected_error_mm, evidence),
            generation=placed.situation.generation,
            deformation=place.motion,
            evidence=evidence,
        )


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
        expected_error_mm=None if found is None else error_with(found.expected_error_mm, evidence),
        depth_sigma_mm=None if found is None else found.depth_sigma_mm,
        times=times,
        generation=situation.generation,
    )
