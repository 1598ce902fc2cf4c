"""`ivus register`, `centerline` and `landmarks`: their files, and one clear line for what they cannot use."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.anatomy.files.centerline_file import load_centerlines
from engines.anatomy.files.ct import save_ct
from guidance_app.cli.main import build_app
from tests.engines.ivus.small_case import rich_case, write_contours


def run(*arguments):
    return CliRunner().invoke(build_app(), ["ivus", *map(str, arguments)])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ivus")
    case = rich_case()
    save_ct(folder / "cta.nii.gz", case.ct)
    np.savetxt(folder / "line.csv", case.centerline_mm, delimiter=",", header="x,y,z", comments="")
    write_contours(case, folder / "contours")
    (folder / "cases.csv").write_text(
        "id,cta,centerline,pullback,contours\ngood,cta.nii.gz,line.csv,,contours\nbroken,cta.nii.gz,line.csv,nowhere,\n"
    )
    return folder


def test_register_leaves_its_files_and_prints_the_verdict(files, tmp_path):
    outcome = run("register", "--cta", files / "cta.nii.gz", "--centerline", files / "line.csv", "--contours",
                  files / "contours", "--out", tmp_path / "out", "--json")  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    verdict = json.loads(outcome.stdout)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert verdict["flags"] == result["flags"]
    assert len(result["frames"]) == len(rich_case().frames)


def test_a_list_goes_on_after_a_broken_case_and_does_nothing_twice(files, tmp_path):
    out = tmp_path / "out"
    stamps = []
    for _ in range(2):
        outcome = run("register", "--list", files / "cases.csv", "--out", out)
        assert isinstance(outcome.exception, InputError)
        assert "broken" in str(outcome.exception)
        rows = (out / "summary.csv").read_text().splitlines()
        assert rows[1].startswith("good,")
        assert rows[2].startswith("broken,failed")
        assert "nowhere" in rows[2]
        stamps.append((out / "good" / "result.json").stat().st_mtime_ns)
    assert stamps[0] == stamps[1]


def test_a_centerline_between_two_points_runs_in_the_vessel(files, tmp_path):
    truth = rich_case().vessel.frame.points_mm
    ends = [",".join(f"{value:.2f}" for value in truth[index]) for index in (20, 200)]
    out = tmp_path / "line.vtp"
    outcome = run("centerline", "--cta", files / "cta.nii.gz", "--ostium", ends[0], "--distal", ends[1], "--out", out)
    assert outcome.exit_code == 0, outcome.output
    branch = load_centerlines(out).branches[0]
    nearest = np.linalg.norm(branch.points_mm[:, None] - truth[None], axis=2).min(axis=1)
    assert np.percentile(nearest, 90) < 1.0
    assert 0.5 < np.median(branch.radius_mm) < 3.0


def test_landmarks_need_no_ct(files, tmp_path):
    outcome = run("landmarks", "--contours", files / "contours", "--out", tmp_path / "maps", "--json")
    assert outcome.exit_code == 0, outcome.output
    summary = json.loads(outcome.stdout)
    described = json.loads((tmp_path / "maps" / "landmarks.json").read_text())
    assert summary["frames"] == len(described["z_mm"]) == len(rich_case().frames)
    assert np.load(tmp_path / "maps" / "maps.npz")["branch"].shape == (summary["frames"], 48)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("register", "--out", "out"), "--cta"),
        (("register", "--cta", "c", "--centerline", "l", "--out", "out"), "exactly one"),
        (("register", "--cta", "c", "--centerline", "l", "--contours", "nowhere", "--out", "out"), "nowhere"),
        (("register", "--method", "guess", "--out", "out"), "choose among"),
        (("register", "--list", "nowhere.csv", "--out", "out"), "nowhere.csv"),
        (("register", "--workers", "2", "--out", "out"), "--list"),
        (("centerline", "--cta", "c", "--ostium", "1,2", "--distal", "1,2,3", "--out", "a.vtp"), "X,Y,Z"),
        (("centerline", "--cta", "c", "--ostium", "1,2,3", "--distal", "1,2,3", "--out", "a.csv"), ".vtp"),
        (("landmarks", "--out", "out"), "exactly one"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(*arguments)
    assert isinstance(outcome.exception, InputError)
    assert words in str(outcome.exception)
    assert not (tmp_path / "out" / "result.json").exists()


def test_a_centerline_of_another_scan_is_refused_and_leaves_nothing(files, tmp_path):
    far = rich_case().centerline_mm + 500.0
    np.savetxt(tmp_path / "far.csv", far, delimiter=",", header="x,y,z", comments="")
    outcome = run("register", "--cta", files / "cta.nii.gz", "--centerline", tmp_path / "far.csv", "--contours",
                  files / "contours", "--out", tmp_path / "out")  # fmt: skip
    assert isinstance(outcome.exception, InputError)
    assert "within the CT" in str(outcome.exception)
    assert not (tmp_path / "out").exists()
