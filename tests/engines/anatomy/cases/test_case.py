import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import BUNDLED, bundled_cases_folder, load_case, write_case
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.vessel_model import Branch, CenterlineTree
from tests.engines.anatomy.shapes import tube_labels, tube_surface


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "case"
    save_surface(folder / "surface.vtp", tube_surface(3.0, 50.0))
    points_mm = np.linspace((0.0, 0, -25), (0.0, 0, 25), 30)
    branch = Branch(points_mm=points_mm, radius_mm=np.full(30, np.nan), name="LAD")
    save_centerlines(folder / "centerlines.vtp", CenterlineTree(branches=(branch,)))
    (folder / "xa").mkdir()
    (folder / "xa" / "run1.dcm").write_bytes(b"not looked into here")
    write_case(
        folder,
        case_id="case-1",
        kind="coronary",
        frame_of_reference_uid="1.2.3",
        files={"surface": "surface.vtp", "centerlines": "centerlines.vtp"},
        recordings=["xa/run1.dcm"],
        vessels_names={2: "LAD"},
    )
    return folder


def _edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / "case.json").read_text())
    change(content)
    (folder / "case.json").write_text(json.dumps(content))


def test_a_case_is_read_as_written(folder: Path) -> None:
    case = load_case(folder)
    assert (case.id, case.kind, case.frame_of_reference_uid) == ("case-1", "coronary", "1.2.3")
    assert case.files["surface"].path.is_file()
    assert [(run.relative, run.kind) for run in case.recordings] == [("xa/run1.dcm", "xa")]
    assert case.vessels_names == {2: "LAD"}
    assert case.ct() is None
    content = json.loads((folder / "case.json").read_text())
    assert content["schema"] == "guidance-app/case/1"
    assert set(content["files"]["surface"]) == {"path", "sha256"}


def test_a_moved_case_still_loads(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere" / "moved")
    assert load_case(str(tmp_path / "elsewhere" / "moved")).id == "case-1"
    assert load_case(tmp_path / "elsewhere" / "moved" / "case.json").id == "case-1"


def test_the_model_has_radii_from_its_surface(folder: Path) -> None:
    model = load_case(folder).vessel_model()
    assert model.centerlines is not None
    assert model.surface is not None
    np.testing.assert_allclose(model.centerlines.radius_mm()[5:-5], 3.0, atol=0.1)


@pytest.mark.parametrize("role", ["surface", "vessels"])
def test_centerlines_are_derived_from_the_only_model(tmp_path: Path, role: str) -> None:
    if role == "surface":
        save_surface(tmp_path / "model.vtp", tube_surface(3.0, 40.0))
    else:
        save_labels(tmp_path / "model.nii.gz", tube_labels([((0, 0, -20), (0, 0, 20))], 3.0))
    name = "model.vtp" if role == "surface" else "model.nii.gz"
    write_case(tmp_path, case_id="c", kind="tavi", frame_of_reference_uid="", files={role: name})
    model = load_case(tmp_path).vessel_model()
    assert model.centerlines is not None
    assert np.linalg.norm(model.centerlines.points_mm()[:, :2], axis=1).max() < 1.0
    if role == "surface":  # an unnamed vessel of a TAVI case is the aorta
        assert {branch.vessel_class for branch in model.centerlines.branches} == {"aorta"}


def test_a_case_with_a_cta_alone_has_no_vessel_model(tmp_path: Path) -> None:
    (tmp_path / "cta.nii.gz").write_bytes(b"x")
    write_case(tmp_path, case_id="c", kind="tavi", frame_of_reference_uid="", files={"cta": "cta.nii.gz"})
    with pytest.raises(InputError, match="no vessels"):
        load_case(tmp_path).vessel_model()


def test_a_changed_file_is_noticed(folder: Path) -> None:
    with (folder / "surface.vtp").open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=r"surface\.vtp: was changed"):
        load_case(folder)


def test_a_changed_recording_is_noticed(folder: Path) -> None:
    (folder / "xa" / "run1.dcm").write_bytes(b"other")
    with pytest.raises(InputError, match=r"run1\.dcm: was changed"):
        load_case(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "centerlines.vtp").unlink()
    with pytest.raises(InputError, match=r"centerlines\.vtp: is missing"):
        load_case(folder)


@pytest.mark.parametrize("path", ["../secret.vtp", "/etc/passwd", "a/../../b", "..\\b", "C:\\b", ""])
def test_paths_that_lead_out_are_refused(folder: Path, path: str) -> None:
    (folder.parent / "secret.vtp").write_bytes(b"x")
    _edit(folder, lambda content: content["files"]["surface"].update(path=path))
    with pytest.raises(InputError, match="out of the case folder"):
        load_case(folder)


@pytest.mark.parametrize(
    ("path", "said"), [("y" * 100_000, r"y+ cannot be read \(File name too long\)"), ("\ud800", "cannot be read")]
)
def test_a_name_that_no_file_can_have_is_refused(folder: Path, path: str, said: str) -> None:
    _edit(folder, lambda content: content["files"]["surface"].update(path=path))
    with pytest.raises(InputError, match=rf"case\.json: .*{said}"):
        load_case(folder)


def test_a_link_that_leads_out_is_refused(folder: Path) -> None:
    (folder / "surface.vtp").rename(folder.parent / "outside.vtp")
    (folder / "surface.vtp").symlink_to(folder.parent / "outside.vtp")
    with pytest.raises(InputError, match="out of the case folder"):
        load_case(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema="guidance-app/case/2"), "schema is 'guidance-app/case/2'"),
        (lambda c: c.pop("schema"), "schema is None"),
        (lambda c: c.update(kind="knee"), "kind"),
        (lambda c: c.pop("id"), "id"),
        (lambda c: c.update(files=[]), "files"),
        (lambda c: c["files"].update(heart=c["files"]["surface"]), "files"),
        (lambda c: c["files"]["surface"].update(sha256="zz"), "sha256"),
        (lambda c: c.update(recordings=[{"path": "../x", "sha256": "0" * 64}]), "out of the case folder"),
        (lambda c: c.update(vessels_names={"one": "LAD"}), "vessels_names"),
    ],
)
def test_a_wrong_description_is_one_clear_line(
    folder: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    _edit(folder, change)
    with pytest.raises(InputError, match=message) as caught:
        load_case(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\udcff", "[" * 100_000])
def test_broken_json_is_one_clear_line(folder: Path, text: str) -> None:
    (folder / "case.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"case\.json: (cannot be read as JSON|schema is)"):
        load_case(folder)


def test_keys_of_later_versions_are_ignored(folder: Path) -> None:
    _edit(folder, lambda content: content.update(annulus={"points": []}))
    assert load_case(folder).id == "case-1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("corronary", "did you mean 'coronary'"),
        ("taviii", "did you mean 'tavi'"),
        ("zzz", "one of evt, tavi, coronary"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_case(name)


def test_a_folder_without_a_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no case\.json"):
        load_case(tmp_path)


def test_only_files_that_are_there_are_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"surface\.vtp: is not there"):
        write_case(tmp_path, case_id="c", kind="evt", frame_of_reference_uid="", files={"surface": "surface.vtp"})
    assert not (tmp_path / "case.json").exists()


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_cases_load_with_their_models(name: str) -> None:
    if not (bundled_cases_folder() / name / "case.json").is_file():
        pytest.skip(f"the bundled case {name} is not part of this checkout")
    case = load_case(name)
    model = case.vessel_model()
    assert case.kind == name
    assert case.recordings
    assert model.centerlines is not None
    assert np.isfinite(model.centerlines.points_mm()).all()
