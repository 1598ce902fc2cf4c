"""The case commands as a person runs them."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from engines.anatomy.cases.case import load_case
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.vessel_model import LabelVolume
from engines.segmentation.scenes import model_for_kind
from guidance_app.cli.main import main
from tests.engines.anatomy.ct_files import write_series
from tests.engines.anatomy.shapes import tube_labels, tube_surface


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["guidance-app", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_case_is_made_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_surface(tmp_path / "s.stl", tube_surface(3.0, 40.0))
    out = tmp_path / "case"
    assert _run(monkeypatch, "case", "create", out, "--kind", "coronary", "--surface", tmp_path / "s.stl",
                "--id", "P-7") == 0  # fmt: skip
    assert "case P-7 (coronary)" in capsys.readouterr().out
    pictures = tmp_path / "pictures"
    assert _run(monkeypatch, "case", "show", out, "--json", "--pictures", pictures) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["schema"] == "guidance-app/case-summary/1"
    assert summary["id"] == "P-7"
    assert summary["cta"] is None
    assert summary["centerlines"]["branches"] == 1
    assert summary["centerlines"]["length_mm"] == pytest.approx(40, abs=2)
    assert summary["centerlines"]["radius_median_mm"] == pytest.approx(3, abs=0.3)
    assert sorted(path.name for path in pictures.iterdir()) == ["model-front.png", "model-left.png"]


@pytest.mark.parametrize(("scale", "doubted"), [(1.0, False), (0.1, True)])
def test_a_model_in_centimetres_is_doubted_aloud(monkeypatch, capsys, tmp_path: Path, scale: float, doubted: bool):
    rows = [f"{scale * x},0,0,{scale * 1.5}" for x in range(0, 60, 2)]
    (tmp_path / "c.csv").write_text("\n".join(rows))
    arguments = (
        "case",
        "create",
        tmp_path / "out",
        "--kind",
        "coronary",
        "--centerlines",
        tmp_path / "c.csv",
        "--json",
    )
    assert _run(monkeypatch, *arguments) == 0
    said = capsys.readouterr()
    assert ("millimetres?" in said.err) == doubted
    assert json.loads(said.out)["kind"] == "coronary"


def test_the_field_of_view_is_kept_and_picks_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_surface(tmp_path / "s.stl", tube_surface(4.0, 60.0))
    for field, network in (("lower", "aortic-lower"), ("upper", "aortic-upper")):
        out = tmp_path / field
        assert _run(monkeypatch, "case", "create", out, "--kind", "tavi", "--field", field,
                    "--surface", tmp_path / "s.stl") == 0  # fmt: skip
        assert ("lower field of view" in capsys.readouterr().out) == (field == "lower")
        case = load_case(out)
        assert case.field_of_view == field
        assert model_for_kind(case.kind, case.field_of_view) == network
    assert _run(monkeypatch, "case", "show", tmp_path / "lower", "--json") == 0
    assert json.loads(capsys.readouterr().out)["field_of_view"] == "lower"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("case", "show", "corronary"), "did you mean 'coronary'"),
        (("case", "create", "{}/out", "--kind", "coronary"), "give at least one of"),
        (("case", "create", "{}/out", "--kind", "knee", "--surface", "x.stl"), "kind is 'knee'"),
        (("case", "create", "{}/out", "--kind", "tavi", "--cta", "{}/none"), "no such file or folder"),
        (("case", "create", "{}/out", "--kind", "evt", "--field", "lower", "--surface", "x.stl"), "evt: has no lower"),
        (("case", "create", "{}/out", "--kind", "tavi", "--field", "left", "--surface", "x.stl"), "upper or lower"),
    ],
)
def test_errors_are_one_line_and_exit_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert _run(monkeypatch, *(part.format(tmp_path) for part in arguments)) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not list(tmp_path.iterdir())


def _vessels(path: Path) -> Path:
    first = tube_labels([((-12, 0, -18), (-12, 0, 18))], 3.0)
    second = tube_labels([((12, 0, -18), (12, 0, 18))], 4.0)
    labels = np.where(first.labels > 0, 1, np.where(second.labels > 0, 2, 0)).astype(np.uint8)
    save_labels(path, LabelVolume(labels=labels, lps_from_index=first.lps_from_index))
    return path


def test_structures_are_named_by_option_and_shown_with_class_length_and_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vessels = _vessels(tmp_path / "v.nii.gz")
    create = ("case", "create", tmp_path / "out", "--kind", "evt", "--vessels", vessels)
    assert _run(monkeypatch, *create, "--names", "1=artery,2=vein") == 0
    said = capsys.readouterr()
    assert "warning" not in said.err
    assert re.search(r"structure +2 vein: vein, \d+ mm long, [\d.]+ ml", said.out)
    assert _run(monkeypatch, "case", "show", tmp_path / "out", "--json") == 0
    structures = json.loads(capsys.readouterr().out)["structures"]
    assert [(s["label"], s["name"], s["class"]) for s in structures] == [(1, "artery", "artery"), (2, "vein", "vein")]
    assert all(s["length_mm"] > 30 and s["volume_mm3"] > 900 and not s["guessed"] for s in structures)


def test_a_bare_label_volume_is_warned_about_in_one_line_and_shown_as_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vessels = _vessels(tmp_path / "v.nii.gz")
    assert _run(monkeypatch, "case", "create", tmp_path / "out", "--kind", "evt", "--vessels", vessels) == 0
    said = capsys.readouterr()
    warnings = [line for line in said.err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert "--names 1=artery,2=vein" in warnings[0]
    assert said.out.count("(guessed)") >= 2


def test_phases_are_chosen_by_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for k, percent in enumerate((40.0, 75.0)):
        write_series(tmp_path / "ct", series_uid="1.2.3", prefix="ab"[k], NominalPercentageOfCardiacPhase=percent,
                     RescaleIntercept=-1000 + 100 * k)  # fmt: skip
    (tmp_path / "c.csv").write_text("# CoordinateSystem = LPS\n-19,31,100.5\n-18,32,102\n-17.5,32.5,105\n")
    create = ("case", "create", tmp_path / "out", "--kind", "tavi", "--cta", tmp_path / "ct", "--centerlines",
              tmp_path / "c.csv")  # fmt: skip
    assert _run(monkeypatch, *create) == 1
    assert "2 phases in one series (1: 40 %, 5 slices; 2: 75 %, 5 slices)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert _run(monkeypatch, *create, "--phase", "75") == 0
    assert "-900 to -661 HU" in capsys.readouterr().out
