"""The bank compared with the renderer, and reproducible training of a similarity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.rendering.factory import make_renderer
from engines.simulation.training_patients.small_volumes import SIDE_PX, Scene, averaged_volume
from engines.training.correlation.correlation_bank import Bank, drawn_displacements, make_bank, picture_and_jacobian
from engines.training.correlation.correlation_randomise import randomised
from engines.training.correlation.correlation_recipe import (
    CorrelationRecipe,
    angles_deg,
    draw_batch,
    pose_gradient,
    train_correlation,
)
from engines.training.correlation.correlation_variants import VARIANTS, variant_named

_QUICK = CorrelationRecipe(steps=3, batch=4)


def ball_scene(renderer: str = "slices") -> Scene:
    """Three soft balls of different sizes, without symmetry or sharp edges."""
    index = np.stack(np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij"), axis=-1)
    values = sum(
        np.exp(-((index - centre) ** 2).sum(axis=-1) / (2 * size**2))
        for centre, size in (((12, 20, 26), 4.0), ((27, 14, 18), 5.0), ((22, 28, 10), 3.5))
    )
    grid = np.diag([4.0, 4.0, 4.0, 1.0])
    grid[:3, 3] = -4.0 * 19.5
    made = make_renderer(renderer, np.asarray(values, dtype=np.float32), grid)
    geometry = CArmGeometry(
        primary_rad=0.3, secondary_rad=-0.2, sid_mm=1100.0, sod_mm=750.0, column_spacing_mm=4.5, row_spacing_mm=4.5,
        shape_px=(SIDE_PX, SIDE_PX), principal_point_px=(31.5, 31.5),
    )  # fmt: skip
    projection = geometry.projection(RigidPose.identity(target="isocentre", source="lps"))
    return Scene(
        name="balls", kind="tissue", moving=made, fixed=made, camera_from_lps=projection.camera_from_lps.matrix,
        intrinsics_px=projection.intrinsics_px, pivot_lps_mm=np.array([2.0, -3.0, 1.0]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def bank() -> Bank:
    return make_bank([ball_scene, ball_scene], moving=5, per_moving=4, seed=2, plan="balls")


def test_derivatives_predict_pictures_of_the_reference_renderer():
    scene, reference = ball_scene(), ball_scene("nanodrr")
    turn = scene.camera_from_lps[:3, :3]
    place = turn @ scene.pivot_lps_mm + scene.camera_from_lps[:3, 3]
    picture, jacobian = picture_and_jacobian(scene, turn, place)
    step = 0.02 * np.array([0.7, -0.4, 0.5, 0.6, -0.8, 0.9])
    moved, _ = picture_and_jacobian(
        reference, Rotation.from_rotvec(step[:3]).as_matrix() @ turn, place + 100.0 * step[3:]
    )
    still, _ = picture_and_jacobian(reference, turn, place)
    assert np.abs(picture - still).max() < 0.02 * still.max()
    foretold = np.tensordot(step, jacobian, axes=1)
    assert np.linalg.norm(foretold - (moved - still)) < 0.1 * np.linalg.norm(moved - still)


def test_moving_a_picture_by_its_displacement_gives_the_fixed_one(bank):
    scene = ball_scene()
    way = bank.displacement(np.array([0, 6]), np.array([2, 25]))
    for number, moving, fixed in ((0, 0, 2), (1, 6, 25)):
        turn = Rotation.from_rotvec(way[number, :3]).as_matrix() @ bank.moving_turn[moving]
        place = bank.moving_place_mm[moving] + 100.0 * way[number, 3:]
        picture, _ = picture_and_jacobian(scene, turn, place)
        np.testing.assert_allclose(picture, bank.fixed[fixed], atol=1e-3 * picture.max() + 1e-4)


def test_distances_of_pairs_are_spread_evenly_over_scales():
    length = np.linalg.norm(drawn_displacements(np.random.default_rng(0), 4000), axis=1)
    assert length.min() >= 0.02
    assert length.max() <= 1.6
    assert np.median(length) == pytest.approx(np.sqrt(0.02 * 1.6), rel=0.1)


def test_a_bank_comes_back_whole_and_another_file_is_refused(bank, tmp_path):
    bank.save(tmp_path / "bank.npz")
    again = Bank.load(tmp_path / "bank.npz")
    np.testing.assert_array_equal(again.jacobian, bank.jacobian)
    assert again.plan == "balls"
    (tmp_path / "no.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no bank of pictures"):
        Bank.load(tmp_path / "no.npz")


def test_pairs_are_of_one_scene_and_repeat_themselves(bank):
    one, two = (draw_batch(bank, _QUICK, np.random.default_rng(5)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b)
    assert one[0].shape == (4, 1, SIDE_PX, SIDE_PX)
    assert one[2].shape == (4, 6, SIDE_PX, SIDE_PX)


def test_randomised_pictures_stay_finite_and_keep_what_they_show(bank):
    rng = np.random.default_rng(1)
    alike = []
    for _ in range(12):
        picture = randomised(bank.fixed[0].copy(), rng)
        assert picture.shape == (SIDE_PX, SIDE_PX)
        assert np.isfinite(picture).all()
        alike.append(np.corrcoef(picture.ravel(), bank.fixed[0].ravel())[0, 1])
    assert np.median(alike) > 0.5
    assert np.isfinite(randomised(np.zeros((SIDE_PX, SIDE_PX), np.float32), rng)).all()


def test_training_repeats_itself_and_goes_on_where_it_stopped(bank, tmp_path):
    whole, _ = train_correlation(_QUICK, bank, tmp_path / "whole.pt")
    again, _ = train_correlation(_QUICK, bank, tmp_path / "again.pt")
    _, done = train_correlation(_QUICK, bank, tmp_path / "cut.pt", budget_s=0.0)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert done == 0
    resumed, done = train_correlation(_QUICK, bank, tmp_path / "whole.pt")
    assert done == 3
    torch.testing.assert_close(next(resumed.parameters()), next(whole.parameters()))
    with pytest.raises(InputError, match="another recipe"):
        train_correlation(replace(_QUICK, seed=9), bank, tmp_path / "whole.pt")


def test_a_few_steps_turn_the_gradient_towards_the_right_pose(bank, tmp_path):
    recipe = CorrelationRecipe(steps=25, batch=6, randomise=False, rate=5e-3)
    net, _ = train_correlation(recipe, bank, tmp_path / "net.pt")
    fixed, moving, jacobian, way = draw_batch(bank, replace(recipe, batch=24), np.random.default_rng(99))
    found = pose_gradient(net, fixed, moving, jacobian, keep=False)[1].detach()
    rotation, translation = angles_deg(found, way)
    assert float(translation.median()) < 60.0
    assert float(rotation.median()) < 80.0


def test_blocks_of_voxels_are_averaged_in_place():
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    values = np.zeros((4, 4, 5), np.float32)
    values[2:, :2, :2] = 3.0
    small = averaged_volume(values, grid, 2)
    assert small.values.shape == (2, 2, 2)
    assert small.values[1, 0, 0] == pytest.approx(3.0)
    np.testing.assert_allclose(small.lps_from_index @ [1, 0, 0, 1], [5.0, 1.0, 1.0, 1.0])


def test_every_variant_differs_from_ours_and_wrong_names_are_refused():
    others = [recipe for name, recipe in VARIANTS.items() if name != "correlation"]
    assert all(recipe != VARIANTS["correlation"] for recipe in others)
    assert variant_named("prost").design.branches == "single"
    with pytest.raises(InputError, match="did you mean correlation-no-gate"):
        variant_named("correlation-nogate")
