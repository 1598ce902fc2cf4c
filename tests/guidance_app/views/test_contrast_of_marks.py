"""Lines stand out 3:1 from black, grey and white pictures, measured on painted pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QTransform

from guidance_app.live.guidance import BranchSeen
from guidance_app.panels.pictures.annotated_video import pixels_of
from guidance_app.views import palette
from guidance_app.views.overlay_look import Line, OverlayLook
from guidance_app.views.overlay_painter import OverlayMode, OverlayPainter, Placing
from tests.guidance_app.views.staging import LINE_ROW, overlay

pytestmark = pytest.mark.usefixtures("qapp")

SCALE = 7.0
LOOKS: dict[str, tuple[str, Line]] = {
    "valid": (palette.VALID, "solid"),
    "held by bones": (palette.HELD, "long dashes"),
    "carried": (palette.CARRIED, "dash dot"),
    "unverified": (palette.UNVERIFIED, "dashed"),
    "not current": (palette.NOT_CURRENT, "dotted"),
}


def luminance(rgb: np.ndarray) -> np.ndarray:
    """WCAG 2.1, of 8-bit sRGB."""
    parts = rgb / 255.0
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast_of_line(name: str, mode: OverlayMode, seen: BranchSeen, grey: int) -> np.ndarray:
    """Of the pixel that stands out most from the picture, in each column along the straight vessel."""
    colour, line = LOOKS[name]
    drawn = overlay()
    drawn = replace(drawn, centerlines=tuple(replace(path, seen=seen) for path in drawn.centerlines))
    image = QImage(700, 700, QImage.Format.Format_RGB32)
    image.fill(QColor(grey, grey, grey))
    painter = QPainter(image)
    placing = Placing(view_from_frame=QTransform.fromScale(SCALE, SCALE), clip=QRectF(image.rect()))
    look = OverlayLook(colour=colour, line=line, label="")
    OverlayPainter().paint(painter, drawn, look, placing=placing, mode=mode, opacity=1.0)
    painter.end()
    row = round((LINE_ROW + 0.5) * SCALE)
    reach = round(8 * SCALE)
    pixels = pixels_of(image, (700, 700))[row - reach : row + reach, 230:470, 2::-1].astype(float)
    seen_as, ground = luminance(pixels) + 0.05, luminance(np.array([[grey] * 3], dtype=float)) + 0.05
    return np.maximum(seen_as / ground, ground / seen_as).max(axis=0)


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize(("name", "mode", "seen"), list(product(LOOKS, ("outline", "centerline"), ("now", "earlier"))))
def test_lines_stand_out_from_every_picture(name: str, mode: OverlayMode, seen: BranchSeen, grey: int) -> None:
    contrast = contrast_of_line(name, mode, seen, grey)
    marked = contrast[contrast > 1.5]
    # Between dashes there is nothing; where there is something, most of it stands out, and its ends fade.
    assert len(marked) > 0.2 * len(contrast)
    assert np.median(marked) >= 3.0


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_branch_never_seen_filled_is_fainter_than_one_that_was(grey: int) -> None:
    never, now = (np.median(contrast_of_line("valid", "centerline", seen, grey)) for seen in ("never", "now"))
    assert 1.1 < never < now
