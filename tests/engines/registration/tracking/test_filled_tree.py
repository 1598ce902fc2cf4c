from dataclasses import replace

import numpy as np
import pytest

from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.tracking import filled_tree
from engines.registration.tracking.filled_tree import FollowedModel
from tests.engines.registration.vessel_bed import bed


@pytest.fixture
def counted(monkeypatch):
    """How often poses were judged to choose a tree."""
    calls = []
    true = filled_tree.agreement
    monkeypatch.setattr(filled_tree, "agreement", lambda *args: calls.append(1) or true(*args))
    return calls


@pytest.fixture(scope="module")
def scene():
    made = bed(3)
    prepared = PreparedModel.of(made.model)
    # Two trees: the points of even branches are one injection's, those of odd ones the other's.
    prepared = replace(prepared, system=prepared.branch % 2)
    view = prepare_view(made.view, edges=prepared.has_thick)
    return prepared, view, RigidState.of(made.pose, prepared)


def test_the_tree_is_chosen_once_for_ten_frames(scene, counted):
    prepared, view, state = scene
    followed = FollowedModel(prepared)
    chosen = [followed.filled(state, view) for _ in range(10)]
    assert len({id(tree) for tree in chosen}) == 1
    assert len(counted) == len(prepared.systems())
    followed.filled(state, view)
    assert len(counted) == 2 * len(prepared.systems())


def test_a_fall_of_the_agreement_or_a_turn_of_the_arm_asks_anew(scene, counted):
    prepared, view, state = scene
    followed = FollowedModel(prepared)
    followed.filled(state, view)
    followed.fitted(0.0)
    followed.filled(state, view)
    turned = replace(view, camera_from_isocentre=view.camera_from_isocentre + 1e-3 * np.eye(4))
    followed.filled(state, turned)
    assert len(counted) == 3 * len(prepared.systems())


def test_a_model_of_one_tree_has_nothing_to_choose(scene, counted):
    prepared, view, state = scene
    one = replace(prepared, system=np.zeros(len(prepared.points_mm), dtype=np.int64))
    assert len(FollowedModel(one).filled(state, view).points_mm) <= filled_tree.MODEL_POINTS
    assert counted == []
