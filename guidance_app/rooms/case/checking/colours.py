"""The colour of each class of vessel in pictures, lists and 3-D; names and outlines tell it too."""

from __future__ import annotations

from engines.anatomy.cases.case_correction import LEFT_OUT
from guidance_app.views import palette

CLASS_COLOURS = {
    "artery": "#ff6f61",
    "vein": "#6fa8ff",
    "aorta": "#ffb347",
    "true lumen": "#ffe08a",
    "false lumen": "#c792ea",
    LEFT_OUT: palette.DISABLED_TEXT,
}


def colour_of(structure_class: str) -> str:
    return CLASS_COLOURS.get(structure_class, palette.NOT_CURRENT)


def rgb_of(structure_class: str) -> tuple[int, int, int]:
    text = colour_of(structure_class).removeprefix("#")
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)
