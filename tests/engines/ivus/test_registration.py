"""A whole registration, from pictures and from contours, against exact truth; and what it leaves."""

import json
from functools import cache

import nibabel as nib
import numpy as np
import pytest

from engines.anatomy.files.vtk_xml import read_vtp
from engines.evaluation.ivus.study import errors_against
from engines.ivus.features.landmark_list import landmark_list
from engines.ivus.files.contour_tables import read_contours
from engines.ivus.files.result_files import write_result
from engines.ivus.files.session_file import Inputs, read_session
from engines.ivus.registration import Variant, frame_landmarks, register
from engines.simulation.ivus.contours import true_centroids_mm
from tests.engines.ivus.small_case import pullback_of, rich_case, turned_case, write_contours
from tests.real_data import real_data


@cache
def from_frames():
    case = rich_case()
    return register(case.ct, case.centerline_mm, pullback_of(case))


def test_frames_are_laid_where_they_were_taken():
    case = rich_case()
    errors = errors_against(case, from_frames(), case.pullback.points_mm)
    assert errors.right, errors
    assert errors.handedness_right
    assert errors.longitudinal_mm < 1.5
    assert errors.rotation_deg < 15.0


def test_axes_are_orthonormal_and_handedness_speaks_of_the_stored_order():
    fusion = from_frames()
    np.testing.assert_allclose(np.linalg.norm(fusion.u, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose((fusion.u * fusion.v).sum(axis=1), 0.0, atol=1e-6)
    forwards = np.gradient(fusion.points_mm, axis=0)
    sign = np.sign((np.cross(fusion.u, fusion.v) * forwards).sum(axis=1))
    assert np.median(sign) == fusion.handedness
    falling = fusion.place_mm[-1] < fusion.place_mm[0]
    assert falling == fusion.distal_to_proximal


def test_the_order_of_the_centerline_does_not_matter():
    case = rich_case()
    turned = register(case.ct, case.centerline_mm[::-1], pullback_of(case))
    assert turned.distal_to_proximal == from_frames().distal_to_proximal
    assert np.median(np.linalg.norm(turned.points_mm - from_frames().points_mm, axis=1)) < 0.6


def test_contours_enter_by_the_same_door(tmp_path):
    case = rich_case()
    contours = read_contours(write_contours(case, tmp_path / "contours"))
    fusion = register(case.ct, case.centerline_mm, contours)
    errors = errors_against(case, fusion, true_centroids_mm(case.shapes, case.pullback))
    assert errors.right, errors
    assert errors.distance_mm < 1.5


def test_all_four_files_are_left_as_promised(tmp_path):
    case, fusion = rich_case(), from_frames()
    write_result(tmp_path / "out", fusion, case.ct, pullback_of(case))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "centerline.vtp", "figure.png", "mpr.nii.gz", "result.json"]  # fmt: skip
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["schema"] == "guidance-app/ivus/1"
    assert len(result["frames"]) == len(case.frames)
    assert [frame["z_mm"] for frame in result["frames"]] == list(case.pullback.nominal_mm)
    assert result["direction"] in ("distal_to_proximal", "proximal_to_distal")
    assert 0.0 <= result["confidence"] <= 1.0
    assert result["candidates"][0]["offset_mm"] == pytest.approx(fusion.place_mm[0], abs=1.5)
    assert {"kind", "frame", "angle_deg", "probability"} == set(result["landmarks"]["ivus"][0])
    assert {"kind", "s_mm", "angle_deg", "probability"} == set(result["landmarks"]["cta"][0])
    assert len(read_vtp(tmp_path / "out" / "centerline.vtp").points) == len(case.frames)
    mpr = nib.load(tmp_path / "out" / "mpr.nii.gz")
    assert mpr.shape == (case.frames.shape[2], case.frames.shape[1], len(case.frames))
    lumen = np.asarray(mpr.dataobj)[case.frames.shape[2] // 2, case.frames.shape[1] // 2]
    assert np.median(lumen) > 150.0  # the catheter lies in contrast


def test_landmarks_of_frames_name_frames():
    maps, index, doubtful = frame_landmarks(pullback_of(rich_case()))
    found = landmark_list(maps, index.astype(float))
    assert not doubtful
    assert any(landmark.kind == "bifurcation" for landmark in found)
    assert all(0 <= landmark.place <= len(rich_case().frames) for landmark in found)


def test_ct_without_contrast_is_flagged():
    from dataclasses import replace

    case = rich_case()
    plain = replace(case.ct, voxels_hu=np.minimum(case.ct.voxels_hu, 60).astype(np.int16))
    fusion = register(plain, case.centerline_mm, pullback_of(case))
    assert np.isfinite(fusion.points_mm).all()
    assert "LOW_CONTRAST" in fusion.flags


def test_a_centerline_that_ends_early_is_flagged_and_finite():
    case = rich_case()
    line = case.centerline_mm
    ostial_first = np.linalg.norm(line[0] - case.vessel.frame.points_mm[0]) < np.linalg.norm(
        line[-1] - case.vessel.frame.points_mm[0]
    )
    line = line if ostial_first else line[::-1]
    short = line[: int(len(line) * 0.35)]
    fusion = register(case.ct, short, pullback_of(case))
    assert np.isfinite(fusion.points_mm).all()
    assert np.isfinite(fusion.u).all()
    assert fusion.flags


@pytest.mark.parametrize(("name", "line"), [("ivus_rest", "rca_cl.vtp")])
def test_real_contours_on_a_real_centerline_without_matching_ct_are_never_trusted(name, line):
    from engines.anatomy.vessel_model import CtVolume
    from engines.ivus.files.vessel_line import load_vessel_line

    points = load_vessel_line(real_data(f"ivus_contours/{line}"))
    low = points.min(axis=0) - 10.0
    shape = np.ceil((points.max(axis=0) + 10.0 - low) / 1.0).astype(int)
    affine = np.eye(4)
    affine[:3, 3] = low
    noise = np.random.default_rng(0).normal(30.0, 10.0, shape).astype(np.int16)
    fusion = register(CtVolume(voxels_hu=noise, lps_from_index=affine), points,
                      read_contours(real_data(f"ivus_contours/{name}")))  # fmt: skip
    assert np.isfinite(fusion.points_mm).all()
    assert fusion.flags


def test_where_the_line_turns_into_a_side_branch_the_vessel_is_followed_on_and_it_is_said(tmp_path):
    case = turned_case()
    (branch,) = [branch for branch in case.vessel.branches if f"{branch.arc_mm:.1f} mm" in case.flaws[0]]
    fusion = register(case.ct, case.centerline_mm, pullback_of(case))
    errors = errors_against(case, fusion, case.pullback.points_mm)
    assert errors.right, errors
    assert "WRONG_BRANCH" in fusion.flags
    left_mm = fusion.course.left_mm
    assert left_mm == pytest.approx(branch.arc_mm, abs=4.0)
    # Places behind the turn go on from those before it.
    assert np.median(np.abs(fusion.place_mm - case.pullback.arc_mm)) < 2.0
    inputs = Inputs(cta="/a/ct.nii.gz", centerline="/a/line.vtp", pullback="/a/pullback")
    write_result(tmp_path, fusion, case.ct, pullback_of(case), inputs=inputs)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["left_line_at_mm"] == pytest.approx(left_mm, abs=0.01)
    assert f"turns into a side branch at {left_mm:.0f} mm" in result["advice"]["WRONG_BRANCH"]
    assert read_session(tmp_path).fusion.course.left_mm == left_mm


def test_without_other_ways_the_turned_line_misleads():
    case = turned_case()
    fusion = register(case.ct, case.centerline_mm, pullback_of(case), variant=Variant(ways=False))
    assert not errors_against(case, fusion, case.pullback.points_mm).right
    assert fusion.course.left_mm is None
