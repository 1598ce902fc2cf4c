"""Borders and dashes of the projected model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from guidance_app.live.guidance import OverlayPath
from guidance_app.views.dashes import DashPattern, dashed
from guidance_app.views.overlay_shape import OverlayShape
from tests.guidance_app.views.staging import LINE_ROW, overlay


def test_the_border_of_a_branch_lies_half_its_width_beside_its_centerline() -> None:
    (border,) = OverlayShape(overlay()).lumen
    straight = border[(border[:, 0] > 30) & (border[:, 0] < 70)]
    sides = np.abs(straight[:, 1] - (LINE_ROW + 0.5))
    assert sides == pytest.approx(5.0, abs=0.5)


def test_crossing_branches_have_one_border_without_a_line_through_the_crossing() -> None:
    across = OverlayPath(
        points_px=np.column_stack([np.full(31, 50.0), np.linspace(20.0, 80.0, 31)]), width_px=np.full(31, 10.0)
    )
    crossed = replace(overlay(), centerlines=(*overlay().centerlines, across))
    (border,) = OverlayShape(crossed).lumen
    assert np.linalg.norm(border - 50.5, axis=1).min() > 5.0


def test_nothing_to_draw_is_no_border() -> None:
    gone = OverlayPath(points_px=np.full((5, 2), np.nan), width_px=np.full(5, np.nan))
    shape = OverlayShape(replace(overlay(), centerlines=(gone,)))
    assert (shape.centerline, shape.lumen) == ((), ())
    assert not shape.lumen_area.any()


def test_dashes_have_their_length_and_go_round_corners() -> None:
    corner = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    pieces = dashed([corner], DashPattern(on_px=6.0, off_px=2.0))
    assert [np.linalg.norm(np.diff(piece, axis=0), axis=1).sum() for piece in pieces] == pytest.approx([6.0, 6.0, 4.0])
    assert pieces[1].tolist() == [[8.0, 0.0], [10.0, 0.0], [10.0, 4.0]]
    assert dashed([np.zeros((2, 2))], DashPattern(on_px=6.0, off_px=2.0)) == []
