from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from calibration.calibration_file import CaptureFile, CArmFile, CArmView, DistortionFile, write_calibration
from calibration.errors import InputError
from engines.angiography.calibrated_run import read_corrections
from engines.angiography.files.open_run import open_run
from guidance_app.sources.uri import shown_run
from tests.engines.angiography.xa_samples import pixels, xa_file

_NOW = datetime.now(UTC)


def _carm(path: Path, *, offset_deg: float | None = 2.0, age_days: float = 0.0) -> Path:
    view = CArmView(
        file="phantom.dcm", shape_px=[48, 64], projection_px_from_phantom_mm=[[0.0] * 4] * 3, focal_spot_mm=[0, 700, 0],
        focal_spot_sigma_mm=[1, 1, 1], focal_length_px=3000, focal_length_sigma_px=3, principal_point_px=[31.5, 23.5],
        principal_point_sigma_px=[1, 1], pixel_spacing_mm=None, sid_mm=None, sid_sigma_mm=None, detector_centre_mm=None,
        primary_deg=30, secondary_deg=0, angle_sigma_deg=0.01, normal_primary_deg=30, normal_secondary_deg=0,
        roll_deg=0, beads_found=36, residual_rms_px=0.05, residual_max_px=0.1,
    )  # fmt: skip
    created = _NOW - timedelta(days=age_days)
    content = CArmFile(
        created=created,
        valid_until=created + timedelta(days=10),
        phantom="helix-36",
        views=[view],
        offset_primary_deg=offset_deg,
        offset_secondary_deg=None if offset_deg is None else -1.0,
    )
    write_calibration(path, content)
    return path


def _shift(path: Path, *, columns: float = 3.0, shape: tuple[int, int] = (48, 64)) -> Path:
    """Undistorted = stored + 3 columns, everywhere."""
    content = DistortionFile(
        created=_NOW, shape_px=list(shape), centre_px=[31.5, 23.5], scale_px=32, degree=1,
        coefficients_px=[[columns, 0, 0], [0, 0, 0]], hull_px=[[-1, -1], [64, -1], [64, 48], [-1, 48]],
        pixel_spacing_mm=0.25, grid_spacing_mm=10, grid_points=100, largest_shift_px=3, residual_rms_px=0.1,
        held_out_rms_px=0.1, held_out_p95_px=0.2,
    )  # fmt: skip
    write_calibration(path, content)
    return path


def test_angles_are_corrected_and_pixels_left_alone(tmp_path):
    run = open_run(xa_file(tmp_path / "run.dcm"))
    corrected = read_corrections([_carm(tmp_path / "carm.json")]).applied_to(run)
    before, after = run.geometry(0), corrected.geometry(0)
    assert np.rad2deg(after.primary_rad - before.primary_rad) == pytest.approx(2.0)
    assert np.rad2deg(after.secondary_rad - before.secondary_rad) == pytest.approx(-1.0)
    assert corrected.frame(1).geometry == after
    np.testing.assert_array_equal(corrected.frame(1).pixels, run.frame(1).pixels)


def test_pictures_are_straightened_and_their_pixels_are_those_of_the_grid(tmp_path):
    path = xa_file(tmp_path / "run.dcm", pixels(bits=12))
    shown = shown_run(path, (_shift(tmp_path / "distortion.json"), _carm(tmp_path / "carm.json")))
    frame = shown.frame(0)
    np.testing.assert_allclose(frame.pixels[:, 4:].astype(int), open_run(path).frame(0).pixels[:, 1:-3], atol=8)
    assert (frame.pixels[:, :2] == 0).all()
    assert frame.geometry is not None
    assert frame.geometry.column_spacing_mm == 0.25
    assert frame.geometry.spacing_source == "calibration"


def test_a_run_of_another_size_is_refused(tmp_path):
    corrections = read_corrections([_shift(tmp_path / "distortion.json", shape=(96, 64))])
    with pytest.raises(InputError, match="48 rows x 64 columns"):
        corrections.applied_to(open_run(xa_file(tmp_path / "run.dcm")))


def test_files_that_correct_nothing_are_refused(tmp_path):
    capture = CaptureFile(created=_NOW, region_px=[0, 0, 64, 48], aspect=4 / 3, screen_shape_px=[48, 64])
    write_calibration(tmp_path / "capture.json", capture)
    for paths, reason in (
        ([tmp_path / "capture.json"], "capture file"),
        ([_carm(tmp_path / "none.json", offset_deg=None)], "no angle offsets"),
        ([_carm(tmp_path / "old.json", age_days=30)], "expired"),
        ([_carm(tmp_path / "one.json"), _carm(tmp_path / "two.json")], "the second"),
    ):
        with pytest.raises(InputError, match=reason):
            read_corrections(paths)
