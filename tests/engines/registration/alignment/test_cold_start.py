import numpy as np
import pytest

from engines.registration.alignment.cold_start import cold_start
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.initial_pose import radiological_start, start_near
from tests.engines.registration.vessel_bed import bed


def _found(scene, init):
    model = PreparedModel.of(scene.model)
    found = cold_start(model, [prepare_view(scene.view)], init.prior(model, 1, 0.0))
    assert found is not None
    return found, scene.error_mm(found.alignment.state.pose(model))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_messy_masks_are_registered_from_seven_degrees_and_fifteen_millimetres_away(seed):
    scene = bed(seed)
    start = scene.moved(seed, deg=7, mm=15, depth_mm=20)
    found, error_mm = _found(scene, start_near(start))
    assert scene.error_mm(start) > 5.0
    assert error_mm < 1.0
    assert found.basin_share > 0.5


def test_the_header_alone_is_a_sufficient_start():
    _, error_mm = _found(bed(4), radiological_start())
    assert error_mm < 1.0


@pytest.mark.parametrize("only_root", [0, 1])
def test_a_run_that_fills_one_tree_of_two_is_matched_by_that_tree(only_root):
    scene = bed(6, only_root=only_root)
    found, error_mm = _found(scene, start_near(scene.moved(6, deg=6, mm=15, depth_mm=15)))
    assert error_mm < 2.0
    assert len(found.system.points_mm) < len(PreparedModel.of(scene.model).points_mm)


def test_a_mirrored_picture_of_another_size_and_spacing_is_registered():
    scene = bed(
        8, mirrored=True, shape_px=(960, 1024), principal_point_px=(511.5, 479.5),
        column_spacing_mm=0.2, row_spacing_mm=0.2,
    )  # fmt: skip
    _, error_mm = _found(scene, start_near(scene.moved(3, deg=5, mm=12, depth_mm=15)))
    assert error_mm < 1.0


def test_an_unfinished_search_ends_in_the_basin_of_the_finished_one():
    scene = bed(2)
    model, ready = PreparedModel.of(scene.model), [prepare_view(scene.view)]
    prior = start_near(scene.moved(2, deg=7, mm=15, depth_mm=20)).prior(model, 1, 0.0)
    found = cold_start(model, ready, prior, finish=False)
    assert found is not None
    assert min(scene.error_mm(state.pose(model)) for state in (found.alignment.state, *found.beside)) < 2.0
    assert [stage.name for stage in found.stages] == ["coarse search", "multi-start alignment"]


def test_an_empty_picture_has_no_cold_start():
    scene = bed(1)
    model = PreparedModel.of(scene.model)
    empty = type(scene.view)(
        file="run.dcm", sop_instance_uid="", frame=0, geometry=scene.geometry, vessel=np.zeros((512, 512), np.float32)
    )
    assert cold_start(model, [prepare_view(empty)], radiological_start().prior(model, 1, 0.0)) is None


def test_a_proposal_leads_to_the_pose_beyond_the_reach_of_the_search():
    scene = bed(4)
    model, view = PreparedModel.of(scene.model), prepare_view(scene.view)
    start = start_near(scene.moved(9, deg=45, mm=20, depth_mm=20))
    asked = []

    def propose(begins):
        asked.extend(begins)
        return [RigidState.of(scene.moved(2, deg=3, mm=4, depth_mm=4), model)]

    prior = start.prior(model, 1, 0.0)
    alone, led = cold_start(model, [view], prior), cold_start(model, [view], prior, propose=propose)
    assert alone is not None
    assert led is not None
    assert scene.error_mm(alone.alignment.state.pose(model)) > 5.0
    assert scene.error_mm(led.alignment.state.pose(model)) < 1.5
    np.testing.assert_allclose(asked[0].rotation, prior.state.rotation)


def test_a_proposal_that_is_wrong_changes_nothing():
    scene = bed(4)
    model, view = PreparedModel.of(scene.model), prepare_view(scene.view)
    far = RigidState.of(scene.moved(9, deg=60, mm=60, depth_mm=20), model)
    prior = radiological_start().prior(model, 1, 0.0)
    found = cold_start(model, [view], prior, propose=lambda _: [far])
    assert found is not None
    assert scene.error_mm(found.alignment.state.pose(model)) < 1.0
