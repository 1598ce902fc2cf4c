import json
from datetime import UTC, datetime, timedelta

import pytest

from calibration.calibration_file import (
    NOTICE,
    CaptureFile,
    DistortionFile,
    calibration_content,
    read_calibration,
    read_calibration_of,
    write_calibration,
)
from calibration.calibration_summary import summary_lines
from calibration.errors import InputError

_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _capture(**changes) -> CaptureFile:
    values = {
        "created": _NOW,
        "valid_until": _NOW + timedelta(days=30),
        "region_px": [300, 20, 700, 680],
        "text_masks_px": [[310, 30, 80, 20]],
        "pixel_spacing_mm": [0.2, 0.25],
        "aspect": 700 / 680,
        "screen_shape_px": [720, 1280],
    }
    return CaptureFile(**(values | changes))


def test_a_file_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "capture.json"
    write_calibration(path, _capture())
    assert read_calibration(path, now=_NOW) == _capture()
    raw = json.loads(path.read_text())
    assert raw["schema"] == "guidance-app/capture/1"
    assert raw["notice"] == NOTICE
    assert raw["region_px"] == [300, 20, 700, 680]


def test_an_expired_file_is_refused_with_its_date(tmp_path):
    path = tmp_path / "capture.json"
    write_calibration(path, _capture())
    with pytest.raises(InputError, match="expired on 2026-03-31"):
        read_calibration(path, now=_NOW + timedelta(days=31))


def test_a_file_from_the_future_is_refused(tmp_path):
    path = tmp_path / "capture.json"
    write_calibration(path, _capture())
    with pytest.raises(InputError, match="in the future"):
        read_calibration(path, now=_NOW - timedelta(days=3))


def test_a_file_without_an_end_stays_valid(tmp_path):
    path = tmp_path / "capture.json"
    write_calibration(path, _capture(valid_until=None))
    assert read_calibration(path, now=_NOW + timedelta(days=9999)).valid_until is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"schema": "guidance-app/case/1"}', "guidance-app/case/1"),
        ('{"schema": "guidance-app/capture/2"}', "capture/2"),
        ('{"schema": ["guidance-app/capture/1"]}', "is no calibration file"),
        ("{}", "no schema"),
        ("[1]", "no calibration file"),
        ("\x00", "no JSON"),
        ('{"schema": "guidance-app/capture/1"}', "damaged"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(tmp_path, text, reason):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_calibration(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "capture.json"
    write_calibration(path, _capture())
    with pytest.raises(InputError, match="expected guidance-app/distortion/1"):
        read_calibration_of(path, DistortionFile, now=_NOW)


def test_a_number_that_is_not_finite_is_refused(tmp_path):
    content = calibration_content(_capture()) | {"aspect": float("nan")}
    path = tmp_path / "capture.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="aspect"):
        read_calibration(path, now=_NOW)


def test_the_summary_says_what_it_is_and_for_research_only():
    lines = summary_lines(_capture())
    assert "700 x 680" in "\n".join(lines)
    assert lines[-1] == NOTICE
