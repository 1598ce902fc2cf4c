"""Stores how a person set up the picture, and sets it up in the same way next time."""

from __future__ import annotations

from guidance_app.settings import Settings
from guidance_app.views.live_view import LiveView
from guidance_app.views.overlay_look import LEAST_REMEMBERED_OPACITY


def set_up(view: LiveView, settings: Settings, *, kind: str) -> None:
    """`kind` of case: the hundred thin arteries of a head overlap as outlines and read best as lines."""
    view.set_mode(settings.overlay_mode or ("centerline" if kind == "evt" else "outline"))
    view.set_opacity(max(settings.overlay_opacity, LEAST_REMEMBERED_OPACITY))
    view.right_drag_windows = settings.right_drag_windows


def settings_of(view: LiveView, *, mode_chosen: bool, last_case: str = "") -> Settings:
    """What `set_up` needs next time. Without a choice of mode the kind of the next case decides."""
    return Settings(
        overlay_mode=view.mode if mode_chosen else None,
        overlay_opacity=view.opacity,
        right_drag_windows=view.right_drag_windows,
        last_case=last_case,
    )
