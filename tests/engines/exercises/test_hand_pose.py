"""Moves go where the hand goes, and the score is the distance to the reference, by a second way of reckoning."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engines.anatomy.cases.case import load_case
from engines.exercises.hand_pose import LEVELS, HandMove, moved, pose_score, start_pose
from engines.exercises.reference import reference_pictures


@pytest.fixture(scope="module")
def picture():
    return reference_pictures(load_case("coronary"))[0]


def shift_px(picture, move):
    """How the projected middle of the model goes."""
    pivot = picture.points_mm().mean(axis=0)
    pose = moved(picture.isocentre_from_lps, move, picture.geometry, pivot)
    before = picture.projection.project(pivot[None])[0][0]
    return picture.geometry.projection(pose).project(pivot[None])[0][0] - before


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_millimetre_in_the_isocentre_plane_is_a_millimetre_in_the_picture(picture, mirrored):
    seen = replace(picture, geometry=replace(picture.geometry, mirrored=mirrored))
    per_mm = 1.0 / seen.geometry.isocentre_mm_per_px
    assert shift_px(seen, HandMove(right_mm=3.0)) == pytest.approx([3.0 * per_mm, 0.0], abs=1e-6)
    assert shift_px(seen, HandMove(down_mm=2.0)) == pytest.approx([0.0, 2.0 * per_mm], abs=1e-6)


@pytest.mark.parametrize(
    "move",
    [HandMove(along_mm=25.0), HandMove(turn_right_rad=0.2), HandMove(turn_down_rad=0.2), HandMove(roll_rad=0.2)],
)
def test_turns_and_depth_leave_the_middle_of_the_model_where_it_is(picture, move):
    assert shift_px(picture, move) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_what_is_nearest_to_the_viewer_follows_a_turn(picture):
    camera = picture.projection.camera_from_lps
    pivot = picture.points_mm().mean(axis=0)
    front = camera.inverse().apply(camera.apply(pivot[None]) + np.array([0.0, 0.0, 40.0]))
    for move, way in ((HandMove(turn_right_rad=0.1), [1, 0]), (HandMove(turn_down_rad=0.1), [0, 1])):
        pose = moved(picture.isocentre_from_lps, move, picture.geometry, pivot)
        went = picture.geometry.projection(pose).project(front)[0][0] - picture.projection.project(front)[0][0]
        assert went @ way > 5.0
        assert abs(went @ way[::-1]) < 1.0


def test_a_roll_goes_counterclockwise(picture):
    pivot = picture.points_mm().mean(axis=0)
    camera = picture.projection.camera_from_lps
    beside = camera.inverse().apply(camera.apply(pivot[None]) + np.array([30.0, 0.0, 0.0]))
    pose = moved(picture.isocentre_from_lps, HandMove(roll_rad=0.1), picture.geometry, pivot)
    went = picture.geometry.projection(pose).project(beside)[0][0] - picture.projection.project(beside)[0][0]
    assert went[1] < -5.0  # rows run down


def test_away_from_the_source_is_smaller(picture):
    pivot = picture.points_mm().mean(axis=0)
    pose = moved(picture.isocentre_from_lps, HandMove(along_mm=50.0), picture.geometry, pivot)
    spread = [np.ptp(one.project(picture.points_mm())[0], axis=0) for one in
              (picture.projection, picture.geometry.projection(pose))]  # fmt: skip
    assert (spread[1] < spread[0]).all()


def test_the_reference_itself_scores_nothing(picture):
    score = pose_score(picture, picture.isocentre_from_lps)
    assert [score.mean_mm, score.worst_mm, score.turned_deg, score.along_mm] == pytest.approx([0, 0, 0, 0], abs=1e-5)


def test_the_score_equals_that_of_the_stored_truth_matrices(picture):
    """Pinhole arithmetic on the numbers in the file, without any of the program's classes."""
    case = load_case("coronary")
    file = case.folder / "truth" / f"{case.recordings[picture.run - 1].path.stem}.json"
    view = next(v for v in json.loads(file.read_text())["views"] if v["frame"] == picture.frame)
    truth = np.array(view["projection_px_from_lps_mm"])
    pose = start_pose(picture, "usual", 5)
    found = picture.geometry.projection(pose).matrix()
    points = np.column_stack([picture.points_mm(), np.ones(len(picture.points_mm()))])
    px = [(points @ matrix.T)[:, :2] / (points @ matrix.T)[:, 2:] for matrix in (found, truth)]
    g = picture.geometry
    mm = np.linalg.norm(px[0] - px[1], axis=1) * (0.5 * (g.column_spacing_mm + g.row_spacing_mm) * g.sod_mm / g.sid_mm)
    score = pose_score(picture, pose)
    assert score.mean_mm == pytest.approx(mm.mean(), abs=1e-4)
    assert score.worst_mm == pytest.approx(mm.max(), abs=1e-4)
    assert score.mean_mm > 5.0


@pytest.mark.parametrize(("level", "turn_deg"), list(zip(LEVELS, (3.0, 7.0, 12.0), strict=True)))
def test_a_level_is_a_size_of_start_and_a_seed_a_direction(picture, level, turn_deg):
    starts = [pose_score(picture, start_pose(picture, level, seed)) for seed in range(4)]
    assert [one.turned_deg for one in starts] == pytest.approx([turn_deg] * 4, abs=1e-6)
    assert len({round(one.mean_mm, 3) for one in starts}) == 4
    again = pose_score(picture, start_pose(picture, level, 0))
    assert again == starts[0]
