"""What a reader changes by hand, and what follows from it, on one simulated patient."""

import numpy as np
import pytest
from scipy import ndimage

from engines.anatomy.files.ct import load_ct
from engines.cmr.correcting.corrections import NONE, Corrections, DrawnWall, SetStenosis
from engines.cmr.correcting.session import CorrectedFusion
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.measured import measure_case
from engines.cmr.reading.coronaries import load_coronaries
from engines.cmr.reading.ct_masks import load_heart_masks
from engines.cmr.reading.perfusion import load_perfusion


@pytest.fixture(scope="module")
def measured(simulated_case):
    ct = load_ct(simulated_case / "cta.nii.gz")
    return measure_case(
        ct, load_heart_masks(simulated_case / "ct_masks", ct), load_coronaries(simulated_case / "coronaries.vtp"),
        load_perfusion(simulated_case / "perfusion"),
    )  # fmt: skip


@pytest.fixture
def session(measured):
    return CorrectedFusion(measured)


def test_the_ends_of_the_axis_and_the_insertions_go_where_they_are_put():
    plain = LvFrame(apex_mm=np.zeros(3), mitral_mm=np.array([0.0, 0, 80]), right=np.array([-1.0, 0, 0]))
    moved = Corrections(apex_mm=(5.0, 0.0, 0.0), anterior_deg=10.0, inferior_deg=-10.0).frame(plain)
    np.testing.assert_allclose(moved.apex_mm, [5.0, 0, 0])
    assert abs(moved.right @ moved.axis) < 1e-9
    assert np.rad2deg(moved.anterior_rad - plain.anterior_rad) == pytest.approx(10.0)  # wider on both sides
    turned = Corrections(anterior_deg=10.0, inferior_deg=10.0).frame(plain)
    assert turned.anterior_rad == plain.anterior_rad
    assert np.rad2deg(np.arccos(turned.right @ plain.right)) == pytest.approx(10.0)
    same = NONE.frame(plain)
    np.testing.assert_array_equal(same.right, plain.right)


def test_without_a_correction_nothing_differs(session):
    before = session.fusion
    after = session.correct(NONE)
    assert after.by_hand == ()
    np.testing.assert_array_equal(after.upslope, before.upslope)
    told = [[(one.stenosis.branch, one.stenosis.point, one.mass_g) for one in f.lesions] for f in (before, after)]
    assert told[0] == told[1]


def test_a_hidden_branch_feeds_nothing_and_undo_brings_it_back(session):
    before = session.fusion
    lad = next(k for k, part in enumerate(before.tree) if part.name == "LAD")
    hidden = frozenset(k for k, part in enumerate(before.tree) if part.vessel == "LAD")
    after = session.correct(Corrections(hidden=hidden))
    assert not (after.territories.vessel == 1).any()
    assert all(one.territory != "LAD" for one in after.segments.values())
    assert all(lesion.stenosis.branch != lad for lesion in after.lesions)
    assert "LAD hidden" in after.by_hand
    assert "TREE_INCOMPLETE" in after.flags
    assert session.undo()
    np.testing.assert_array_equal(session.fusion.territories.vessel, before.territories.vessel)
    assert not session.undo()


def test_a_renamed_branch_takes_what_hangs_on_it_along(session):
    tree = session.fusion.tree
    lcx = next(k for k, part in enumerate(tree) if part.name == "LCx")
    after = session.correct(Corrections(vessels={lcx: "RCA"}))
    assert all(part.vessel != "LCx" for part in after.tree)
    assert after.by_hand == ("LCx named RCA",)
    assert not (after.territories.vessel == 2).any()


def test_a_stenosis_can_be_set_and_rejected(session):
    lad = next(k for k, part in enumerate(session.fusion.tree) if part.name == "LAD")
    half = len(session.fusion.tree[lad].branch.points_mm) // 2
    one = SetStenosis(branch=lad, point=half, percent=80.0)
    after = session.correct(Corrections(added=(one,)))
    own = next(lesion for lesion in after.lesions if (lesion.stenosis.branch, lesion.stenosis.point) == (lad, half))
    assert own.stenosis.percent == 80.0
    assert own.mass_g > 1.0
    gone = session.correct(
        Corrections(rejected=frozenset((lesion.stenosis.branch, lesion.stenosis.point) for lesion in after.lesions))
    )
    assert gone.lesions == ()
    assert all("rejected" in line for line in gone.by_hand)


def test_a_moved_slice_and_a_drawn_wall_change_the_map_and_a_bad_wall_is_refused(session):
    before = session.fusion
    moved = session.correct(Corrections(slices_mm={0: (4.0, 0.0)}))
    there, here = (np.linalg.inv(one.links[0].cmr_from_ct)[:3, 3] for one in (moved, before))
    np.testing.assert_allclose(there - here, 4.0 * before.model.frame.right, atol=1e-6)
    wall = before.slices[1].wall
    thin = ndimage.binary_dilation(wall.pool, iterations=2) & ~wall.pool
    drawn = session.correct(Corrections(walls={1: DrawnWall(wall=thin, pool=wall.pool)}))
    assert drawn.slices[1].wall.given
    assert drawn.slices[1].wall.wall.sum() == thin.sum()
    assert any("drawn" in line for line in drawn.by_hand)
    assert np.nanmean(drawn.upslope) != np.nanmean(before.upslope)


def test_a_tilted_axis_tilts_the_result(session):
    before = session.fusion.model.frame
    after = session.correct(Corrections(apex_mm=(3.0, 0.0, 0.0))).model.frame
    assert np.linalg.norm(after.apex_mm - before.apex_mm) == pytest.approx(3.0)
    assert (after.axis != before.axis).any()
