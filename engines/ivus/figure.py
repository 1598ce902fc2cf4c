"""One page that lets a person judge a registration: long views, landmark maps, pairs of cross-sections, flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int16
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from engines.ivus.features.landmark_list import landmark_list
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Fusion, Landmark
from engines.ivus.trust import advice

_BRANCH, _CALCIUM, _DARK = (0.25, 0.6, 1.0), (1.0, 0.75, 0.2), (0.06, 0.06, 0.09)
_INK, _OURS, _THEIRS = "#1c2430", "#c2410c", "#1d4ed8"
_CT_WINDOW = (-150.0, 650.0)
_VIEW_MM = 4.0
_JOIN_MM, _JOIN_DEG = 3.0, 40.0


def write_figure(
    path: Path, fusion: Fusion, source: Pullback | Contours, mpr: Int16[np.ndarray, "f rows columns"]
) -> None:
    """Draw the page as PNG."""
    figure = Figure(figsize=(13.0, 12.0), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        6, 6, height_ratios=[0.5, 1.0, 1.0, 1.0, 1.0, 1.9], hspace=0.38, wspace=0.12,
        left=0.065, right=0.985, top=0.985, bottom=0.03,
    )  # fmt: skip
    _verdict(figure.add_subplot(grid[0, :]), fusion, source)
    z = np.abs(fusion.z_mm - fusion.z_mm[0])
    views = [figure.add_subplot(grid[row, :]) for row in (1, 2, 3, 4)]
    _long_views(views[0], views[1], z, source, mpr, fusion)
    _maps(figure, views[2], views[3], z, fusion)
    for number, frame in enumerate(_shown(fusion)):
        pair = [figure.add_subplot(grid[5, 2 * number + side]) for side in (0, 1)]
        _pair(pair[0], pair[1], frame, z, source, mpr, fusion)
    figure.savefig(path, format="png")


def _verdict(axes: Any, fusion: Fusion, source: Pullback | Contours) -> None:
    axes.axis("off")
    trusted = not fusion.flags
    colour = "#15803d" if trusted else "#b45309"
    title = "Trusted without a look" if trusted else "Look before you trust"
    way = "distal to proximal" if fusion.distal_to_proximal else "proximal to distal"
    axes.text(0, 0.95, f"{title}   confidence {fusion.confidence:.2f}", fontsize=15, weight="bold", color=colour,
              va="top", transform=axes.transAxes)  # fmt: skip
    what = "contours" if isinstance(source, Contours) else "pullback"
    first, last = fusion.place_mm[0], fusion.place_mm[-1]
    line = (
        f"{what} of {len(fusion.z_mm)} frames, {way}, handedness {fusion.handedness:+d}; {first:.1f} to {last:.1f} mm "
        f"from the centerline's ostial end; method {fusion.method}. Research use only."
    )
    axes.text(0, 0.42, line, fontsize=9.5, color=_INK, va="top", transform=axes.transAxes)
    words = "   ".join(f"{name}: {advice(name, fusion)}." for name in fusion.flags[:3])
    if words:
        axes.text(0, 0.08, words, fontsize=8.5, color=colour, va="top", transform=axes.transAxes)


def _long_views(
    upper: Any, lower: Any, z: np.ndarray, source: Pullback | Contours, mpr: np.ndarray, fusion: Fusion
) -> None:
    maps = fusion.frame_maps
    place = z[fusion.frame_index]
    if isinstance(source, Contours):
        upper.set_facecolor(_DARK)
        upper.fill_between(place, -maps.radius_mm[:, ANGLES // 2], maps.radius_mm[:, 0], color="#5b6b80")
        columns_mm = np.linspace(-4.5, 4.5, mpr.shape[2])
        middle = mpr.shape[1] // 2
    else:
        middle = round(source.centre_px[1])
        columns_mm = (np.arange(mpr.shape[2]) - source.centre_px[0]) * source.pixel_mm
        _strip(upper, source.frames[:, middle], z, columns_mm, 0, 255)
    _strip(lower, mpr[:, middle], z, columns_mm, *_CT_WINDOW)
    right = maps.centre_mm[:, 0] + maps.radius_mm[:, 0]
    left = maps.centre_mm[:, 0] - maps.radius_mm[:, ANGLES // 2]
    if isinstance(source, Contours):
        right, left = maps.radius_mm[:, 0], -maps.radius_mm[:, ANGLES // 2]
    for axes, name in ((upper, "IVUS along u (mm)"), (lower, "CT along u (mm)")):
        axes.plot(place, right, color="#f97316", lw=0.9)
        axes.plot(place, left, color="#f97316", lw=0.9)
        axes.set_ylim(-_VIEW_MM, _VIEW_MM)
        axes.set_xlim(z[0], z[-1])
        axes.set_ylabel(name, fontsize=8.5)
        axes.tick_params(labelsize=8)
    upper.set_title("Long views on the pullback's axis; orange: lumen found in the frames", fontsize=9.5, loc="left")


def _strip(axes: Any, rows: np.ndarray, z: np.ndarray, columns_mm: np.ndarray, low: float, high: float) -> None:
    # Frames may be unevenly spaced: a mesh keeps each at its place.
    even = np.linspace(z[0], z[-1], min(4 * len(z), 1200))
    nearest = np.abs(z[None, :] - even[:, None]).argmin(axis=1)
    extent = (float(z[0]), float(z[-1]), float(columns_mm[0]), float(columns_mm[-1]))
    axes.imshow(rows[nearest].T, cmap="gray", vmin=low, vmax=high, aspect="auto", origin="lower", extent=extent)


def _maps(figure: Figure, upper: Any, lower: Any, z: np.ndarray, fusion: Fusion) -> None:
    seen = matched_course_maps(fusion)
    place = z[fusion.frame_index]
    for axes, maps, name in ((upper, fusion.frame_maps, "IVUS angle"), (lower, seen, "CT angle")):
        picture = np.zeros((*maps.branch.shape, 3)) + _DARK
        for values, colour in ((maps.branch, _BRANCH), (maps.calcium, _CALCIUM)):
            share = np.clip(values, 0, 1)[:, :, None]
            picture = picture * (1 - share) + np.array(colour) * share
        picture = picture * (0.45 + 0.55 * maps.valid[:, :, None])
        axes.imshow(picture.transpose(1, 0, 2), aspect="auto", origin="lower",
                    extent=(float(place[0]), float(place[-1]), 0.0, 360.0))  # fmt: skip
        axes.set_xlim(z[0], z[-1])
        axes.set_yticks([0, 90, 180, 270, 360])
        axes.set_ylabel(f"{name} (deg)", fontsize=8.5)
        axes.tick_params(labelsize=8)
    upper.set_title("Landmarks: blue side branch, amber calcium; the CT turned and stretched as registered",
                    fontsize=9.5, loc="left")  # fmt: skip
    lower.set_xlabel("mm from the first stored frame", fontsize=8.5)
    for mine, theirs in matched_landmarks(fusion, landmark_list(seen, fusion.frame_index.astype(float))):
        a = (float(np.interp(mine.place, np.arange(len(z)), z)), mine.angle_deg)
        b = (float(np.interp(theirs.place, np.arange(len(z)), z)), theirs.angle_deg)
        figure.add_artist(ConnectionPatch(a, b, "data", "data", axesA=upper, axesB=lower, color="#22c55e", lw=1.2))


def matched_course_maps(fusion: Fusion) -> LandmarkMaps:
    """The CT's landmarks at the frames' places and angles: what the search says the frames should show."""
    course = fusion.course_maps
    place = fusion.place_mm[fusion.frame_index]
    step = course.place_mm[1] - course.place_mm[0]
    row = np.rint((place - course.place_mm[0]) / step).astype(int)
    inside = ((row >= 0) & (row < len(course.place_mm)))[:, None]
    row = np.clip(row, 0, len(course.place_mm) - 1)
    hand = fusion.handedness * (-1 if fusion.distal_to_proximal else 1)
    turn = np.rint(fusion.angle_rad[fusion.frame_index] / (2 * np.pi) * ANGLES).astype(int)
    column = (turn[:, None] + hand * np.arange(ANGLES)[None, :]) % ANGLES

    def taken(values: Float[np.ndarray, "n a"]) -> Float[np.ndarray, "f a"]:
        return values[row[:, None], column] * inside

    return LandmarkMaps(
        place_mm=fusion.frame_maps.place_mm, branch=taken(course.branch), calcium=taken(course.calcium),
        valid=np.broadcast_to(inside, column.shape).astype(float),
        radius_mm=course.radius_mm[row[:, None], column], wall_mm=taken(course.wall_mm),
        centre_mm=np.zeros((len(row), 2)), pulled_mm=np.zeros((len(row), 2)),
    )  # fmt: skip


def matched_landmarks(fusion: Fusion, theirs: tuple[Landmark, ...]) -> list[tuple[Landmark, Landmark]]:
    """The ultrasound's landmarks with those of the CT that lie at the same place and angle.

    Args:
        theirs: of the CT, at the frames' places and angles.
    """
    z = np.abs(fusion.z_mm - fusion.z_mm[0])
    found, frames = [], np.arange(len(z))
    for one in fusion.ivus_landmarks:
        near = [
            other for other in theirs
            if other.kind == one.kind
            and abs(float(np.interp(one.place, frames, z) - np.interp(other.place, frames, z))) < _JOIN_MM
            and abs((one.angle_deg - other.angle_deg + 180) % 360 - 180) < _JOIN_DEG
        ]  # fmt: skip
        if near:
            found.append((one, max(near, key=lambda other: other.probability)))
    return found


def _shown(fusion: Fusion) -> list[int]:
    """Three frames: where landmarks are strongest in three parts of the pullback."""
    maps = fusion.frame_maps
    strength = (maps.branch**2).sum(axis=1) + (maps.calcium**2).sum(axis=1)
    parts = np.array_split(np.arange(len(strength)), 3)
    return [int(fusion.frame_index[part[np.argmax(strength[part])]]) for part in parts if len(part)]


def _pair(
    left: Any, right: Any, frame: int, z: np.ndarray, source: Pullback | Contours, mpr: np.ndarray, fusion: Fusion
) -> None:
    turn = np.linspace(0, 2 * np.pi, ANGLES + 1)
    number = int(np.abs(fusion.frame_index - frame).argmin())
    radius = np.append(fusion.frame_maps.radius_mm[number], fusion.frame_maps.radius_mm[number, 0])
    x, y = radius * np.cos(turn), radius * np.sin(turn)
    if isinstance(source, Contours):
        extent = (-4.5, 4.5, 4.5, -4.5)
        left.set_facecolor(_DARK)
    else:
        x, y = x + fusion.frame_maps.centre_mm[number, 0], y + fusion.frame_maps.centre_mm[number, 1]
        rows, columns = source.frames.shape[1:]
        px, (column, row) = source.pixel_mm, source.centre_px
        extent = (
            (-0.5 - column) * px, (columns - 0.5 - column) * px, (rows - 0.5 - row) * px, (-0.5 - row) * px
        )  # fmt: skip
        left.imshow(source.frames[frame], cmap="gray", extent=extent, vmin=0, vmax=255)
    right.imshow(mpr[frame], cmap="gray", extent=extent, vmin=_CT_WINDOW[0], vmax=_CT_WINDOW[1])
    for axes, name in ((left, f"frame {frame}, {z[frame]:.1f} mm"), (right, f"CT at {fusion.place_mm[frame]:.1f} mm")):
        axes.plot(x, y, color="#f97316", lw=1.0)
        axes.plot(0, 0, "+", color="#22d3ee", ms=6)
        axes.set_xlim(-_VIEW_MM, _VIEW_MM)
        axes.set_ylim(_VIEW_MM, -_VIEW_MM)
        axes.set_aspect("equal")
        axes.set_title(name, fontsize=8.5)
        axes.set_xticks([])
        axes.set_yticks([])
