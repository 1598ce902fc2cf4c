import json
from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.registration.engine import register
from engines.registration.initial_pose import start_from_file, start_near
from engines.registration.options import RegistrationOptions
from engines.registration.pose_file import SCHEMA, read_pose, read_registration, write_registration
from tests.engines.registration.vessel_bed import bed


@pytest.fixture(scope="module")
def result():
    scene = bed(2)
    return scene, register(
        [scene.view], scene.model, case_id="p1", init=start_near(scene.pose),
        options=RegistrationOptions(refine_drr=False),
    )  # fmt: skip


def test_a_written_pose_comes_back(result, tmp_path):
    scene, registration = result
    path = tmp_path / "pose.json"
    write_registration(path, registration)
    content = json.loads(path.read_text())
    assert content["schema"] == SCHEMA
    assert set(content) >= {
        "case", "views", "status", "confidence", "expected_error_mm", "depth_sigma_mm", "reasons", "stages",
        "elapsed_ms", "backend", "isocentre_from_lps_mm",
    }  # fmt: skip
    assert np.allclose(read_pose(path, scene.geometry).matrix, registration.isocentre_from_lps.matrix, atol=1e-8)
    stored = read_registration(path, scene.geometry)
    assert (stored.status, stored.case, stored.views[0].frame) == (registration.status, "p1", 4)


def test_numbers_that_are_not_finite_are_written_as_null(result, tmp_path):
    _, registration = result
    path = tmp_path / "pose.json"
    write_registration(path, replace(registration, expected_error_mm=float("nan")))
    assert json.loads(path.read_text())["expected_error_mm"] is None


def test_a_projection_alone_at_any_scale_is_a_start(result, tmp_path):
    scene, _ = result
    path = tmp_path / "pose.json"
    matrix = -3.0 * scene.geometry.projection(scene.pose).matrix()
    path.write_text(json.dumps({"views": [{"projection_px_from_lps_mm": matrix.tolist()}]}))
    start = start_from_file(path, scene.geometry)
    assert np.allclose(start.isocentre_from_lps.matrix, scene.pose.matrix, atol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "{",
        "[]",
        '{"views": []}',
        '{"views": [{"projection_px_from_lps_mm": [[1, 2]]}]}',
        '{"views": [{}]}',
        '{"views": [{"projection_px_from_lps_mm": [[1, 2, 3, 4], [1], [1, 2]]}]}',
    ],
)
def test_what_is_no_pose_file_is_refused_in_one_line(tmp_path, result, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"broken\.json"):
        start_from_file(path, result[0].geometry)


def test_a_pose_for_another_magnification_is_refused(result, tmp_path):
    scene, registration = result
    path = tmp_path / "pose.json"
    write_registration(path, registration)
    with pytest.raises(InputError, match="intrinsics"):
        read_pose(path, replace(scene.geometry, column_spacing_mm=0.2))
