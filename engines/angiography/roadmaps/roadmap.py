"""A roadmap: the vessels of an injection, held for later pictures of the same view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from jaxtyping import Float32

from engines.angiography.anatomy_anchor import AnatomyAnchor, InPlaneMove, anchor_of
from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame
from engines.angiography.roadmaps.injections import Injection
from engines.angiography.roadmaps.vessel_tree import filled_vessels

View = Literal["same", "unstated", "other view", "other size", "other patient"]

_STILL_MM = 1.0  # in the isocentre plane; half a coronary artery's width
_STILL_PX = 3.0  # where nobody states how large a pixel is
_STILL_TURN_RAD = math.radians(1.0)
_HOLDS = 0.9  # agreement of the bones; still pictures with another filling keep 0.97, other views stay below 0.8
_VESSEL = 0.2  # of what was filled: from there on it is left out where bones are compared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roadmap:
    """What stays of an injection.

    Args:
        vessels: 0 to 1, how surely and strongly each pixel was filled.
        frame: the fullest one: whose view and time the roadmap has.
        first, last: frames of the source that the vessels are taken from.
        anchor: the bones of that view; None where a subtracted picture came without its native one.
    """

    vessels: Float32[np.ndarray, "rows columns"]
    frame: Frame
    first: int
    last: int
    anchor: AnatomyAnchor | None

    def view_of(self, frame: Frame) -> View:
        """Whether a picture shows the roadmap's view, as far as its header tells; `unstated` where one does not."""
        own = self.frame
        if frame.patient is not None and own.patient is not None and frame.patient != own.patient:
            return "other patient"
        if frame.shape_px != own.shape_px:
            return "other size"
        if frame.geometry is None or own.geometry is None:
            return "unstated"
        return "same" if frame.geometry.continues(own.geometry) else "other view"

    def compare(self, frame: Frame) -> InPlaneMove | None:
        """How the bones lie against the roadmap's; None where they are not known. Takes 5 to 15 ms."""
        if self.anchor is None or (frame.kind == "dsa" and frame.native is None):
            return None
        return self.anchor.compare(frame)

    def moved_px(self, move: InPlaneMove, shift_px: tuple[float, float]) -> float:
        """How far the picture still lies from a roadmap moved by `shift_px` (rows, columns)."""
        return math.hypot(move.shift_px[0] - shift_px[1], move.shift_px[1] - shift_px[0])

    def holds(self, move: InPlaneMove, shift_px: tuple[float, float] = (0.0, 0.0)) -> bool:
        """Whether the roadmap, moved by `shift_px` (rows, columns), lies where the bones say."""
        if move.agreement < _HOLDS or abs(move.turn_rad) > _STILL_TURN_RAD:
            return False
        off_px = self.moved_px(move, shift_px)
        geometry = self.frame.geometry
        return off_px <= _STILL_PX if geometry is None else off_px * geometry.isocentre_mm_per_px <= _STILL_MM


def roadmap_of(injection: Injection, *, widest_mm: float | None = None) -> Roadmap | None:
    """The roadmap of an injection; None where no vessel stands out of its pictures. Takes 0.1 to 0.3 s.

    Args:
        widest_mm: as in `filled_vessels`.
    """
    vessels, (first, last) = filled_vessels(injection, widest_mm=widest_mm)
    if not vessels.any():
        return None
    view = injection.mask[-1] if injection.mask else injection.fullest
    field = None if view.kind == "dsa" else find_field_of_view(view.pixels.astype(np.float32))
    return Roadmap(
        vessels=vessels, frame=injection.fullest, first=first, last=last,
        anchor=anchor_of(view, field, vessels > _VESSEL),
    )  # fmt: skip


def age_s(earlier: Frame, now: Frame, *, recorded: bool, now_ns: int) -> float | None:
    """How long before the picture `now` the other one was taken; None where nobody can tell.

    Args:
        recorded: the picture is played again: the clock of this machine says nothing of when it was taken.
        now_ns: monotonic clock; a live picture's age counts to it.
    """
    if not recorded:
        return (now_ns - earlier.received_ns) / 1e9 if earlier.received_ns > 0 else None
    same_run = (earlier.source_id, earlier.sop_instance_uid) == (now.source_id, now.sop_instance_uid)
    if same_run:
        if now.frame_time_ms is None:
            return None
        return (now.source_frame - earlier.source_frame) * now.frame_time_ms / 1e3
    taken = [_taken_s(frame) for frame in (earlier, now)]
    return None if taken[0] is None or taken[1] is None else taken[1] - taken[0]


def _taken_s(frame: Frame) -> float | None:
    """Seconds since some moment, of the frame's own clock."""
    text = (frame.acquired or "").split(".")[0][:14]
    try:
        began = datetime.strptime(text, "%Y%m%d%H%M%S")  # DICOM states no zone
    except ValueError:
        return None
    return began.timestamp() + frame.source_frame * (frame.frame_time_ms or 0.0) / 1e3
