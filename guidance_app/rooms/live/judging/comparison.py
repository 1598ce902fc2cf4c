"""Three ways to see picture and rendered model against each other: in turn, in squares, and by their edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from guidance_app.live.guidance import Overlay
from guidance_app.views import palette
from guidance_app.views.overlay_shape import OverlayShape

Comparison = Literal["flicker", "checkerboard", "edges"]
COMPARISONS: tuple[Comparison, ...] = ("flicker", "checkerboard", "edges")

_LIGHTS = (70, 190)  # of the ground: that of the picture, so that nothing flashes in a dark room
_DARK_SHARE = 0.4  # grey of the deepest lumen in that of the ground
_SQUARES = 10  # along the shorter side: small enough that most vessels cross several
_DIMMED = 0.45
_SMOOTH_PX = 1.5
_STRONGEST = 0.08  # share of the picture that counts as edge
_FAINT = 6  # greys below the ground that count as lumen
_RGB = tuple[int, int, int]


def ground_of(grey: UInt8[np.ndarray, "rows columns"]) -> int:
    """The grey that the rendered model lies on beside this picture."""
    return int(np.clip(np.median(grey[::4, ::4]), *_LIGHTS))


def rendered_model(overlay: Overlay, ground: int) -> UInt8[np.ndarray, "rows columns"]:
    """The model as a picture of its own: dark where the lumen is thick, the ground's grey where there is none."""
    # All of it: whether a branch is filled is what the person is to see.
    shown = tuple(replace(line, seen=None) for line in overlay.centerlines)
    area = OverlayShape(replace(overlay, centerlines=shown)).lumen_area
    depth = np.sqrt(np.asarray(cv2.distanceTransform((area > 127).astype(np.uint8), cv2.DIST_L2, 3)))
    deepest = float(depth.max())
    thick = 0.35 * (depth > 0) + 0.65 * depth / deepest if deepest > 0 else depth
    grey = ground * (1.0 - (1.0 - _DARK_SHARE) * thick)
    return np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.8)).round().astype(np.uint8)


def checkerboard(
    grey: UInt8[np.ndarray, "rows columns"], model: UInt8[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "rows columns"]:
    """Squares of the picture and of the model in turn; the first is the picture's."""
    side = max(8, min(grey.shape) // _SQUARES)
    row, column = np.indices(grey.shape) // side
    return np.where((row + column) % 2 == 0, grey, model).astype(np.uint8)


def edges(
    grey: UInt8[np.ndarray, "rows columns"], model: UInt8[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """The dimmed picture with its own edges in white, and the model's in the overlay's colour, broken into dashes."""
    picture = np.repeat((_DIMMED * grey).astype(np.uint8)[..., None], 3, axis=2)
    picture[_edge_mask(grey)] = (235, 235, 235)
    covered = model < model.max() - _FAINT
    border = np.asarray(cv2.Canny(covered.astype(np.uint8) * 255, 50, 150)) > 0
    border = np.asarray(cv2.dilate(border.astype(np.uint8), np.ones((2, 2), np.uint8))) > 0
    row, column = np.indices(grey.shape)
    picture[border & ((row + column) % 12 < 8)] = _rgb(palette.VALID)
    return picture


def _edge_mask(grey: UInt8[np.ndarray, "rows columns"]) -> np.ndarray:
    """The strongest edges: thin lines where the smoothed grey changes most."""
    smooth = cv2.GaussianBlur(grey, (0, 0), _SMOOTH_PX)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    strength = np.hypot(np.asarray(across), np.asarray(down))
    high = float(np.quantile(strength, 1.0 - _STRONGEST))
    if high <= 0.0:
        return np.zeros(grey.shape, dtype=bool)
    return np.asarray(cv2.Canny(np.asarray(smooth), 0.5 * high, high, L2gradient=True)) > 0


def _rgb(colour: str) -> _RGB:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue
