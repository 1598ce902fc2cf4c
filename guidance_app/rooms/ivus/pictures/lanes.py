"""What the lanes show: long views of both pictures, landmark maps joined, and the posterior as two bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from engines.ivus.features.landmark_list import landmark_list
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.figure import matched_course_maps, matched_landmarks
from engines.ivus.fusion import Landmark
from guidance_app.panels.pictures.grey import colour_image, grey_image, windowed
from guidance_app.panels.pictures.lane_view import Curve, Join, Lane, Mark
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.answer.opened import sampled
from guidance_app.views import palette

BRANCH, CALCIUM, LUMEN, MATCH = "#4aa3ff", "#ffc233", "#ff8a3d", "#35d07f"
Reader = Callable[[np.ndarray, np.ndarray], np.ndarray]  # x and y in mm to (frame, place)
WIDTH_PX = 1100
REACH_MM = 4.2
_STEP_MM = 0.06
_MARGIN_MM = 2.0
_PLACE_BAND_MM, _TURN_BAND_DEG = 8.0, 90.0
_SHARP_PLACE, _SHARP_TURN = 0.25, 0.35  # chance of one place and of one angle where the search is sure
IVUS_LONG, CT_LONG, IVUS_MAP, CT_MAP, TURN_BAND, PLACE_BAND = range(6)


def axis_range(desk: FusionDesk) -> tuple[float, float]:
    place = desk.fusion.place_mm
    return float(place.min()) - _MARGIN_MM, float(place.max()) + _MARGIN_MM


def all_lanes(
    desk: FusionDesk, ivus_window: tuple[float, float], ct_window: tuple[float, float]
) -> tuple[tuple[Lane, ...], tuple[Join, ...]]:
    """Six lanes from the ostium (left) outwards, and the lines that join what was matched."""
    seen = matched_course_maps(desk.fusion)
    mine, theirs = desk.fusion.frame_maps, seen
    pairs = matched_landmarks(desk.fusion, landmark_list(seen, desk.fusion.frame_index.astype(float)))
    lanes = (
        _long(desk, "IVUS", _frames(desk), ivus_window), _long(desk, "CT", desk.ct.lines, ct_window),
        _map(desk, "IVUS\nturn", mine), _map(desk, "CT\nturn", theirs), *_bands(desk),
    )  # fmt: skip
    ticks = [_ticks(desk, [pair[side] for pair in pairs], bottom=side == 0) for side in (0, 1)]
    lanes = (
        *(replace(lane, curves=(*lane.curves, *more)) for lane, more in zip(lanes[:2], ticks, strict=True)),
        *lanes[2:],
    )
    return lanes, tuple(join for one, other in pairs for join in _joins(desk, one, other))


def _joins(desk: FusionDesk, one: Landmark, other: Landmark) -> list[Join]:
    """Between the maps, and between the long views where a tick stands for the branch."""
    a, b = (_place(desk, landmark.place) for landmark in (one, other))
    return [
        Join(upper=IVUS_LONG, upper_at=(a, -REACH_MM), lower=CT_LONG, lower_at=(b, REACH_MM), colour=MATCH),
        Join(upper=IVUS_MAP, upper_at=(a, one.angle_deg), lower=CT_MAP, lower_at=(b, other.angle_deg), colour=MATCH),
    ]  # fmt: skip


def _ticks(desk: FusionDesk, landmarks: list[Landmark], *, bottom: bool) -> list[Curve]:
    """A short line where a matched landmark lies, at the edge towards the other picture."""
    ends = np.array([-REACH_MM, -0.55 * REACH_MM]) * (1 if bottom else -1)
    return [
        Curve(x_mm=np.full(2, _place(desk, landmark.place)), y=ends, colour=MATCH, width_px=1.6)
        for landmark in landmarks
    ]


def _place(desk: FusionDesk, frame: float) -> float:
    return float(np.interp(frame, np.arange(desk.frames), desk.fusion.place_mm))


def _on_axis(desk: FusionDesk) -> tuple[np.ndarray, tuple[float, float]]:
    """Nearest frame of each column between the first and the last place, and these places."""
    place = desk.fusion.place_mm
    low, high = float(place.min()), float(place.max())
    at = np.linspace(low, high, WIDTH_PX)
    order = np.argsort(place)
    return order[np.clip(np.searchsorted(place[order], at), 0, len(place) - 1)], (low, high)


def _long(desk: FusionDesk, name: str, read: Reader, window: tuple[float, float]) -> Lane:
    """The pictures along the plane of the cut."""
    nearest, ends = _on_axis(desk)
    height = np.arange(REACH_MM, -REACH_MM - 1e-6, -_STEP_MM)  # top first: the handle's knob points up
    grey = windowed(read(height * np.cos(desk.cut_rad), height * np.sin(desk.cut_rad)), window)
    return Lane(
        name=name, weight=1.15, y=(-REACH_MM, REACH_MM), image=grey_image(grey[nearest].T), x_mm=ends,
        curves=_lumen_edges(desk), ticks=(-3.0, 0.0, 3.0),
    )  # fmt: skip


def _frames(desk: FusionDesk) -> Reader:
    opened = desk.opened
    return lambda x_mm, y_mm: sampled(opened.frames, x_mm, y_mm, opened.pixel_mm, opened.centre_px)


def _lumen_edges(desk: FusionDesk) -> tuple[Curve, ...]:
    """The ultrasound's lumen along the cut, over both pictures: in the CT it shows whether they agree."""
    fusion, maps = desk.fusion, desk.fusion.frame_maps
    turn = desk.cut_rad / (2 * np.pi) * ANGLES
    bins = [round(turn) % ANGLES, round(turn + ANGLES / 2) % ANGLES]
    along = maps.centre_mm @ np.array([np.cos(desk.cut_rad), np.sin(desk.cut_rad)])
    if desk.opened.inputs.contours:
        along = np.zeros(len(maps.place_mm))
    place = fusion.place_mm[fusion.frame_index]
    return tuple(
        Curve(x_mm=place, y=along + sign * maps.radius_mm[:, k], colour=LUMEN)
        for k, sign in zip(bins, (1, -1), strict=True)
    )


def _map(desk: FusionDesk, name: str, maps: LandmarkMaps) -> Lane:
    picture = np.zeros((*maps.branch.shape, 3)) + 12.0
    for values, colour in ((maps.branch, BRANCH), (maps.calcium, CALCIUM)):
        share = np.clip(values, 0, 1)[:, :, None]
        picture = picture * (1 - share) + _rgb(colour) * share
    picture += 46.0 * (1.0 - maps.valid[:, :, None])  # hidden behind a wire, or beyond the vessel: grey
    return _over_turn(desk, name, picture, (0.0, 360.0), 1.0, (0.0, 180.0, 360.0))


def _over_turn(
    desk: FusionDesk, name: str, picture: Float[np.ndarray, "g n 3"], y: tuple[float, float], weight: float,
    ticks: tuple[float, ...],
) -> Lane:  # fmt: skip
    place = desk.fusion.place_mm[desk.fusion.frame_index]
    order = np.argsort(place)
    at = np.linspace(place.min(), place.max(), WIDTH_PX // 2)
    nearest = order[np.clip(np.searchsorted(place[order], at), 0, len(place) - 1)]
    rgb = np.clip(picture[nearest].transpose(1, 0, 2)[::-1], 0, 255).astype(np.uint8)
    return Lane(name=name, weight=weight, y=y, image=colour_image(rgb), x_mm=(float(place.min()), float(place.max())),
                ticks=ticks)  # fmt: skip


def _bands(desk: FusionDesk) -> tuple[Lane, ...]:
    """How narrow the posterior is about the answer: a thin bright line is sure, a broad or split one is not."""
    fusion = desk.fusion
    known = fusion.certainty
    if known is None:
        return ()
    columns = np.arange(ANGLES) * 360.0 / ANGLES
    offsets = np.linspace(-_TURN_BAND_DEG, _TURN_BAND_DEG, 49)
    about = np.empty((len(known.turn), len(offsets)))
    for g, angle in enumerate(np.rad2deg(fusion.angle_rad[fusion.frame_index])):
        about[g] = np.interp((angle + offsets) % 360.0, columns, known.turn[g], period=360.0)
    course = fusion.course_maps.place_mm
    shifts = np.linspace(-_PLACE_BAND_MM, _PLACE_BAND_MM, 65)
    along = np.stack([np.interp(at + shifts, course, row, left=0.0, right=0.0)
                      for at, row in zip(fusion.place_mm[fusion.frame_index], known.place, strict=True)])  # fmt: skip
    return (
        _over_turn(
            desk,
            "sure of\nturn \u00b0",
            _heat(about, _SHARP_TURN),
            (-_TURN_BAND_DEG, _TURN_BAND_DEG),
            0.55,
            (-90.0, 90.0),
        ),
        _over_turn(
            desk, "sure of\nmm", _heat(along, _SHARP_PLACE), (-_PLACE_BAND_MM, _PLACE_BAND_MM), 0.55, (-8.0, 8.0)
        ),
    )


def _heat(chance: Float[np.ndarray, "g n"], sharp: float) -> Float[np.ndarray, "g n 3"]:
    share = np.sqrt(np.clip(chance / sharp, 0.0, 1.0))[:, :, None]  # one scale for all results: unsure is dim
    return 10.0 + share * (_rgb(palette.VALID) - 10.0)


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=float)


def landmark_marks(desk: FusionDesk) -> tuple[Mark, ...]:
    """Rings at the ultrasound's landmarks, for the map."""
    colours = {"bifurcation": BRANCH, "calcification": CALCIUM}
    return tuple(Mark(x_mm=_place(desk, landmark.place), y=landmark.angle_deg, colour=colours[landmark.kind])
                 for landmark in desk.fusion.ivus_landmarks)  # fmt: skip
