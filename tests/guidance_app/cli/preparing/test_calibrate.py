"""`calibrate` from files to files."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.errors import InputError
from calibration.intensifier.simulated_grid import Intensifier, grid_picture
from calibration.phantoms.simulated_phantom import random_view
from guidance_app.cli.main import build_app
from guidance_app.sources.capture.capture_calibration import read_capture_calibration
from tests.engines.angiography.xa_samples import xa_file


def _run(*arguments: object) -> None:
    build_app()(["calibrate", *map(str, arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def phantom_run(tmp_path_factory) -> Path:
    view = random_view(np.random.default_rng(2), side_px=512)
    folder = tmp_path_factory.mktemp("phantom")
    # XA has no principal point; the picture keeps the simulated one.
    header = replace(view.geometry, principal_point_px=(255.5, 255.5))
    return xa_file(folder / "phantom.dcm", view.pixels[None], geometry=header, bits_stored=12)


def test_a_carm_is_calibrated_from_an_xa_file(phantom_run, tmp_path, capsys):
    out = tmp_path / "carm.json"
    _run("carm", phantom_run, "--out", out, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text())
    (view,) = printed["views"]
    assert view["beads_found"] >= 28
    assert view["residual_rms_px"] < 0.2
    assert view["sid_mm"] == pytest.approx(view["header_sid_mm"], abs=6)
    # The simulated principal point lies a few pixels off the middle: the beam is off by a tenth of a degree.
    assert abs(printed["offset_primary_deg"]) < 0.5
    assert printed["isocentre_mm"] is None
    _run("show", out)
    assert "not a medical device" in capsys.readouterr().out


def test_our_own_phantom_can_be_written_and_used(phantom_run, tmp_path):
    _run("phantom", "--out", tmp_path / "phantom.json")
    _run("carm", phantom_run, "--phantom", tmp_path / "phantom.json", "--out", tmp_path / "carm.json")
    assert (tmp_path / "carm.json").is_file()


def test_a_refused_picture_leaves_no_file(tmp_path):
    picture = tmp_path / "empty.png"
    cv2.imwrite(str(picture), np.full((128, 128), 128, np.uint8))
    with pytest.raises(InputError, match=r"empty\.png: 0 beads"):
        _run("carm", picture, "--out", tmp_path / "carm.json")
    assert not (tmp_path / "carm.json").exists()


def test_a_distortion_is_calibrated_from_a_picture(tmp_path, capsys):
    picture = grid_picture(Intensifier(), np.random.default_rng(0))
    cv2.imwrite(str(tmp_path / "grid.png"), picture * 16)
    _run("distortion", tmp_path / "grid.png", "--spacing-mm", "10", "--out", tmp_path / "distortion.json", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == "guidance-app/distortion/1"
    assert printed["held_out_rms_px"] <= 0.3
    assert printed["pixel_spacing_mm"] == pytest.approx(10 / 26, rel=0.06)


def _screen(path: Path) -> Path:
    rng = np.random.default_rng(0)
    screen = np.full((240, 400), 16, np.uint8)
    screen[10:230, 100:320] = rng.normal(130, 9, (220, 220)).clip(0, 255)
    cv2.imwrite(str(path), screen)
    return path


def test_a_capture_file_is_what_the_capture_source_reads(tmp_path):
    out = tmp_path / "capture.json"
    _run(
        "capture", _screen(tmp_path / "screen.png"), "--known-mm", 20, "--points", "150,100,250,100",
        "--view", "30,-10,1000,750", "--at-isocentre", "--out", out,
    )  # fmt: skip
    read = read_capture_calibration(out)
    assert read.region_px == (100, 10, 220, 220)
    assert read.pixel_spacing_mm == pytest.approx((0.2 * 1000 / 750, 0.2 * 1000 / 750))
    assert read.geometry is not None
    assert read.geometry.sod_mm == 750


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--known-mm", 20], "go together"),
        (["--known-mm", 20, "--points", "1,2,3"], "four numbers"),
        (["--known-mm", 20, "--points", "150,100,250,100", "--disc-mm", 5], "two ways"),
        (["--disc-mm", -5], "above 0"),
        (["--view", "30,-10,700,750"], "SOD < SID"),
        (["--at-isocentre"], "--view too"),
    ],
)
def test_capture_options_that_make_no_sense_are_refused(tmp_path, arguments, reason):
    with pytest.raises(InputError, match=reason):
        _run("capture", _screen(tmp_path / "screen.png"), "--out", tmp_path / "capture.json", *arguments)
    assert not (tmp_path / "capture.json").exists()
