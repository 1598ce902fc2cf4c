"""What is wrongly there goes with one click or two, the line with it, and nothing else goes."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.correcting.edits import Brush, Cut, CutAt, Edit, ErasePart, SayPart
from engines.anatomy.correcting.history import History
from engines.anatomy.vessel_model import LabelVolume, VesselModel
from tests.engines.anatomy.correcting.phantom import BRANCH, TRUNK, dice, labels_of, model_of, tube

OTHER = ((14, 0, -20), (14, 0, 20))
BRIDGE = ((-10, 0, 4), (14, 0, 4))
FIRST, SECOND = tube([TRUNK], 4.0), tube([OTHER], 3.0)
MERGED = labels_of(FIRST | SECOND | tube([BRIDGE], 1.5))
APART = labels_of(FIRST | SECOND)


def after(labels: LabelVolume, *edits: Edit) -> VesselModel:
    history = History(model=model_of(labels))
    for edit in edits:
        history = history.did(edit, lambda: None)
    return history.model


def voxels(model: VesselModel) -> np.ndarray:
    assert model.labels is not None
    return model.labels.labels


def test_the_part_under_a_click_goes_alone_and_its_line_too() -> None:
    model = after(APART, ErasePart(at_mm=(14.0, 0.0, 10.0)))
    assert np.array_equal(voxels(model) > 0, FIRST)
    assert model.centerlines is not None
    assert model.centerlines.points_mm()[:, 0].max() < 0.0


def test_a_click_beside_all_vessels_changes_nothing() -> None:
    with pytest.raises(InputError, match="no vessel of the model lies there"):
        after(APART, ErasePart(at_mm=(2.0, 14.0, 10.0)))


@pytest.mark.parametrize("keep_mm", [(-10.0, 0.0, -20.0), (-13.0, 0.0, 18.0)])
def test_two_clicks_part_a_bridge_where_it_is_narrow_wherever_they_are(keep_mm: tuple[float, float, float]) -> None:
    model = after(MERGED, Cut(keep_mm=keep_mm, lose_mm=(15.0, 1.0, -12.0)))
    assert dice(voxels(model) > 0, FIRST) > 0.97
    assert not (voxels(model)[SECOND] > 0).any()
    assert (voxels(model)[FIRST] > 0).all()
    assert model.centerlines is not None
    assert model.centerlines.points_mm()[:, 0].max() < 9.0


def test_the_other_way_round_the_other_one_stays() -> None:
    model = after(MERGED, Cut(keep_mm=(14.0, 0.0, -12.0), lose_mm=(-10.0, 0.0, -20.0)))
    assert dice(voxels(model) > 0, SECOND) > 0.95


def test_what_is_cut_off_can_be_a_vein_instead_of_nothing() -> None:
    model = after(MERGED, Cut(keep_mm=(-10.0, 0.0, -20.0), lose_mm=(14.0, 0.0, -12.0), becomes="vein"))
    assert model.labels is not None
    assert model.centerlines is not None
    assert model.labels.names == {1: "artery", 2: "vein"}
    assert (voxels(model)[SECOND] == 2).all()
    assert (voxels(model)[FIRST] == 1).all()
    classes = {branch.vessel_class for branch in model.centerlines.branches if branch.points_mm[:, 0].min() > 10.0}
    assert classes == {"vein"}


def test_what_is_joined_twice_is_parted_only_where_both_joints_are_near() -> None:
    far = labels_of(FIRST | SECOND | tube([BRIDGE, ((-10, 0, -18), (14, 0, -18))], 1.5))
    model = after(far, Cut(keep_mm=(-10.0, 0.0, 2.0), lose_mm=(14.0, 0.0, -8.0)))
    assert dice(voxels(model) > 0, FIRST) > 0.95


def test_one_click_on_a_bridge_lets_the_smaller_side_fall() -> None:
    model = after(MERGED, CutAt(at_mm=(2.0, 0.0, 4.0)))
    assert not (voxels(model)[SECOND] > 0).any()
    assert (voxels(model)[FIRST] > 0).all()


def test_one_click_where_nothing_is_thin_says_what_to_do() -> None:
    thick = labels_of(tube([((-16, 0, 0), (16, 0, 0))], 14.0))
    with pytest.raises(InputError, match="click on both sides"):
        after(thick, CutAt(at_mm=(0.0, 0.0, 0.0)))


def test_places_that_do_not_hang_together_are_not_cut() -> None:
    with pytest.raises(InputError, match="do not hang together"):
        after(APART, Cut(keep_mm=(-10.0, 0.0, 0.0), lose_mm=(14.0, 0.0, 0.0)))


def test_a_brush_takes_what_lies_in_its_balls_and_what_sprang_from_it_begins_anew() -> None:
    labels = labels_of(FIRST | tube([BRANCH], 2.0))
    before = model_of(labels)
    stroke = tuple((x, 0.0, 2.667 + 0.2667 * x) for x in (-1.0, 0.0, 1.0, 2.0))
    model = after(labels, Brush(centres_mm=stroke, radius_mm=4.0))
    assert before.centerlines is not None
    assert model.centerlines is not None
    assert sum(branch.parent < 0 for branch in before.centerlines.branches) == 1
    assert sum(branch.parent < 0 for branch in model.centerlines.branches) == 2
    points = model.centerlines.points_mm()
    assert all(np.linalg.norm(points - np.array(centre), axis=1).min() > 2.5 for centre in stroke)
    assert (voxels(model)[FIRST & ~tube([((-1, 0, 2.4), (2, 0, 3.2))], 5.0)] > 0).all()
    with pytest.raises(InputError, match="met no vessel"):
        after(labels, Brush(centres_mm=((20.0, 20.0, 20.0),), radius_mm=2.0))


def test_artery_and_vein_are_swapped_for_one_part_and_its_line_alone() -> None:
    model = after(APART, SayPart(at_mm=(14.0, 0.0, 0.0), said="vein"))
    assert model.centerlines is not None
    classes = {branch.vessel_class: branch.points_mm[:, 0].mean() > 0 for branch in model.centerlines.branches}
    assert classes == {"artery": False, "vein": True}
    back = after(APART, SayPart(at_mm=(14.0, 0.0, 0.0), said="vein"), SayPart(at_mm=(14.0, 0.0, 0.0), said="artery"))
    assert np.array_equal(voxels(back), APART.labels)
    with pytest.raises(InputError, match="artery already"):
        after(APART, SayPart(at_mm=(14.0, 0.0, 0.0), said="artery"))
    with pytest.raises(InputError, match="is no class"):
        after(APART, SayPart(at_mm=(14.0, 0.0, 0.0), said="purple"))


def test_the_last_vessel_stays() -> None:
    with pytest.raises(InputError, match="nothing would be left"):
        after(labels_of(FIRST), ErasePart(at_mm=(-10.0, 0.0, 0.0)))
