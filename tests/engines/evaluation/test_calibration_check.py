"""Calibration of simulated phantoms and grids with known truth."""

import json

import pytest

from engines.evaluation.calibration_check import LIMIT_DISTORTION_PX, check_calibration, check_lines
from guidance_app.cli.main import build_app


@pytest.fixture(scope="module")
def check():
    return check_calibration(2, 500)


def test_focal_spot_detector_and_angles_are_recovered(check):
    found = check.phantom
    assert found.accepted == 2
    assert found.focal_spot_mm.largest < 4.0  # nearly all of it along the beam, which one view hardly sees
    assert found.focal_spot_across_beam_mm.largest < 1.0
    assert found.detector_distance_mm.largest < 6.0
    assert found.beam_angle_deg.largest < 0.05
    assert found.residual_rms_px.largest < 0.2


def test_distortion_is_corrected_to_less_than_a_third_of_a_pixel(check):
    found = check.distortion
    assert found.accepted == 2
    assert found.largest_shift_px.median > 3.0  # there was a distortion to correct
    assert found.held_out_rms_px.largest <= LIMIT_DISTORTION_PX
    assert found.against_truth_rms_px.largest <= LIMIT_DISTORTION_PX


def test_refusals_are_counted_and_leave_no_figure(monkeypatch):
    from calibration.errors import InputError
    from engines.evaluation import calibration_check

    def refuse(*_, **__):
        raise InputError("phantom.dcm: 3 beads were found")

    monkeypatch.setattr(calibration_check, "calibrate_view", refuse)
    found = check_calibration(1, 0)
    assert (found.phantom.accepted, found.phantom.focal_spot_mm) == (0, None)
    assert "refused: phantom.dcm: 3 beads were found" in check_lines(found)


def test_command_prints_and_writes_the_figures(tmp_path, capsys):
    out = tmp_path / "check.json"
    build_app()(["calibrate", "check", "--count", "1", "--seed", "3", "--json", str(out)], standalone_mode=False)
    written = json.loads(out.read_text())
    assert written["schema"] == "guidance-app/calibration-check/1"
    assert written["seed"] == 3
    assert "cpu" in written["machine"]
    assert "focal spot mm" in capsys.readouterr().out


@pytest.mark.slow  # minutes
def test_limits_hold_over_fifty_phantoms_and_grids():
    found = check_calibration(50, 0)
    assert found.phantom.accepted >= 48
    assert found.phantom.focal_spot_mm.p95 < 4.0
    assert found.phantom.beam_angle_deg.p95 < 0.05
    assert found.distortion.accepted >= 48
    assert found.distortion.held_out_rms_px.largest <= LIMIT_DISTORTION_PX
    assert found.distortion.against_truth_rms_px.largest <= LIMIT_DISTORTION_PX
