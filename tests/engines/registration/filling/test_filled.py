"""Rendering the parts that fill finds and judges a pose although much of the model holds no contrast."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import LabelVolume, VesselModel
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_picture import best_amounts
from engines.registration.filling.filled_stage import filled_start
from engines.registration.filling.filled_views import filled_views
from engines.registration.filling.vessel_cloud import vessel_cloud
from engines.registration.initial_pose import radiological_start, start_near

from .filled_bed import VOXEL_MM, filled_bed


@pytest.fixture(scope="module")
def bed():
    return filled_bed()


def _ready(bed):
    prepared = PreparedModel.of(bed.model, branch_classes=bed.view.branch_classes)
    return prepared, [prepare_view(bed.view, edges=prepared.has_thick)]


def _filling(bed, model=None, *, shift_mm=0.0):
    model = model or bed.model
    cloud = vessel_cloud(model)
    pivot = bed.model.centerlines.points_mm().mean(axis=0)
    pictures = filled_views([bed.view], cloud, pivot, pixel_mm=2.0, band_mm=6.0)
    state = RigidState(
        rotation=bed.pose.rotation.copy(),
        pivot_mm=bed.pose.apply(pivot[None])[0] + np.array([0.0, 0.0, shift_mm]),
        shifts_mm=np.zeros((1, 3)),
    )
    return cloud, pictures.filled(state)[0][0]


def _without(model, value):
    labels = np.where(model.labels.labels == value, 0, model.labels.labels)
    return replace(model, labels=replace(model.labels, labels=labels))


def test_a_cloud_keeps_each_structures_volume(bed):
    cloud = vessel_cloud(bed.model)
    for value, name in bed.model.labels.names.items():
        voxels = int((bed.model.labels.labels == value).sum()) * 1.5**3
        parts = [i for i, part in enumerate(cloud.part_names) if part == name]
        assert cloud.volume_mm3[np.isin(cloud.part, parts)].sum() == pytest.approx(voxels, rel=1e-6)
    assert cloud.thinned(5.0).volume_mm3.sum() == pytest.approx(cloud.volume_mm3.sum(), rel=1e-6)
    assert len(cloud.thinned(5.0)) < 0.3 * len(cloud)


@pytest.mark.parametrize("voxel_mm", [0.7, 1.5])
@pytest.mark.parametrize("turn_deg", [0.0, 90.0, 20.0])
def test_the_middle_of_an_evenly_filled_vessel_shows_no_lattice(bed, voxel_mm, turn_deg):
    whole = np.ones((round(60.0 / voxel_mm),) * 3, np.uint8)
    affine = np.diag([voxel_mm] * 3 + [1.0])
    cloud = vessel_cloud(VesselModel(labels=LabelVolume(labels=whole, lps_from_index=affine, names={1: "aorta"})))
    assert cloud is not None
    middle = np.full(3, 30.0 - 0.5 * voxel_mm)
    geometry = replace(bed.geometry, primary_rad=np.deg2rad(turn_deg), secondary_rad=0.0)
    view = replace(bed.view, geometry=geometry)
    pictures = filled_views([view], cloud, middle, pixel_mm=1.5, band_mm=5.0)
    picture = replace(pictures.pictures[0], band_px=0.0, weight=np.ones_like(pictures.pictures[0].weight))
    state = RigidState(rotation=np.eye(3), pivot_mm=np.zeros(3), shifts_mm=np.zeros((1, 3)))
    shown = np.zeros(picture.shape_px)
    shown.ravel()[picture.index] = picture.rendered(state, pictures.local_mm, cloud, 0)[0]
    row, column = (size // 2 for size in shown.shape)
    inner = shown[row - 7 : row + 8, column - 7 : column + 8]
    assert inner.std() < 0.012 * (inner.mean() - shown.min())


def _keen(bed, prepared, ready, contrast):
    view = replace(bed.view, contrast=contrast)
    prior = start_near(bed.pose).prior(prepared, 1, 0.0)
    return filled_start(prepared, [view], ready, prior, held=prior.state).standing


def test_a_right_pose_loses_as_much_as_the_model_itself_would_and_a_chance_fit_less(bed):
    prepared, ready = _ready(bed)
    right = _keen(bed, prepared, ready, bed.view.contrast)
    blurred = cv2.GaussianBlur(bed.view.contrast, (0, 0), 12.0)
    chance = _keen(bed, prepared, ready, blurred)
    assert right.keen > 0.75
    assert chance.keen < 0.6 * right.keen
    assert chance.turn_keen < 0.8 * right.turn_keen


def test_a_pose_that_little_contrast_holds_is_looser(bed):
    prepared, ready = _ready(bed)
    whole = _keen(bed, prepared, ready, bed.view.contrast)
    branch = _keen(bed, prepared, ready, filled_bed(filled=(3,)).view.contrast)
    assert 0.1 < whole.spread_mm < 1.5
    assert branch.spread_mm > 1.5 * whole.spread_mm


def test_without_a_search_only_the_given_pose_is_carried_on(bed):
    prepared, ready = _ready(bed)
    far = start_near(bed.moved(turn_deg=(0.0, 0.0, 0.0), move_mm=(45.0, 0.0, 0.0))).prior(prepared, 1, 0.0)
    alone = filled_start(prepared, [bed.view], ready, far, also=[far.state], searched=False)
    assert bed.error_mm(alone.fit.state.pose(prepared)) > 10.0
    assert bed.error_mm(filled_start(prepared, [bed.view], ready, far).fit.state.pose(prepared)) < 2.0


def test_what_is_not_filled_gets_nothing_and_costs_nothing(bed):
    cloud, filling = _filling(bed)
    false = [i for i, part in enumerate(cloud.part_names) if part == "aorta_false_lumen"]
    filled = [i for i, part in enumerate(cloud.part_names) if part == "aorta"]
    assert filling.amount[false].max() < 0.1 * filling.amount[filled].max()
    _, alone = _filling(bed, _without(bed.model, 2))
    assert filling.ncc == pytest.approx(alone.ncc, abs=0.01)
    assert filling.ncc > 0.95


def test_contrast_that_nothing_explains_costs_much(bed):
    _, whole = _filling(bed)
    _, without_true_lumen = _filling(bed, _without(bed.model, 1))
    assert without_true_lumen.ncc < whole.ncc - 0.3


def test_a_pose_beside_the_right_one_fits_clearly_worse(bed):
    assert _filling(bed, shift_mm=5.0)[1].ncc < _filling(bed)[1].ncc - 0.1


def test_a_branch_without_labels_is_drawn_as_tubes(bed):
    cloud = vessel_cloud(replace(bed.model, labels=None))
    tubes = sum(
        float((np.pi * b.radius_mm[:-1] ** 2 * np.linalg.norm(np.diff(b.points_mm, axis=0), axis=1)).sum())
        for b in bed.model.centerlines.branches
    )
    assert cloud.volume_mm3.sum() == pytest.approx(tubes, rel=0.05)
    assert _filling(bed, replace(bed.model, labels=None))[1].ncc > 0.85


@pytest.mark.parametrize(
    ("turn_deg", "move_mm"), [((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), ((5.0, -4.0, 6.0), (12.0, -9.0, 15.0))]
)
def test_the_pose_is_found_although_the_false_lumen_is_empty(bed, turn_deg, move_mm):
    prepared, ready = _ready(bed)
    init = start_near(bed.moved(turn_deg=turn_deg, move_mm=move_mm))
    found = filled_start(prepared, [bed.view], ready, init.prior(prepared, 1, 0.0))
    assert bed.error_mm(found.fit.state.pose(prepared)) < 1.0
    assert found.standing.fine > 0.9
    assert found.standing.filled_share < 0.95


def test_the_pose_is_found_from_the_header_alone_in_noise():
    bed = filled_bed(noise=0.15)
    prepared, ready = _ready(bed)
    found = filled_start(prepared, [bed.view], ready, radiological_start().prior(prepared, 1, 0.0))
    assert bed.error_mm(found.fit.state.pose(prepared)) < 1.5
    assert found.standing.clear > found.standing.fine


def test_a_good_pose_from_elsewhere_is_kept(bed):
    prepared, ready = _ready(bed)
    away = start_near(bed.moved(turn_deg=(3.0, 3.0, 3.0), move_mm=(8.0, 8.0, 0.0))).prior(prepared, 1, 0.0)
    found = filled_start(prepared, [bed.view], ready, away, also=[RigidState.of(bed.pose, prepared)])
    assert bed.error_mm(found.fit.state.pose(prepared)) < 0.8


def test_without_a_contrast_picture_or_with_an_empty_one_nothing_is_said(bed):
    prepared, ready = _ready(bed)
    prior = start_near(bed.pose).prior(prepared, 1, 0.0)
    assert filled_start(prepared, [replace(bed.view, contrast=None)], ready, prior) is None
    empty = replace(bed.view, contrast=np.zeros_like(bed.view.contrast))
    assert filled_start(prepared, [empty], ready, prior) is None


def test_amounts_are_never_negative_and_share_between_twins():
    basis = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    target = np.array([2.0, -1.0, 5.0])
    amounts = best_amounts(basis @ basis.T, basis @ target)
    assert amounts[0] + amounts[1] == pytest.approx(2.0, rel=1e-3)
    assert amounts[2] == 0.0
    assert amounts[3] == 0.0


def test_a_surface_without_labels_is_filled_to_its_wall_with_the_names_of_the_nearest_branches(bed):
    surface = surface_from_labels(bed.model.labels, only=(1, 3))
    cloud, filling = _filling(bed, replace(bed.model, labels=None, surface=surface))
    voxels = np.isin(bed.model.labels.labels, (1, 3)).sum() * VOXEL_MM**3
    assert cloud.volume_mm3.sum() == pytest.approx(voxels, rel=0.02)
    assert set(cloud.part_names) == {branch.name for branch in bed.model.centerlines.branches}
    assert filling.ncc > 0.95
