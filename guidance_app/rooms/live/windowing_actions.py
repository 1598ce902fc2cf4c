"""Window and level by keys, in coarse and fine steps, and by presets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from guidance_app.panels.action import Action
from guidance_app.views import windowing
from guidance_app.views.language import tr
from guidance_app.views.live_view import LiveView

_WAYS = (
    ("brighter", "Brighter", "Up", 0, 1),
    ("darker", "Darker", "Down", 0, -1),
    ("softer", "Less contrast", "Right", 1, 0),
    ("harder", "More contrast", "Left", -1, 0),
)
_COARSE, _FINE = 0.02, 0.0025  # of all values that the picture can hold


def windowing_actions(view: LiveView) -> tuple[Action, ...]:
    preset = Action(
        id="live.window-preset", words=tr("Next window: header, whole range, most values, dark vessels"),
        keys=("Ctrl+W",), press=partial(_next_preset, view),
    )  # fmt: skip
    rows = {
        0: (tr("Shift + \u2191 \u2193"), tr("Brighter, darker; with Ctrl finely")),
        1: (tr("Shift + \u2190 \u2192"), tr("More, less contrast; with Ctrl finely")),
    }
    steps = [
        Action(
            id=f"live.{name}{pace}", words=tr(f"{words}{more}"), keys=(f"{held}+{key}",), repeats=True,
            press=partial(_step, view, right * share, up * share), help_row=rows[right and 1],
        )
        for name, words, key, right, up in _WAYS
        for held, share, pace, more in (("Shift", _COARSE, "", ""), ("Ctrl", _FINE, "-fine", ", finely"))
    ]  # fmt: skip
    return (preset, *steps)


def _step(view: LiveView, right: float, up: float) -> str:
    frame, window = view.shown_frame, view.window_level
    if frame is None or window is None:
        return tr("No picture yet")
    view.set_window_level(window.dragged(right=right, up=up, value_range=windowing.value_range_of(frame)))
    return _told(view)


def _next_preset(view: LiveView) -> str:
    """After a window of a person's own the first one comes."""
    frame, window = view.shown_frame, view.window_level
    if frame is None or window is None:
        return tr("No picture yet")
    presets = windowing.presets_of(frame)
    names: list[windowing.PresetName] = list(presets)
    fits = [replace(preset, inverted=window.inverted) == window for preset in presets.values()]
    name = names[(fits.index(True) + 1) % len(names)] if any(fits) else names[0]
    view.set_window_level(replace(presets[name], inverted=window.inverted))
    return f"{tr(_WORDS[name])}: {_told(view)}"


_WORDS: dict[windowing.PresetName, str] = {
    "header": "Window as the picture asks",
    "whole": "Whole range",
    "most": "Most values",
    "vessels": "Dark vessels",
}


def _told(view: LiveView) -> str:
    window = view.window_level
    return "" if window is None else f"W {window.width:.0f}  L {window.center:.0f}"
