"""What the rotating transducer sees: scatterers, point spread, shadows, guidewire, log compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial import KDTree

from engines.simulation.ivus.catheter import TruePullback
from engines.simulation.ivus.physics import Physics, smooth_noise
from engines.simulation.ivus.tissue import EchoTissue
from engines.simulation.ivus.vessel import Vessel

PIXEL_MM = 0.03
REACH_MM = 4.6
_COARSE = (96, 92)  # angles, depths of 0.05 mm: where shapes are asked for
_FINE = (256, 230)  # angles, depths of 0.02 mm: where speckle is made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shapes:
    """Signed distances and calcium about the catheter, (frames, angles, depths) of 3.75 degrees and 0.05 mm.

    Args:
        lumen_mm, wall_mm: to the border of all lumina and of all external elastic membranes; negative inside.
        main_mm: to the border of the artery's own lumen.
        branch_mm: to the border of the side branches' lumina.
        calcium: 0 or 1.
    """

    lumen_mm: Float[np.ndarray, "f a r"]
    wall_mm: Float[np.ndarray, "f a r"]
    main_mm: Float[np.ndarray, "f a r"]
    branch_mm: Float[np.ndarray, "f a r"]
    calcium: Float[np.ndarray, "f a r"]


def true_shapes(vessel: Vessel, pullback: TruePullback) -> Shapes:
    """Cut the artery along the planes of the frames."""
    frames = len(pullback.arc_mm)
    angle = np.arange(_COARSE[0]) * 2 * np.pi / _COARSE[0]
    depth = (np.arange(_COARSE[1]) + 0.5) * REACH_MM / _COARSE[1]
    shape = (frames, *_COARSE)
    direction = (
        np.cos(angle)[None, :, None] * pullback.u[:, None, :] + np.sin(angle)[None, :, None] * pullback.v[:, None, :]
    )
    points = pullback.points_mm[:, None, None] + depth[None, None, :, None] * direction[:, :, None, :]
    flat = points.reshape(-1, 3)
    arc, turn, radius = _artery_coordinates(vessel, flat, np.repeat(pullback.arc_mm, _COARSE[0] * _COARSE[1]))
    lumen, wall = vessel.radii(arc, turn)
    main = radius - lumen
    outer = radius - wall
    branch = np.full(len(flat), 9.0)
    for side in vessel.branches:
        near = np.flatnonzero((arc > side.arc_mm - 5.0) & (arc < side.arc_mm + 16.0))
        if len(near):
            found, place = KDTree(side.points_mm).query(flat[near], distance_upper_bound=5.0)
            size = side.radius_mm[np.minimum(place, len(side.radius_mm) - 1)]
            branch[near] = np.minimum(branch[near], np.where(np.isfinite(found), found - size, 9.0))
    calcium = vessel.calcified(arc, turn, main) & (branch > 0.0)
    return Shapes(
        lumen_mm=np.minimum(main, branch).reshape(shape),
        wall_mm=np.minimum(outer, branch - 0.3).reshape(shape),
        main_mm=main.reshape(shape),
        branch_mm=branch.reshape(shape),
        calcium=calcium.reshape(shape).astype(np.float32),
    )


def _artery_coordinates(
    vessel: Vessel, points: np.ndarray, arc: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arc length, angle and radius of places near the artery, by two steps to the foot of the perpendicular."""
    frame = vessel.frame

    def along(values: np.ndarray) -> np.ndarray:
        return np.column_stack([np.interp(arc, frame.arc_mm, values[:, k]) for k in range(3)])

    for _ in range(2):
        offset = points - along(frame.points_mm)
        arc = arc + np.einsum("ij,ij->i", offset, along(frame.tangent))
    offset = points - along(frame.points_mm)
    across_u = np.einsum("ij,ij->i", offset, along(frame.u))
    across_v = np.einsum("ij,ij->i", offset, along(frame.v))
    return arc, np.arctan2(across_v, across_u), np.hypot(across_u, across_v)


def paint_frames(
    rng: np.random.Generator, shapes: Shapes, physics: Physics, echo: EchoTissue, wires: Float[np.ndarray, "w f"]
) -> UInt8[np.ndarray, "f rows columns"]:
    """Frames of `PIXEL_MM`, the catheter in the middle pixel.

    Args:
        wires: from `draw_guidewires`.
    """
    frames = len(shapes.lumen_mm)
    size = 2 * int(REACH_MM / PIXEL_MM) + 1
    out = np.empty((frames, size, size), dtype=np.uint8)
    middle = size // 2
    rows, columns = np.mgrid[:size, :size].astype(np.float32) - middle
    radius = np.hypot(rows, columns) * PIXEL_MM / REACH_MM * _FINE[1] - 0.5
    angle = np.mod(np.arctan2(rows, columns) / (2 * np.pi), 1.0) * _FINE[0]
    texture = _texture(rng, frames)
    for index in range(frames):
        polar = _scan(rng, shapes, index, physics, echo, wires[:, index], texture[index])
        padded = np.concatenate([polar, polar[:1]], axis=0)  # rows by angle
        out[index] = cv2.remap(padded, radius.astype(np.float32), angle.astype(np.float32), cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_CONSTANT)  # fmt: skip
    return out


def draw_guidewires(rng: np.random.Generator, frames: int) -> Float[np.ndarray, "w f"]:
    """Angle of each wire in each frame, from columns towards rows, in radians; NaN where there is none."""
    count = int(rng.choice([0, 1, 2], p=[0.1, 0.8, 0.1]))
    if count == 0:
        return np.full((1, frames), np.nan)
    return np.stack([rng.uniform(0, 2 * np.pi) + 0.8 * smooth_noise(rng, frames, 0.43, 20.0) for _ in range(count)])


def _texture(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Slow changes of brightness in the wall and beyond it, (frames, angles, depths)."""
    white = rng.standard_normal((frames, 64, 46)).astype(np.float32)
    raw = gaussian_filter(white, (2, 3, 3), mode=("nearest", "wrap", "nearest"))  # pyright: ignore[reportArgumentType]
    return raw / max(float(raw.std()), 1e-9)


def _upsampled(grid: np.ndarray) -> np.ndarray:
    turned = np.concatenate([grid, grid[:1]], axis=0)
    return cv2.resize(turned.astype(np.float32), (_FINE[1], _FINE[0] + _FINE[0] // len(grid)),
                      interpolation=cv2.INTER_LINEAR)[: _FINE[0]]  # fmt: skip


def _scan(
    rng: np.random.Generator, shapes: Shapes, index: int, physics: Physics, echo: EchoTissue, wires: np.ndarray,
    texture: np.ndarray,
) -> np.ndarray:  # fmt: skip
    lumen, wall, calcium = (_upsampled(grid[index]) for grid in (shapes.lumen_mm, shapes.wall_mm, shapes.calcium))
    uneven = echo.texture * _upsampled(texture)
    depth = (np.arange(_FINE[1]) + 0.5) * REACH_MM / _FINE[1]
    level = np.where(wall < echo.adventitia_mm, echo.adventitia_db, echo.beyond_db) + 4.0 * uneven
    level = np.where(wall > 0.0, level, echo.plaque_db + 2.5 * uneven)
    level = np.where((wall < -0.02) & (wall > -0.16), echo.media_db, level)  # media
    level = np.where((lumen > 0) & (lumen < echo.intima_mm), echo.intima_db, level)  # intima
    level = np.where(lumen < 0.0, physics.blood_db, level)
    level = np.where(calcium > 0.5, echo.calcium_db, level)
    through = np.cumprod(np.where(calcium > 0.5, echo.calcium_pass, 1.0), axis=1)
    through = np.concatenate([np.ones((_FINE[0], 1)), through[:, :-1]], axis=1)
    for wire in wires[np.isfinite(wires)]:
        turn = np.abs(np.angle(np.exp(1j * (np.arange(_FINE[0]) * 2 * np.pi / _FINE[0] - wire))))
        at = echo.wire_mm + 0.1 * np.sin(wire)
        steel = (turn < np.deg2rad(5))[:, None] & (np.abs(depth - at) < 0.09)
        level = np.where(steel, 9.0, level)
        through = np.where((turn < np.deg2rad(8))[:, None] & (depth > at + 0.09), echo.wire_pass, through)
    amplitude = 10 ** (level / 20) * through * np.exp(-echo.fading_per_mm * depth)
    amplitude = gaussian_filter(amplitude, (_px_angle(physics) * 0.5, 1.0), mode=("wrap", "nearest"))  # pyright: ignore[reportArgumentType]
    noise = rng.standard_normal((2, *_FINE)).astype(np.float32)
    axial = physics.axial_mm / (REACH_MM / _FINE[1])
    speckle = gaussian_filter1d(noise, axial, axis=2)
    speckle = gaussian_filter1d(speckle, _px_angle(physics), axis=1, mode="wrap")
    speckle /= speckle.std()
    envelope = np.hypot(speckle[0], speckle[1]) / np.sqrt(2.0) * amplitude
    envelope += 10 ** (echo.floor_db / 20) * np.abs(rng.standard_normal(_FINE))  # electronic noise
    envelope += np.where(depth < 0.5, 1.6 * np.exp(-(((depth - echo.ring_mm) / 0.12) ** 2)), 0.0)  # ring-down
    decibel = 20 * np.log10(envelope + 1e-6) + echo.gain_db
    return (255 * np.clip(1 + decibel / physics.dynamic_range_db, 0, 1)).astype(np.uint8)


def _px_angle(physics: Physics) -> float:
    return physics.lateral_deg / 360 * _FINE[0]
