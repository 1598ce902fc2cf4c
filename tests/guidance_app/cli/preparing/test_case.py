"""The case commands as a person runs them."""

import json
import sys
from pathlib import Path

import pytest

from engines.anatomy.cases.case import load_case
from engines.anatomy.files.surface_file import save_surface
from engines.segmentation.scenes import model_for_kind
from guidance_app.cli.main import main
from tests.engines.anatomy.shapes import tube_surface


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
