"""Borders and dashes of the projected model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from guidance_app.live.guidance import BranchSeen, OverlayPath
from guidance_app.views.dashes import DashPattern, dashed
from guidance_app.views.overlay_shape import OverlayShape
from tests.guidance_app.views.staging import LINE_ROW, overlay


def test_the_border_of_a_branch_lies_half_its_width_beside_its_centerline() -> None:
    (border,) = OverlayShape(overlay()).lumen["now"]
    straight = border[(border[:, 0] > 30) & (border[:, 0] < 70)]
    sides = np.abs(straight[:, 1] - (LINE_ROW + 0.5))
    assert sides == pytest.approx(5.0, abs=0.5)


def test_crossing_branches_have_one_border_without_a_line_through_the_crossing() -> None:
    across = OverlayPath(
        points_px=np.column_stack([np.full(31, 50.0), np.linspace(20.0, 80.0, 31)]), width_px=np.full(31, 10.0)
    )
    crossed = replace(overlay(), centerlines=(*overlay().centerlines, across))
    (border,) = OverlayShape(crossed).lumen["now"]
    assert np.linalg.norm(border - 50.5, axis=1).min() > 5.0


def test_nothing_to_draw_is_no_border() -> None:
    gone = OverlayPath(points_px=np.full((5, 2), np.nan), width_px=np.full(5, np.nan))
    shape = OverlayShape(replace(overlay(), centerlines=(gone,)))
    assert not any(shape.centerline.values())
    assert not any(shape.lumen.values())
    assert not shape.lumen_area.any()


def test_dashes_have_their_length_and_go_round_corners() -> None:
    corner = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    pieces = dashed([corner], DashPattern(on_px=6.0, off_px=2.0))
    assert [np.linalg.norm(np.diff(piece, axis=0), axis=1).sum() for piece in pieces] == pytest.approx([6.0, 6.0, 4.0])
    assert pieces[1].tolist() == [[8.0, 0.0], [10.0, 0.0], [10.0, 4.0]]
    assert dashed([np.zeros((2, 2))], DashPattern(on_px=6.0, off_px=2.0)) == []


def _branch(row: float, seen: BranchSeen) -> OverlayPath:
    columns = np.linspace(20.0, 80.0, 31)
    return OverlayPath(
        points_px=np.column_stack([columns, np.full(31, row)]), width_px=np.full(31, 6.0), name=seen, seen=seen
    )


def test_lines_and_borders_are_sorted_by_how_their_branch_was_last_seen() -> None:
    lines = (_branch(20.0, "now"), _branch(50.0, "earlier"), _branch(80.0, "never"))
    shape = OverlayShape(replace(overlay(), centerlines=lines))
    for sorted_lines, reach_px in ((shape.centerline, 1.0), (shape.lumen, 5.0)):
        assert set(sorted_lines) == {"now", "earlier", "never"}
        for line in lines:
            points = np.concatenate(sorted_lines[line.seen or "now"])
            assert abs(points[:, 1] - 0.5 - line.points_px[0, 1]).max() < reach_px


def test_a_border_changes_its_kind_where_branches_meet_and_leaves_no_gap() -> None:
    trunk, twig = _branch(50.0, "now"), _branch(50.0, "never")
    twig = replace(twig, points_px=twig.points_px + np.array([58.0, 0.0]))
    lumen = OverlayShape(replace(overlay(), centerlines=(trunk, twig))).lumen
    now, never = (np.concatenate(lumen[seen])[:, 0] for seen in ("now", "never"))
    assert now.max() == pytest.approx(never.min(), abs=6.0)
    assert now.min() < 25.0
    assert never.max() > 95.0


def test_unseen_branches_have_their_own_halo_and_no_filled_lumen_and_can_be_left_out() -> None:
    lines = (_branch(20.0, "now"), _branch(60.0, "never"))
    both = replace(overlay(halo_px=2.0), centerlines=lines, unseen_halo_px=12.0)
    shape = OverlayShape(both)
    column = 50
    assert shape.centerline_halo[20, column]
    assert not shape.centerline_halo[28, column]
    assert shape.centerline_halo[69, column]
    assert shape.centerline_halo[51, column]
    assert shape.lumen_area[20, column]
    assert not shape.lumen_area[60, column]
    without = OverlayShape(both, show_unseen=False)
    assert set(without.centerline) == set(without.lumen) == {"now"}
    assert not without.centerline_halo[60, column]
