"""Refinement on rendered vessels brings a near pose back, and never makes one worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engines.registration.rendered.drr_target import DrrTarget, at_level
from engines.registration.rendered.refine_drr import DrrLevel, DrrOptions, refine_with_drr, verify_with_drr
from engines.rendering.factory import make_renderer
from engines.rendering.renderer import Renderer
from engines.rendering.volume import volume_from_centerlines
from tests.engines.registration.drr_scene import TRUTH, geometry, perturbed, projected_error_mm, silhouette, tree

QUICK = DrrOptions(
    levels=(
        DrrLevel(long_side_px=80, steps=16, learning_rate=0.7, reach_mm=8.0),
        DrrLevel(long_side_px=160, steps=6, learning_rate=0.15, reach_mm=4.0),
    ),
    intensity_level=DrrLevel(long_side_px=96, steps=10, learning_rate=0.1, reach_mm=4.0),
    max_rays=500,
    budget_s=60.0,
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    torch.set_num_threads(1)
    volume = volume_from_centerlines(tree(), 1.5)
    return make_renderer("nanodrr", volume.values, volume.lps_from_index)


def _target(view=None, **changes) -> DrrTarget:
    view = view or geometry()
    return DrrTarget(**({"geometry": view, "picture": silhouette(tree(), view.projection(TRUTH))} | changes))


@pytest.mark.parametrize("mirrored", [False, True])
def test_two_degrees_and_three_millimetres_are_brought_back(renderer, mirrored):
    view = geometry(mirrored=mirrored)
    start = perturbed(TRUTH, tree(), 3, turn_deg=2.0, shift_mm=3.0)
    assert projected_error_mm(view, start, TRUTH, tree()) > 1.5
    refined = refine_with_drr(start, [_target(view)], renderer, QUICK)
    assert projected_error_mm(view, refined.isocentre_from_lps, TRUTH, tree()) < 0.5
    assert refined.improved
    assert refined.similarity_after > 0.9 > refined.similarity_before
    assert [stage.name for stage in refined.stages] == ["drr-ncc-80", "drr-ncc-160"]
    assert all(stage.elapsed_ms > 0 for stage in refined.stages)


def test_two_views_find_depth_too(renderer):
    views = [geometry(-30.0, 0.0), geometry(60.0, 0.0)]
    start = perturbed(TRUTH, tree(), 1, turn_deg=1.5, shift_mm=3.0)
    refined = refine_with_drr(start, [_target(view) for view in views], renderer, QUICK)
    points = tree().points_mm()
    away = refined.isocentre_from_lps.apply(points) - TRUTH.apply(points)
    assert np.linalg.norm(away, axis=1).mean() < 0.7


def test_a_table_shift_between_views_is_followed(renderer):
    moved = TRUTH.matrix.copy()
    moved[:3, 3] += (6.0, 0.0, -4.0)
    view = geometry()
    picture = silhouette(tree(), view.projection(type(TRUTH)(matrix=moved, target="isocentre", source="lps")))
    shifted = DrrTarget(geometry=view, picture=picture, shift_mm=(6.0, 0.0, -4.0))
    unshifted = DrrTarget(geometry=view, picture=picture)
    assert verify_with_drr(TRUTH, [shifted], renderer) > 0.9 > verify_with_drr(TRUTH, [unshifted], renderer) + 0.2


def test_mutual_information_with_dark_vessels_tightens_the_pose(renderer):
    view = geometry()
    noise = np.random.default_rng(0).normal(0.0, 0.05, view.shape_px)
    dark = (3.0 - silhouette(tree(), view.projection(TRUTH)) + noise).astype(np.float32)
    start = perturbed(TRUTH, tree(), 5, turn_deg=0.5, shift_mm=1.0)
    refined = refine_with_drr(start, [_target(view, picture=dark, kind="intensity")], renderer, QUICK)
    assert [stage.name for stage in refined.stages] == ["drr-mi"]
    before, after = (projected_error_mm(view, p, TRUTH, tree()) for p in (start, refined.isocentre_from_lps))
    assert after < 0.6 * before


def test_the_true_pose_is_kept(renderer):
    refined = refine_with_drr(TRUTH, [_target()], renderer, QUICK)
    assert projected_error_mm(geometry(), refined.isocentre_from_lps, TRUTH, tree()) < 0.2
    assert refined.similarity_after >= refined.similarity_before


@pytest.mark.parametrize("picture", ["empty", "noise", "other vessels"])
def test_a_picture_without_these_vessels_never_makes_the_pose_worse_and_gives_no_nan(renderer, picture):
    view = geometry()
    pixels = {
        "empty": np.zeros(view.shape_px, dtype=np.float32),
        "noise": np.random.default_rng(1).random(view.shape_px, dtype=np.float32),
        "other vessels": silhouette(tree(seed=9), view.projection(TRUTH)),
    }[picture]
    target = DrrTarget(geometry=view, picture=pixels)
    refined = refine_with_drr(TRUTH, [target], renderer, QUICK)
    assert np.isfinite(refined.isocentre_from_lps.matrix).all()
    assert verify_with_drr(refined.isocentre_from_lps, [target], renderer) >= verify_with_drr(TRUTH, [target], renderer)
    if picture != "other vessels":  # the model explains none of it, so a small gain in score must not move the pose
        np.testing.assert_array_equal(refined.isocentre_from_lps.matrix, TRUTH.matrix)
        assert not refined.improved


def test_the_collimator_edge_does_not_count(renderer):
    view = geometry()
    rows, columns = np.mgrid[: view.shape_px[0], : view.shape_px[1]]
    inside = np.hypot(rows - 118.0, columns - 120.0) < 100.0
    spoilt = np.where(inside, silhouette(tree(), view.projection(TRUTH)), 1.0).astype(np.float32)
    masked = verify_with_drr(TRUTH, [DrrTarget(geometry=view, picture=spoilt, mask=inside)], renderer)
    assert masked > 0.9 > verify_with_drr(TRUTH, [DrrTarget(geometry=view, picture=spoilt)], renderer) + 0.2


def test_a_gain_below_the_asked_share_does_not_move_the_pose(renderer):
    start = perturbed(TRUTH, tree(), 3, turn_deg=0.8, shift_mm=1.0)
    asked = refine_with_drr(start, [_target()], renderer, QUICK)
    assert asked.improved
    won = (asked.similarity_after - asked.similarity_before) / (1.0 - asked.similarity_before)
    strict = refine_with_drr(start, [_target()], renderer, replace(QUICK, least_gain=won + 0.01))
    np.testing.assert_array_equal(strict.isocentre_from_lps.matrix, start.matrix)
    assert not strict.improved


def test_no_step_begins_after_the_budget(renderer):
    refined = refine_with_drr(TRUTH, [_target()], renderer, DrrOptions(budget_s=0.0))
    assert refined.stages == ()
    np.testing.assert_array_equal(refined.isocentre_from_lps.matrix, TRUTH.matrix)


def test_vessels_outside_the_picture_leave_the_pose_alone(renderer):
    matrix = TRUTH.matrix.copy()
    matrix[0, 3] += 400.0
    away = type(TRUTH)(matrix=matrix, target="isocentre", source="lps")
    refined = refine_with_drr(away, [_target()], renderer, QUICK)
    np.testing.assert_allclose(refined.isocentre_from_lps.matrix, away.matrix)


def test_levels_keep_the_geometry(renderer):
    """The vessel's centre of mass stays where the projection puts it, whatever the picture size."""
    target = _target()
    for side in (64, 100, 500):
        level = at_level(target, side, renderer)
        at = (level.pixels_px * level.values.T).sum(dim=0) / level.values.sum()
        direction = torch.linalg.solve(level.intrinsics_px, torch.cat([at.double(), torch.ones(1).double()]))
        full = at_level(target, 256, renderer)
        expected = (full.pixels_px * full.values.T).sum(dim=0) / full.values.sum()
        found = full.intrinsics_px @ direction
        np.testing.assert_allclose(found[:2].numpy(), expected.numpy(), atol=0.2)


def test_no_view_and_a_picture_of_another_size_are_refused(renderer):
    with pytest.raises(ValueError, match="at least one view"):
        refine_with_drr(TRUTH, [], renderer)
    with pytest.raises(ValueError, match="picture is"):
        DrrTarget(geometry=geometry(), picture=np.zeros((3, 3), dtype=np.float32))
