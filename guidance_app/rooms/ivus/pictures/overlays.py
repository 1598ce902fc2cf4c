"""What is drawn over a frame and over the CT's cross-section: lumen, vessel border, side branch, calcium, wire."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.ivus.features.contour_maps import polygon_centroid
from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.files.contour_tables import Contours
from guidance_app.panels.pictures.picture_view import Outline
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.pictures.lanes import BRANCH, CALCIUM, LUMEN

MEDIA, WIRE, CT_LUMEN = "#c792ea", "#9aa0a6", "#3fd0ff"
_SEEN = 0.5
_BEYOND_MM = {"branch": 0.55, "calcium": 0.3}


def frame_outlines(desk: FusionDesk) -> tuple[Outline, ...]:
    """Over the frame, and over the CT for comparison."""
    row = desk.maps_row(desk.frame)
    maps = desk.fusion.frame_maps
    middle = np.array(lumen_middle_mm(desk))
    radius = maps.radius_mm[row]
    source = desk.opened.source
    border = _ring(radius) + middle
    if isinstance(source, Contours):  # as it was drawn
        border = source.lumen[desk.frame] - polygon_centroid(source.lumen[desk.frame])
    found = [Outline(points_mm=border, colour=LUMEN, name="lumen IVUS", closed=True)]
    found += _drawn(desk)
    for name, colour, values in (("branch", BRANCH, maps.branch[row]), ("calcium", CALCIUM, maps.calcium[row])):
        found += [
            Outline(points_mm=arc + middle, colour=colour, name=name, width_px=3.0)
            for arc in _arcs(values > _SEEN, radius + _BEYOND_MM[name])
        ]
    for start, count in _runs(maps.valid[row] < _SEEN):
        turn = (start + 0.5 * (count - 1)) * 2 * np.pi / ANGLES
        ray = np.array([[np.cos(turn), np.sin(turn)]]) * np.array([[0.7], [4.3]])
        found.append(Outline(points_mm=ray, colour=WIRE, name="wire shadow", dashed=True))
    return tuple(found)


def lumen_middle_mm(desk: FusionDesk) -> tuple[float, float]:
    """Middle of the frame's lumen from its origin, along u and v."""
    if isinstance(desk.opened.source, Contours):
        return 0.0, 0.0
    across, down = desk.fusion.frame_maps.centre_mm[desk.maps_row(desk.frame)]
    return float(across), float(down)


def ct_outlines(desk: FusionDesk) -> tuple[Outline, ...]:
    """The CT's own lumen, as the frame lies in it."""
    fusion, maps = desk.fusion, desk.fusion.course_maps
    place = float(fusion.place_mm[desk.frame])
    step = float(maps.place_mm[1] - maps.place_mm[0])
    row = round((place - float(maps.place_mm[0])) / step)
    if not 0 <= row < len(maps.place_mm):
        return ()
    hand = fusion.handedness * (-1 if fusion.distal_to_proximal else 1)
    turn = np.arange(ANGLES) * 2 * np.pi / ANGLES
    course_turn = fusion.angle_rad[desk.frame] + hand * turn
    radius = np.interp(np.mod(course_turn, 2 * np.pi), turn, maps.radius_mm[row], period=2 * np.pi)
    middle = _course_middle(desk)
    return (Outline(points_mm=_ring(radius) + middle, colour=CT_LUMEN, name="lumen CT", closed=True),)


def _course_middle(desk: FusionDesk) -> Float[np.ndarray, " 2"]:
    """The vessel's middle in the CT from the frame's origin, along u and v."""
    fusion, frame = desk.fusion, desk.frame
    middle = fusion.course.frame.at(fusion.place_mm[frame : frame + 1]).points_mm[0] - fusion.points_mm[frame]
    return np.array([middle @ fusion.u[frame], middle @ fusion.v[frame]])


def _drawn(desk: FusionDesk) -> list[Outline]:
    """The outlines of a reader, about the lumen's middle."""
    source = desk.opened.source
    if not isinstance(source, Contours):
        return []
    middle = polygon_centroid(source.lumen[desk.frame])
    groups = (("vessel", MEDIA, source.eem), ("branch", BRANCH, source.branch), ("calcium", CALCIUM, source.calcium))
    return [
        Outline(points_mm=polygon - middle, colour=colour, name=name, closed=True)
        for name, colour, polygons in groups
        for polygon in polygons[desk.frame]
    ]


def _ring(radius_mm: Float[np.ndarray, " a"]) -> Float[np.ndarray, "a 2"]:
    turn = np.arange(len(radius_mm)) * 2 * np.pi / len(radius_mm)
    return np.column_stack([radius_mm * np.cos(turn), radius_mm * np.sin(turn)])


def _runs(seen: np.ndarray) -> list[tuple[int, int]]:
    """First angle and number of each unbroken run; angles go round."""
    if seen.all():
        return [(0, len(seen))]
    starts = np.flatnonzero(seen & ~np.roll(seen, 1))
    found = []
    for start in starts:
        count = 1
        while seen[(start + count) % len(seen)]:
            count += 1
        found.append((int(start), count))
    return found


def _arcs(seen: np.ndarray, radius_mm: np.ndarray) -> list[Float[np.ndarray, "n 2"]]:
    arcs = []
    for start, count in _runs(seen):
        index = np.arange(start - 0.5, start + count + 0.01, 0.5)
        turn = index * 2 * np.pi / ANGLES
        radius = np.interp(index, np.arange(ANGLES), radius_mm, period=ANGLES)
        arcs.append(np.column_stack([radius * np.cos(turn), radius * np.sin(turn)]))
    return arcs
