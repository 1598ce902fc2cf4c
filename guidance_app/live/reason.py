"""Why a picture has no overlay that counts, as a code with its figure; the window words it with what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReasonCode = Literal[
    "none",
    # guidance as a whole
    "not_registered", "registering", "waits_for_vessel", "not_found", "failed", "given_pose_waits", "proposed",
    "doubted", "rejected", "taken_back", "came_back", "by_hand", "view_changed", "moved_unsaid", "no_longer_fits",
    "does_not_fit_view",
    # this picture and its overlay
    "engine_down", "no_geometry", "no_pixel_size", "other_size", "no_overlay_yet", "too_old", "old", "unchecked",
    "carried", "carried_too_long", "bones_too_long", "picture_fault", "held_too_long",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason.

    Args:
        text: as the logs have it.
        figure: what the code is about, in seconds; None where there is none.
    """

    code: ReasonCode
    text: str
    figure_s: float | None = None
