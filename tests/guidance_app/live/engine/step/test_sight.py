"""Each branch says how contrast last showed it: on this frame, on an earlier one of this view, or never."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.sight import BranchSight
from guidance_app.live.guidance import Overlay, OverlayPath
from tests.guidance_app.live.stand_ins import geometry

_VIEW = geometry(size=128)
_KEY = ViewKey(geometry=_VIEW, shape_px=(128, 128))
_UPPER, _LOWER = 30, 90


def line(row: int) -> OverlayPath:
    return OverlayPath(
        points_px=np.column_stack([np.arange(10.0, 110.0), np.full(100, row)]), width_px=np.full(100, 3.0)
    )


def overlay(*, shift_px: float = 0.0, generation: int = 0) -> Overlay:
    lines = (line(_UPPER), line(_LOWER))
    moved = tuple(replace(each, points_px=each.points_px + np.array([0.0, shift_px])) for each in lines)
    return Overlay(
        frame_index=0, geometry=_VIEW, centerlines=moved, outline=(), halo_px=1.0, generation=generation
    )  # fmt: skip


def filled(*rows: int, until: int = 128) -> np.ndarray:
    mask = np.zeros((128, 128), dtype=bool)
    for row in rows:
        mask[row - 1 : row + 2, :until] = True
    return mask


def seen(sight: BranchSight, mask: np.ndarray | None, key: ViewKey = _KEY, **how) -> list[str | None]:
    return [path.seen for path in sight.marked(overlay(**how), key, mask).centerlines]


def test_a_branch_is_filled_now_then_filled_earlier_and_an_unfilled_one_was_never_seen():
    sight = BranchSight()
    for _ in range(3):
        last = seen(sight, filled(_UPPER))
    assert last == ["now", "never"]
    assert seen(sight, filled(_LOWER)) == ["earlier", "never"]
    assert seen(sight, None) == ["earlier", "never"]


def test_one_bad_segmentation_vouches_for_no_branch_but_a_still_picture_is_all_there_is():
    assert seen(BranchSight(), filled(_UPPER, _LOWER)) == ["never", "never"]
    marked = BranchSight().marked(overlay(), _KEY, filled(_UPPER), still_picture=True)
    assert [path.seen for path in marked.centerlines] == ["now", "never"]


def test_a_branch_that_is_filled_for_its_smaller_part_was_not_seen():
    sight = BranchSight()
    for _ in range(5):
        last = seen(sight, filled(_UPPER, until=55))
    assert last == ["never", "never"]


def test_another_view_and_another_place_start_anew_a_persons_yes_does_not():
    sight = BranchSight()
    for _ in range(3):
        seen(sight, filled(_UPPER))
    assert seen(sight, None, generation=1) == ["earlier", "never"]
    assert seen(sight, None, generation=2, shift_px=40.0) == ["never", "never"]
    for _ in range(3):
        seen(sight, filled(_UPPER), generation=3)
    other = replace(_KEY, geometry=geometry(30.0, size=128))
    assert seen(sight, None, key=other, generation=3) == ["never", "never"]


def test_a_branch_outside_the_picture_or_behind_the_source_is_not_judged():
    gone = OverlayPath(points_px=np.full((9, 2), np.nan), width_px=np.full(9, np.nan))
    away = OverlayPath(points_px=np.column_stack([np.arange(9.0) - 500.0, np.full(9, 30.0)]), width_px=np.ones(9))
    sight, both = BranchSight(), replace(overlay(), centerlines=(gone, away))
    for _ in range(3):
        marked = sight.marked(both, _KEY, np.ones((128, 128), dtype=bool))
    assert [path.seen for path in marked.centerlines] == ["never", "never"]


def test_a_model_without_centerlines_has_nothing_to_say():
    bare = replace(overlay(), centerlines=())
    assert BranchSight().marked(bare, _KEY, filled(_UPPER)) is bare
