"""Handles of a fusion in its views, and what moving one means. No Qt beyond the handle's record."""

from __future__ import annotations

import numpy as np

from engines.cmr.correcting.corrections import DrawnWall
from engines.cmr.fusion_result import Fusion
from guidance_app.panels.pictures.handle_view import Handle

BRUSH_MM = 3.0


def axis_handles(fusion: Fusion) -> tuple[Handle, ...]:
    """Apex and mitral centre in a long section, whose middle is the middle of the axis."""
    half = 0.5 * fusion.model.frame.length_mm
    return (
        Handle(name="apex", x_mm=0.0, y_mm=half, words="apex"),
        Handle(name="mitral", x_mm=0.0, y_mm=-half, words="mitral centre"),
    )


def axis_move(fusion: Fusion, name: str, x_mm: float, y_mm: float, *, septal: bool) -> np.ndarray:
    """LPS by which an end of the axis moved that was let go at a place of a long section."""
    frame = fusion.model.frame
    across = frame.right if septal else frame.anterior
    middle = frame.apex_mm + 0.5 * frame.length_mm * frame.axis
    return middle - x_mm * across - y_mm * frame.axis - (frame.apex_mm if name == "apex" else frame.mitral_mm)


def insertion_handles(fusion: Fusion, level: float) -> tuple[Handle, ...]:
    """RV insertions on the epicardium of a short-axis section."""
    model = fusion.model
    made = []
    for name, turn in (("anterior", model.frame.anterior_rad), ("inferior", -model.frame.anterior_rad)):
        radius = float(model.outer(np.array([level]), np.array([turn]))[0])
        made.append(
            Handle(name=name, x_mm=-radius * np.cos(turn), y_mm=-radius * np.sin(turn), words=f"{name} insertion")
        )
    return tuple(made)


def insertion_turn(fusion: Fusion, name: str, x_mm: float, y_mm: float) -> float:
    """Degrees by which an insertion turned that was let go at a place of a short-axis section."""
    old = fusion.model.frame.anterior_rad * (1.0 if name == "anterior" else -1.0)
    return float(np.rad2deg(np.angle(np.exp(1j * (np.arctan2(-y_mm, -x_mm) - old)))))


def slice_handle(fusion: Fusion, index: int) -> Handle:
    """The middle of a CMR slice's wall, by which the slice is moved."""
    part, link, frame = fusion.slices[index], fusion.links[index], fusion.model.frame
    column, row = part.wall.centre_px
    m, ct_from_cmr = part.part.lps_from_index, np.linalg.inv(link.cmr_from_ct)
    middle = ct_from_cmr[:3, :3] @ (column * m[:3, 0] + row * m[:3, 1] + m[:3, 3]) + ct_from_cmr[:3, 3]
    off = middle - frame.apex_mm
    return Handle(name="slice", x_mm=-float(off @ frame.right), y_mm=-float(off @ frame.anterior), words="slice")


def painted_wall(
    fusion: Fusion, index: int, drawn: DrawnWall, places_mm: np.ndarray, *, pool: bool, add: bool
) -> DrawnWall:
    """Wall and pool after a brush went over places of the slice's picture.

    Args:
        places_mm: (n, 2) in the picture, as the mouse tells them.
        pool: the brush paints the pool, else the wall.
        add: paint, else wipe.
    """
    part, link, frame = fusion.slices[index], fusion.links[index], fusion.model.frame
    points = (
        frame.apex_mm + link.level * frame.length_mm * frame.axis - places_mm[:, :1] * frame.right
        - places_mm[:, 1:] * frame.anterior
    )  # fmt: skip
    at = link.pixel(points @ link.cmr_from_ct[:3, :3].T + link.cmr_from_ct[:3, 3])[:, :2]
    c, r = np.indices(drawn.wall.shape)
    touched = np.zeros(drawn.wall.shape, dtype=bool)
    for column, row in at:
        touched |= np.hypot(*((grid - middle) * size for grid, middle, size in zip(
            (c, r), (column, row), part.part.pixel_mm, strict=True))) <= BRUSH_MM  # fmt: skip
    own, other = (drawn.pool, drawn.wall) if pool else (drawn.wall, drawn.pool)
    own, other = (own | touched, other & ~touched) if add else (own & ~touched, other)
    return DrawnWall(wall=other, pool=own) if pool else DrawnWall(wall=own, pool=other)
