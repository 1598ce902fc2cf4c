import numpy as np
from scipy.spatial.transform import Rotation

from engines.registration.alignment import levenberg_marquardt as lm
from engines.registration.alignment.cold_start import cold_start
from engines.registration.alignment.rotations import rotation_matrix, rotation_vector
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState, feature_pairs
from engines.registration.initial_pose import start_near
from tests.engines.registration.vessel_bed import bed


def test_rotation_vectors_survive_the_round_trip_and_zero_is_the_identity():
    assert np.array_equal(rotation_matrix(np.zeros(3)), np.eye(3))
    assert np.array_equal(rotation_vector(np.eye(3)), np.zeros(3))
    for vector in np.random.default_rng(0).normal(0, 0.8, (20, 3)):
        assert np.allclose(rotation_matrix(vector), Rotation.from_rotvec(vector).as_matrix(), atol=1e-12)
        assert np.allclose(rotation_vector(rotation_matrix(vector)), vector, atol=1e-9)


def test_the_jacobian_equals_finite_differences():
    scene = bed(3)
    model, view = PreparedModel.of(scene.model).thinned(80), prepare_view(scene.view).thinned(80)
    state = RigidState.of(scene.moved(0, deg=2, mm=2, depth_mm=4), model)
    pair = feature_pairs(state, model, view, 0)[0]
    matches = lm._matched(pair, 4.0, None)
    rows = lm._jacobian(matches, state, view, view, 0, 6)
    assert len(rows) == len(matches.camera_mm) > 100
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-5
        moved = lm.moved(state, step, [view])
        arm = view.camera_from_isocentre
        at = (matches.camera_mm - arm[:3, 3]) @ arm[:3, :3] - state.pivot_mm
        local = at @ state.rotation
        camera = (local @ moved.rotation.T + moved.pivot_mm) @ arm[:3, :3].T + arm[:3, 3]
        plane = [c[:, :2] * view.sod_mm / c[:, 2:] for c in (matches.camera_mm, camera)]
        numeric = ((plane[1] - plane[0]) * matches.normal).sum(1) / 1e-5
        assert np.allclose(rows[:, k], numeric, rtol=2e-3, atol=2e-4)


def test_the_true_pose_stays_where_it_is():
    scene = bed(2, missing=0.0, false_curves=0)
    model, view = PreparedModel.of(scene.model), prepare_view(scene.view)
    prior = start_near(scene.pose).prior(model, 1, 0.0)
    found = lm.align(prior.state, model, [view], prior, scales_mm=(2.0, 1.0), iterations=5)
    assert scene.error_mm(found.state.pose(model)) < 0.3


def test_two_views_determine_the_depth_that_one_leaves_uncertain():
    scene = bed(5)
    side = bed(5, primary_rad=scene.geometry.primary_rad + np.pi / 2)
    model = PreparedModel.of(scene.model)
    views = [prepare_view(scene.view), prepare_view(side.view)]
    prior = start_near(scene.moved(2, deg=5, mm=10, depth_mm=25)).prior(model, 2, 0.0)
    found = cold_start(model, views, prior)
    assert found is not None
    pivot = model.pivot_mm[None]
    assert np.linalg.norm(found.alignment.state.pose(model).apply(pivot) - scene.pose.apply(pivot)) < 1.0
