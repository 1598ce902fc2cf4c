"""Stores how a person set up the picture, and sets it up in the same way next time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from guidance_app.views.live_view import LiveView
from guidance_app.views.overlay_look import LEAST_REMEMBERED_OPACITY


class RememberedView(BaseModel):
    """State of the live room between two starts."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    overlay_mode: Literal["outline", "centerline", "filled"] | None = Field(
        default=None, description="what a person chose; without a choice the kind of case decides"
    )
    overlay_opacity: float = Field(default=1.0, ge=0.1, le=1.0)
    right_drag_windows: bool = Field(
        default=False, description="right drag sets window and level, left drag zooms, as some workstations have it"
    )

    @classmethod
    def of_state(cls, state: Mapping[str, JsonValue]) -> RememberedView:
        """The defaults where the state makes no sense to this version."""
        try:
            return cls.model_validate(state)
        except ValidationError:
            return cls()


def set_up(view: LiveView, remembered: RememberedView, *, kind: str) -> None:
    """`kind` of case: the hundred thin arteries of a head overlap as outlines and read best as lines."""
    view.set_mode(remembered.overlay_mode or ("centerline" if kind == "evt" else "outline"))
    view.set_opacity(max(remembered.overlay_opacity, LEAST_REMEMBERED_OPACITY))
    view.right_drag_windows = remembered.right_drag_windows


def remembered_of(view: LiveView, *, mode_chosen: bool) -> RememberedView:
    """What `set_up` needs next time. Without a choice of mode the kind of the next case decides."""
    return RememberedView(
        overlay_mode=view.mode if mode_chosen else None,
        overlay_opacity=view.opacity,
        right_drag_windows=view.right_drag_windows,
    )
