"""The heart in 3-D: the wall by perfusion or territory, coronaries by vessel, stenoses as rings."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import UInt8

from engines.anatomy.centerlines.moving_frame import double_reflection
from engines.anatomy.centerlines.polyline import arc_length_mm
from engines.cmr.results.drawing import VESSEL_COLOURS, colours
from engines.cmr.results.figure import MOST
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.rooms.cmr.opened import OpenedCmr

Standard = Literal["septal", "anterior", "lateral", "inferior", "apical"]
STANDARDS: tuple[Standard, ...] = ("septal", "anterior", "lateral", "inferior", "apical")
_NOT_SEEN = (93, 98, 104)
_UNNAMED = (200, 200, 200)
_ASSUMED_MM, _PALE = 0.3, 200
_RING = (255, 77, 190)
_MARK, _MARK_MM = (255, 240, 120), 3.2
_RING_MM = 2.0  # half of its length along the artery
_WIDTH_MM = 150.0


def draw_heart(view: SceneView, opened: OpenedCmr, *, territories: bool, lit: int = 0) -> None:
    """Args:
    lit: the segment that stands out, 0 for none.
    """
    mesh, wall = opened.mesh, opened.wall
    count = int(wall.sum())
    shades = _shades(opened, territories=territories)[:count]
    if lit:
        own = np.rint(mesh.point_arrays["segment"][:count]).astype(int) == lit
        shades = np.where(own[:, None], 0.6 * shades + 0.4 * 255.0, shades).astype(np.uint8)
    view.set_mesh("wall", mesh.points[:count], mesh.triangles, shades)
    view.legend = "LAD orange, LCx blue, RCA green" if territories else "violet 0, green-yellow 100 % of remote"


def draw_arteries(view: SceneView, opened: OpenedCmr) -> None:
    """Coronaries, and a ring about each stenosis, thicker with its grade."""
    mesh = opened.mesh
    for number, line in enumerate(mesh.lines):
        if len(line) < 2:
            continue
        points = mesh.points[line].astype(np.float64)
        radius = np.nan_to_num(mesh.point_arrays["radius"][line].astype(np.float64), nan=0.8)
        vessel = round(float(mesh.point_arrays["territory"][line[0]]))
        colour = VESSEL_COLOURS[("LAD", "LCx", "RCA")[vessel - 1]] if vessel else _UNNAMED
        least = 0.6
        if opened.found.coronaries == "found_in_ct" and np.isnan(mesh.point_arrays["radius"][line]).all():
            # Assumed, not seen: a thin pale thread cannot be taken for an artery of the CT.
            radius, least = np.full(len(points), _ASSUMED_MM), _ASSUMED_MM
            red, green, blue = colour
            colour = ((red + 2 * _PALE) // 3, (green + 2 * _PALE) // 3, (blue + 2 * _PALE) // 3)
        _tube(view, f"artery {number}", points, np.maximum(radius, least), colour)
        for place, lesion in enumerate(opened.found.stenoses):
            far = np.linalg.norm(points - np.array(lesion.point_lps_mm), axis=1)
            if far.min() > 0.05:
                continue
            arc = arc_length_mm(points)
            near = np.abs(arc - arc[far.argmin()]) <= _RING_MM
            if near.sum() >= 2:
                size = 1.8 + 2.2 * lesion.percent / 100.0
                _tube(view, f"stenosis {place}", points[near], np.full(int(near.sum()), size), _RING)


def mark_place(view: SceneView, point_mm: np.ndarray) -> None:
    """A short bright piece where a stenosis would be set."""
    points = point_mm + np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    _tube(view, "mark", points, np.full(3, _MARK_MM), _MARK)


def standard_view(view: SceneView, opened: OpenedCmr, name: Standard) -> None:
    """Look at the heart from one of its sides, the base above; from the apex with the anterior wall above."""
    frame = opened.frame
    ways = {"septal": -frame.right, "lateral": frame.right, "anterior": -frame.anterior, "inferior": frame.anterior,
            "apical": frame.axis}  # fmt: skip
    middle = frame.apex_mm + 0.5 * frame.length_mm * frame.axis
    up = frame.anterior if name == "apical" else frame.axis
    view.title = f"Heart, {name} view"
    view.look_at(middle, along=ways[name], up=up, width_mm=_WIDTH_MM)


def _shades(opened: OpenedCmr, *, territories: bool) -> UInt8[np.ndarray, "n 3"]:
    arrays = opened.mesh.point_arrays
    if territories:
        table = np.array([_NOT_SEEN, *(VESSEL_COLOURS[name] for name in ("LAD", "LCx", "RCA"))], dtype=np.uint8)
        return table[np.rint(arrays["territory"]).astype(int)]
    share = arrays["relative_upslope"] / (opened.remote or np.nan) / MOST
    known = np.isfinite(share)
    return np.where(known[:, None], colours(share), np.array(_NOT_SEEN)).astype(np.uint8)


def _tube(view: SceneView, name: str, points: np.ndarray, radius: np.ndarray, colour: tuple[int, int, int]) -> None:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    keep = np.concatenate([[True], steps > 1e-6])
    points, radius = points[keep], radius[keep]
    if len(points) < 2:
        return
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1), 1e-9)[:, None]
    u = double_reflection(points, tangent)
    view.set_tube(name, points, radius[:, None], u, np.cross(tangent, u),
                  np.tile(np.array(colour, dtype=np.uint8), (len(points), 1)))  # fmt: skip
