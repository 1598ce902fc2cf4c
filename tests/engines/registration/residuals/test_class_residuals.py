"""Arteries are judged by arteries and veins by veins: what has emptied is not compared with what has filled since."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.anatomy.vessel_model import VesselModel
from engines.registration.residuals.branch_residuals import middle_mm
from engines.registration.residuals.class_residuals import ClassedModel, SeenVessels
from engines.segmentation.segmentation import Segmentation
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


@pytest.fixture(scope="module")
def head(scene: Bed) -> VesselModel:
    """The bed's vessels as veins, and the same 6 mm aside as arteries, both below their own trunks."""
    tree = scene.model.centerlines
    assert tree is not None
    count = len(tree.branches)
    aside = scene.pose.rotation.T @ scene.geometry.camera_from_isocentre().rotation.T @ np.array([6.0, 0.0, 0.0])
    veins = [replace(branch, vessel_class="vein") for branch in tree.branches]
    arteries = [
        replace(
            branch, points_mm=branch.points_mm + aside, vessel_class="artery",
            parent=branch.parent + count if branch.parent >= 0 else branch.parent,
        )
        for branch in tree.branches
    ]  # fmt: skip
    return VesselModel(centerlines=replace(tree, branches=(*veins, *arteries)))


def test_in_the_late_phase_only_veins_are_judged_and_the_right_pose_looks_right(scene: Bed, head: VesselModel) -> None:
    filled = scene.view.vessel > 0.5
    model = ClassedModel(head)
    late = model.residuals(
        scene.pose, scene.geometry, SeenVessels(arterial=np.zeros_like(filled), venous=filled)
    )  # fmt: skip
    judged = [one for one in late if one.residual_mm is not None]
    assert len(judged) >= 4
    assert {one.vessel_class for one in judged} == {"vein"}
    told = middle_mm(late)
    assert told is not None
    assert told <= 0.5
    assert "artery" in {one.vessel_class for one in late if one.residual_mm is None}
    # The same picture without classes: the arteries find the veins beside them.
    together = middle_mm(model.residuals(scene.pose, scene.geometry, SeenVessels(arterial=filled)))
    assert together is not None
    assert together > 3.0


def test_branches_are_numbered_as_in_the_whole_model(scene: Bed, head: VesselModel) -> None:
    filled = scene.view.vessel > 0.5
    model = ClassedModel(head)
    found = model.residuals(scene.pose, scene.geometry, SeenVessels(arterial=filled, venous=filled))
    classes = {model.all.branch_classes[branch] for one in found for branch in one.branches}
    assert classes == {"artery", "vein"}
    for one in found:
        assert {model.all.branch_classes[branch] for branch in one.branches} == {one.vessel_class}
        assert len(model.points_mm(one.branches[0])) > 1


def test_each_vessel_of_a_picture_belongs_to_its_likelier_class() -> None:
    artery, vein = np.array([[0.9, 0.6, 0.1, 0.2]]), np.array([[0.2, 0.8, 0.9, 0.1]])
    both = Segmentation(
        probabilities=np.stack([artery, vein]).astype(np.float32), classes=("artery", "vein"), model="", backend=""
    )
    seen = SeenVessels.of(both, 0.5)
    assert seen.arterial.tolist() == [[True, False, False, False]]
    assert seen.venous is not None
    assert seen.venous.tolist() == [[False, True, True, False]]
    one = Segmentation(
        probabilities=artery[None].astype(np.float32), classes=("vessel",), model="", backend=""
    )  # fmt: skip
    assert SeenVessels.of(one, 0.5).venous is None
