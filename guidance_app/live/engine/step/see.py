"""First stage: what this frame's own picture shows. Vessels by the network, contrast by the pictures before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from engines.angiography.contrast_gate import Background, vessels_darkening
from engines.angiography.frame import Frame
from engines.registration.view import RegistrationView, view_of_frame
from engines.segmentation.segmentation import Segmentation
from guidance_app.live.engine.step.bone_mask import BoneMask
from guidance_app.live.engine.step.contrast_memory import ContrastMemory
from guidance_app.live.engine.step.door import Admitted, ViewKey

Darkening = Callable[[], Float[np.ndarray, "rows columns"]]

MIN_VESSEL_SHARE = 0.004  # of the open field; below it a picture shows a catheter or noise rather than a filled tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What the picture shows.

    Args:
        vessel_share: of the open field that shows contrast-filled vessel; without what was as dark before the bolus
            where that is known.
        view: what registration matches; None where the geometry is unknown or hardly a vessel is filled.
        gated: `view` without what was as dark before the bolus; `view` itself while no such background is known.
        shown: the frame as its vessels were sought: subtracted, or as it came.
        past: earlier pictures of the same view, for a cold start.
        darkening: makes what contrast darkened (`RegistrationView.contrast`), which few frames need; None while nothing
            tells.
    """

    segmentation: Segmentation
    vessel_share: float
    shown: Frame
    view: RegistrationView | None
    gated: RegistrationView | None
    past: tuple[Frame, ...] = ()
    darkening: Darkening | None = None


class Segments(Protocol):
    """A network.

    `key` tells which view the frame shows: a network that remembers where the collimator stands forgets it with the
    view.
    """

    def segment(self, frame: Frame, *, key: ViewKey | None = None) -> Segmentation: ...


class See:
    """Segment, then weigh the contrast. The two halves are stamped apart, since the network is the slow one.

    Args:
        threshold: probability from which a pixel counts as vessel.
        model_has_veins: see `view_of_frame`.
        subtracts: whether bones are taken away as soon as that can be done, see `BoneMask`.
    """

    def __init__(
        self,
        segmenter: Segments,
        memory: ContrastMemory | None,
        *,
        threshold: float,
        model_has_veins: bool = False,
        subtracts: bool = False,
    ) -> None:
        self._bones = BoneMask() if subtracts else None
        self._segmenter = segmenter
        self._memory = memory
        self._threshold = threshold
        self._model_has_veins = model_has_veins

    def shown(self, admitted: Admitted) -> Frame:
        """The frame as vessels are sought on it; it is remembered as it came."""
        frame, key, memory = admitted.frame, admitted.key, self._memory
        if memory is None:
            return frame
        memory.see(frame, key)
        if self._bones is None or key is None:
            return frame
        background = memory.background(frame, key)
        return frame if background is None else self._bones.subtracted(frame, background)

    def segment(self, admitted: Admitted, shown: Frame) -> Segmentation:
        return self._segmenter.segment(shown, key=admitted.key)

    def weigh(self, admitted: Admitted, shown: Frame, segmentation: Segmentation) -> Seen:
        """How much vessel there is, and what of it came with the bolus."""
        key, memory = admitted.key, self._memory
        share = vessel_share(segmentation.vessel(), segmentation.field_of_view, self._threshold)
        if key is None or share < MIN_VESSEL_SHARE:
            return Seen(segmentation=segmentation, vessel_share=share, shown=shown, view=None, gated=None)
        view = view_of_frame(
            shown, segmentation, file=shown.source_id, threshold=self._threshold, model_has_veins=self._model_has_veins
        )
        background = None if memory is None else memory.background(shown, key)
        only = view if background is None else gated(view, background.gate(shown))
        filled_share = share if only is view else vessel_share(only.vessel, only.field_of_view, self._threshold)
        if filled_share < MIN_VESSEL_SHARE:
            # What the network calls vessel was there before the bolus: a spine, a diaphragm.
            return Seen(segmentation=segmentation, vessel_share=filled_share, shown=shown, view=None, gated=None)
        return Seen(
            segmentation=segmentation,
            vessel_share=filled_share,
            shown=shown,
            view=view,
            gated=only,
            past=() if memory is None else memory.past(key),
            darkening=_darkening(shown, segmentation, background, view.geometry.isocentre_mm_per_px),
        )


def _darkening(
    frame: Frame, segmentation: Segmentation, background: Background | None, mm_per_px: float
) -> Darkening | None:
    if frame.kind == "dsa":
        return lambda: vessels_darkening(frame, segmentation.vessel(), mm_per_px)
    return None if background is None else lambda: background.darkening(frame)


def gated(view: RegistrationView, gate: Float[np.ndarray, "rows columns"]) -> RegistrationView:
    """The view without what the gate is shut for."""
    return replace(view, vessel=view.vessel * gate)


def vessel_share(
    vessel: Float[np.ndarray, "rows columns"],
    field_of_view: Bool[np.ndarray, "rows columns"] | None,
    threshold: float,
) -> float:
    """How much of the open field shows contrast-filled vessel."""
    filled_px = int(np.count_nonzero(vessel >= threshold))
    open_px = vessel.size if field_of_view is None else int(np.count_nonzero(field_of_view))
    return filled_px / max(open_px, 1)
