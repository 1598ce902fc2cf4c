"""What a score rests on: the truth of a simulated run, or a registration with its confidence; never a rejected one."""

import json
import shutil

import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.exercises.reference import case_mark, reference_pictures, registered_name


@pytest.fixture(scope="module")
def bundled():
    return load_case("coronary")


@pytest.fixture
def own(bundled, tmp_path):
    """The same case as somebody's own: elsewhere, and without the truth."""
    shutil.copytree(bundled.folder, tmp_path / "own", ignore=shutil.ignore_patterns("truth"))
    return load_case(tmp_path / "own")


def keep_registration(case, found, **changes):
    """As the program leaves one of a single frame; the pose is that of the truth."""
    truth = json.loads((load_case("coronary").folder / "truth" / "run1.json").read_text())
    view = truth["views"][16]
    content = {
        "schema": truth["schema"], "case": case.id, "status": "accepted", "confidence": 0.93, "expected_error_mm": 0.8,
        "views": [{key: view[key] for key in ("file", "frame", "projection_px_from_lps_mm")}],
        "backend": {"render": "rays"}, **changes,
    }  # fmt: skip
    folder = found / registered_name(case, 1)
    folder.mkdir(parents=True)
    (folder / "pose.json").write_text(json.dumps(content))


def test_a_bundled_case_has_exact_pictures_of_both_runs(bundled):
    pictures = reference_pictures(bundled)
    assert {picture.run for picture in pictures} == {1, 2}
    assert all(picture.source.kind == "truth" for picture in pictures)
    assert "exact truth" in pictures[0].source.words
    exact = json.loads((bundled.folder / "truth" / "run1.json").read_text())["end_diastolic_frames"]
    assert all(picture.frame in exact for picture in pictures if picture.run == 1)


def test_only_branches_that_are_seen_filled_are_shown(bundled):
    names = {branch.name for picture in reference_pictures(bundled) for branch in picture.branches}
    assert {"LM", "LAD", "LCx"} <= names
    assert "RCA" not in names  # contrast was injected at the left


def test_a_case_without_a_known_pose_says_what_to_do(own, tmp_path):
    with pytest.raises(InputError, match="let the program register one"):
        reference_pictures(own, found=tmp_path / "none")


def test_a_registration_by_the_program_serves_with_its_confidence(own, tmp_path):
    keep_registration(own, tmp_path / "found")
    (picture,) = reference_pictures(own, found=tmp_path / "found")
    assert (picture.run, picture.frame) == (1, 16)
    assert picture.source.kind == "registration"
    assert "confidence 0.93, expected error 0.8 mm" in picture.source.words


def test_a_rejected_registration_is_no_reference(own, tmp_path):
    keep_registration(own, tmp_path / "found", status="rejected")
    with pytest.raises(InputError, match="rejected"):
        reference_pictures(own, found=tmp_path / "found")


def test_a_registration_of_a_whole_run_is_refused(own, tmp_path):
    truth = json.loads((load_case("coronary").folder / "truth" / "run1.json").read_text())["views"][16]
    view = {"file": "run1.dcm", "frame": -1, "projection_px_from_lps_mm": truth["projection_px_from_lps_mm"]}
    keep_registration(own, tmp_path / "found", views=[view])
    with pytest.raises(InputError, match="no single frame"):
        reference_pictures(own, found=tmp_path / "found")


def test_a_case_of_ones_own_is_named_by_a_hash(bundled, own):
    assert case_mark(bundled) == bundled.id
    assert case_mark(own).startswith("case-")
    assert own.id not in case_mark(own)
