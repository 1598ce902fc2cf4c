"""The border follows what the model covers and never crosses it."""

from __future__ import annotations

import numpy as np
import pytest

from guidance_app.live.engine.lumen_border import lumen_border
from guidance_app.live.guidance import OverlayPath

_ROW = 50.0
_SHAPE = (100, 100)


def _branch(width_px: float = 10.0) -> OverlayPath:
    columns = np.linspace(20.0, 80.0, 31)
    return OverlayPath(points_px=np.column_stack([columns, np.full(31, _ROW)]), width_px=np.full(31, width_px))


def _no_surface() -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, 2, 2)), np.empty((0, 2))


def _sides(path: OverlayPath) -> np.ndarray:
    points = path.points_px
    return np.abs(points[(points[:, 0] > 30) & (points[:, 0] < 70)][:, 1] - _ROW)


def test_a_branch_alone_is_bordered_at_half_its_width() -> None:
    (border,) = lumen_border((_branch(),), *_no_surface(), _SHAPE)
    assert border.closed
    assert _sides(border) == pytest.approx(5.0, abs=0.6)


def test_edges_and_vertices_of_the_surface_widen_the_border_and_leave_no_line_inside() -> None:
    columns = np.linspace(20.0, 80.0, 31)
    edges = np.concatenate(
        [
            np.stack(
                [np.column_stack([columns[:-1], np.full(30, row)]), np.column_stack([columns[1:], np.full(30, row)])], 1
            )
            for row in (_ROW - 8.0, _ROW, _ROW + 8.0)
        ]
    )
    fill = np.stack(np.meshgrid(columns, np.arange(_ROW - 8.0, _ROW + 9.0, 2.0)), axis=-1).reshape(-1, 2)
    borders = lumen_border((_branch(),), edges, fill, _SHAPE)
    assert len(borders) == 1
    assert _sides(borders[0]) == pytest.approx(8.0, abs=0.6)


def test_a_ring_of_vessel_has_an_inner_border_too() -> None:
    angle = np.linspace(0.0, 2 * np.pi, 60)
    ring = OverlayPath(
        points_px=50.0 + 25.0 * np.column_stack([np.cos(angle), np.sin(angle)]), width_px=np.full(60, 6.0)
    )
    borders = lumen_border((ring,), *_no_surface(), _SHAPE)
    radii = sorted(float(np.linalg.norm(path.points_px - 50.0, axis=1).mean()) for path in borders)
    assert radii == pytest.approx([22.0, 28.0], abs=0.8)


def test_points_behind_the_source_or_outside_the_frame_draw_nothing() -> None:
    gone = OverlayPath(points_px=np.full((5, 2), np.nan), width_px=np.full(5, np.nan))
    far = np.full((3, 2), 1e7)
    assert lumen_border((gone,), np.full((2, 2, 2), np.nan), far, _SHAPE) == ()
