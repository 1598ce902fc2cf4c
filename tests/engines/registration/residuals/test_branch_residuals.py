"""Each branch's residual is the move that would bring it onto its vessel; what is not filled has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.residuals.branch_residuals import BranchResidual, branch_residuals, middle_mm, worst_mm
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


def _residuals(scene: Bed, pose: RigidPose, *, vessel: np.ndarray | None = None) -> tuple[BranchResidual, ...]:
    view = scene.view if vessel is None else replace(scene.view, vessel=vessel)
    return branch_residuals(pose, PreparedModel.of(scene.model), prepare_view(view))


def _shifted(scene: Bed, right_mm: float, up_mm: float) -> RigidPose:
    """The true pose moved along the camera's axes."""
    matrix = scene.pose.matrix.copy()
    matrix[:3, 3] += scene.geometry.camera_from_isocentre().rotation.T @ (right_mm, up_mm, 0.0)
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def test_at_the_true_pose_every_filled_branch_lies_on_its_vessel(scene: Bed) -> None:
    found = _residuals(scene, scene.pose)
    told = middle_mm(found)
    assert told is not None
    assert told <= 0.5
    assert all(one.here > 0.5 for one in found if one.residual_mm is not None and one.residual_mm <= 0.5)


def test_a_shift_is_told_with_its_length_and_its_direction(scene: Bed) -> None:
    found = [one for one in _residuals(scene, _shifted(scene, 4.0, -3.0)) if one.residual_mm is not None]
    assert len(found) >= 4
    assert middle_mm(found) == pytest.approx(5.0, abs=1.0)
    back = np.median([one.move_mm for one in found], axis=0)
    assert back == pytest.approx([-4.0, 3.0], abs=1.0)


def test_the_worst_branch_comes_first_and_branches_without_a_residual_last(scene: Bed) -> None:
    found = _residuals(scene, _shifted(scene, 3.0, 2.0))
    told = [one.residual_mm for one in found]
    known = [value for value in told if value is not None]
    assert told == [*sorted(known, reverse=True), *[None] * (len(told) - len(known))]
    assert worst_mm(found) == known[0]


def test_a_branch_that_is_not_filled_has_no_residual() -> None:
    both, one = bed(3, missing=0.0, false_curves=0), bed(3, missing=0.0, false_curves=0, only_root=0)
    roots = PreparedModel.of(both.model)
    of_other = set(np.unique(roots.branch[roots.system != 0]).tolist())
    lacking = {found.branches[0] for found in _residuals(one, one.pose) if found.residual_mm is None}
    assert len(lacking & of_other) >= len(of_other) / 2
    assert not any(found.branches[0] in of_other and found.residual_mm is None for found in _residuals(both, both.pose))


def test_without_segmented_vessel_every_branch_is_there_and_none_has_a_residual(scene: Bed) -> None:
    filled = _residuals(scene, scene.pose)
    empty = _residuals(scene, scene.pose, vessel=np.zeros_like(scene.view.vessel))
    assert {one.branches for one in empty} == {one.branches for one in filled}
    assert all(one.residual_mm is None and not one.move_mm.any() for one in empty)
    at = {one.branches: one.visible_mm for one in filled}
    assert [one.visible_mm for one in empty] == pytest.approx([at[one.branches] for one in empty], rel=0.1)


def test_a_branch_under_vessels_of_another_class_is_not_judged_by_what_lies_beside_it(scene: Bed) -> None:
    """Half of the picture is covered by veins: whether arteries are filled there cannot be seen."""
    half = scene.geometry.shape_px[1] // 2
    hidden = np.tile(np.arange(2 * half) < half, (scene.geometry.shape_px[0], 1))
    vessel = np.where(hidden, 0.0, scene.view.vessel).astype(np.float32)
    model, view = PreparedModel.of(scene.model), prepare_view(replace(scene.view, vessel=vessel))
    covered = branch_residuals(scene.pose, model, view, hidden=hidden)
    columns = scene.geometry.projection(scene.pose).project(model.points_mm)[0][:, 0]
    under = [one for one in covered if (columns[np.isin(model.branch, one.branches)] < half - 5.0).all()]
    assert under
    assert all(one.residual_mm is None for one in under)
    told = middle_mm(covered)
    assert told is not None
    assert told <= 0.5


def test_without_a_branch_in_the_picture_nothing_is_told(scene: Bed) -> None:
    assert _residuals(scene, _shifted(scene, 900.0, 0.0)) == ()
    assert worst_mm(()) is None
    assert middle_mm(()) is None


def _named(scene: Bed, names: dict[int, str]) -> PreparedModel:
    tree = scene.model.centerlines
    assert tree is not None
    branches = tuple(replace(branch, name=names.get(at, "")) for at, branch in enumerate(tree.branches))
    return PreparedModel.of(replace(scene.model, centerlines=replace(tree, branches=branches)))


def test_a_vessel_goes_on_under_its_name_and_a_name_that_forks_is_none(scene: Bed) -> None:
    tree = scene.model.centerlines
    assert tree is not None
    children = [at for at, branch in enumerate(tree.branches) if branch.parent == 0]
    chain = _named(scene, {0: "LAD", children[0]: "LAD"})
    found = branch_residuals(scene.pose, chain, prepare_view(scene.view))
    assert [one.branches for one in found if one.name == "LAD"] == [(0, children[0])]
    forks = _named(scene, dict.fromkeys((0, *children), "artery"))
    assert all(len(one.branches) == 1 for one in branch_residuals(scene.pose, forks, prepare_view(scene.view)))
