import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.cases.case_summary import summarise
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.files.ct import save_ct
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.vessel_model import Branch, CenterlineTree, CtVolume, LabelVolume, SurfaceMesh
from tests.engines.anatomy.ct_files import write_series
from tests.engines.anatomy.shapes import tube_labels, tube_surface
from tests.real_data import real_data


def _surface(path: Path, shift_mm: tuple[float, float, float] = (0, 0, 0)) -> Path:
    tube = tube_surface(3.0, 40.0)
    save_surface(path, SurfaceMesh(vertices_mm=tube.vertices_mm + shift_mm, triangles=tube.triangles))
    return path


def _centerlines(path: Path, shift_mm: tuple[float, float, float] = (0, 0, 0)) -> Path:
    points_mm = np.linspace((0.0, 0, -19), (0.0, 0, 19), 30) + shift_mm
    save_centerlines(path, CenterlineTree(branches=(Branch(points_mm=points_mm, radius_mm=np.full(30, np.nan)),)))
    return path


def _placement(path: Path, matrix: Any) -> Path:
    path.write_text(json.dumps({"model_to_lps": matrix}))
    return path


def test_a_placement_with_absurd_numbers_is_refused(tmp_path: Path) -> None:
    placement = _placement(tmp_path / "p.json", [[10**400, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="no 4x4 model_to_lps"):
        create_case(tmp_path / "out", "coronary", surface=_surface(tmp_path / "s.stl"), placement=placement)


@pytest.mark.parametrize("given", [("surface",), ("centerlines",), ("surface", "centerlines"), ("vessels",)])
def test_any_model_alone_makes_a_case(tmp_path: Path, given: tuple[str, ...]) -> None:
    labels = tmp_path / "v.nii.gz"
    save_labels(labels, tube_labels([((0, 0, -18), (0, 0, 18))], 3.0))
    paths = {
        "surface": _surface(tmp_path / "s.stl"),
        "centerlines": _centerlines(tmp_path / "c.vtp"),
        "vessels": labels,
    }
    case = create_case(tmp_path / "out", "coronary", **{role: paths[role] for role in given})
    assert set(given) <= set(case.files)
    assert "centerlines" in case.files
    model = load_case(tmp_path / "out").vessel_model()
    assert model.centerlines is not None
    assert np.linalg.norm(model.centerlines.points_mm()[:, :2], axis=1).max() < 1.0
    if given != ("centerlines",):
        np.testing.assert_allclose(np.median(model.centerlines.radius_mm()), 3.0, atol=0.4)


def test_a_placement_moves_surface_and_centerlines(tmp_path: Path) -> None:
    turn = [[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]
    case = create_case(
        tmp_path / "out",
        "coronary",
        surface=_surface(tmp_path / "s.stl", (10, 0, 0)),
        centerlines=_centerlines(tmp_path / "c.vtp", (10, 0, 0)),
        placement=_placement(tmp_path / "p.json", turn),
    )
    model = case.vessel_model()
    assert model.centerlines is not None
    assert model.surface is not None
    np.testing.assert_allclose(model.centerlines.points_mm()[:, :2], np.tile([5.0, 16.0], (30, 1)), atol=1e-6)
    np.testing.assert_allclose(model.surface.vertices_mm.mean(axis=0), [5.0, 16.0, 7.0], atol=1e-4)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]], "scales by 2"),
        ([[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "mirrors"),
        ([[1, 0], [0, 1]], "shape"),
        ("hello", "no 4x4"),
        ([[float("nan")] * 4] * 4, "finite"),
    ],
)
def test_a_wrong_placement_is_refused(tmp_path: Path, matrix: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        create_case(
            tmp_path / "out",
            "coronary",
            surface=_surface(tmp_path / "s.stl"),
            placement=_placement(tmp_path / "p.json", matrix),
        )


def test_a_dicom_cta_is_stored_without_patient_text(tmp_path: Path) -> None:
    write_series(tmp_path / "dicom")
    (tmp_path / "c.csv").write_text("-19,31,100.5\n-18,32,102\n-17.5,32.5,105\n")
    case = create_case(tmp_path / "out", "tavi", cta=tmp_path / "dicom", centerlines=tmp_path / "c.csv")
    ct = case.ct()
    assert ct is not None
    assert ct.voxels_hu.shape == (8, 6, 5)
    assert case.frame_of_reference_uid == "1.2.3.4.5"
    assert case.id.startswith("case-")
    for file in (tmp_path / "out").iterdir():
        assert b"SECRET" not in file.read_bytes()
        assert b"Jane" not in file.read_bytes()


def test_models_that_lie_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"only 0 % of the centerlines lie where the surface is.*RAS"):
        create_case(
            tmp_path / "out",
            "coronary",
            surface=_surface(tmp_path / "s.stl"),
            centerlines=_centerlines(tmp_path / "c.vtp", (80, 0, 0)),
        )
    save_ct(tmp_path / "ct.nii.gz", _ct())
    with pytest.raises(InputError, match="lie where the CTA is"):
        create_case(
            tmp_path / "out", "tavi", cta=tmp_path / "ct.nii.gz", surface=_surface(tmp_path / "s.stl", (900, 0, 0))
        )
    assert not (tmp_path / "out").exists()


def _ct() -> CtVolume:
    labels = tube_labels([((0, 0, -18), (0, 0, 18))], 3.0)
    return CtVolume(voxels_hu=labels.labels.astype(np.int16) * 400, lps_from_index=labels.lps_from_index)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "knee"}, "kind is 'knee'"),
        ({"case_id": "Doe, Jane"}, "pseudonym"),
        ({"case_id": "../up"}, "pseudonym"),
        ({"surface": None}, "a case needs a model"),
        ({"surface": None, "centerlines": None, "placement": "p.json"}, "needs a model"),
        ({"surface": "none.stl"}, r"none\.stl"),
    ],
)
def test_wrong_options_leave_nothing_behind(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    arguments = {"kind": "coronary", "surface": str(_surface(tmp_path / "s.stl"))} | options
    with pytest.raises(InputError, match=message):
        create_case(tmp_path / "cases" / "out", **arguments)
    assert not (tmp_path / "cases" / "out").exists()
    assert not list(tmp_path.glob("cases/.part-*"))


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[str] = []
    surface = _surface(tmp_path / "s.stl")
    with pytest.raises(InputError, match="cannot write here"):
        create_case(tmp_path / "file" / "a" / "case", "coronary", surface=surface, report=told.append)
    assert told == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "s.stl"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        create_case(tmp_path / "out", "coronary", surface=_surface(tmp_path / "s.stl"))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert create_case(tmp_path / "out", "coronary", surface=_surface(tmp_path / "s.stl"), case_id="A.1").id == "A.1"


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engines.anatomy.cases.case_creation.write_case", full_disk)
    surface = _surface(tmp_path / "s.stl")
    with pytest.raises(InputError, match="No space left on device"):
        create_case(tmp_path / "cases" / "out", "coronary", surface=surface)
    assert list((tmp_path / "cases").iterdir()) == []


def test_the_real_phantom_becomes_a_case_that_lies_on_its_pictures(tmp_path: Path) -> None:
    phantom = real_data("coronary_phantom")
    case = create_case(
        tmp_path / "phantom",
        "coronary",
        surface=phantom / "surface_coarse.stl",
        centerlines=phantom / "centerlines.vtk",
        placement=phantom / "placement.json",
    )
    tree = case.vessel_model().centerlines
    assert tree is not None
    assert len(tree.branches) == 11
    assert 1.5 < np.median(tree.radius_mm()) < 2.5
    view = json.loads((phantom / "placement.json").read_text())["views"]["IM5"]
    projected = np.column_stack([tree.points_mm(), np.ones(len(tree.points_mm()))])
    projected = projected @ np.array(view["projection_px_from_lps_mm"]).T
    pixels = projected[:, :2] / projected[:, 2:]
    import pydicom

    darkest = pydicom.dcmread(phantom / "IM5.dcm").pixel_array.min(axis=0).astype(float)
    rows, columns = np.clip(np.rint(pixels[:, ::-1]).astype(int), 0, 511).T
    on_vessel = np.median(darkest[rows, columns])
    assert on_vessel < np.percentile(darkest[40:470, 40:470], 10)  # contrast is dark: far below the background


def _two_tubes(path: Path) -> Path:
    first = tube_labels([((-12, 0, -18), (-12, 0, 18))], 3.0)
    second = tube_labels([((12, 0, -18), (12, 0, 18))], 4.0)
    labels = np.where(first.labels > 0, 1, np.where(second.labels > 0, 2, 0)).astype(np.uint8)
    save_labels(path, LabelVolume(labels=labels, lps_from_index=first.lps_from_index))
    return path


def test_names_decide_classes_and_survive_in_the_case(tmp_path: Path) -> None:
    vessels = _two_tubes(tmp_path / "v.nii.gz")
    create_case(tmp_path / "out", "evt", vessels=vessels, names="1=M1,2=SSS", note=lambda text: pytest.fail(text))
    case = load_case(tmp_path / "out")
    assert dict(case.vessels_names) == {1: "M1", 2: "SSS"}
    tree = case.vessel_model().centerlines
    assert tree is not None
    assert {branch.name: branch.vessel_class for branch in tree.branches} == {"M1": "artery", "SSS": "vein"}
    summary = summarise(case, case.vessel_model(), None).as_json()
    assert [(s["name"], s["class"], s["guessed"]) for s in summary["structures"]] == [
        ("M1", "artery", False), ("SSS", "vein", False),
    ]  # fmt: skip
    assert all(s["length_mm"] > 30 and s["volume_mm3"] > 900 for s in summary["structures"])


def test_guessed_classes_are_said_once_and_stay_marked_in_the_case(tmp_path: Path) -> None:
    notes: list[str] = []
    create_case(tmp_path / "out", "tavi", vessels=_two_tubes(tmp_path / "v.nii.gz"), note=notes.append)
    assert len(notes) == 1
    assert "guessed" in notes[0]
    names = load_case(tmp_path / "out").vessels_names
    assert names[2] == "aorta 2 (guessed)"


def test_a_single_unnamed_label_of_a_tavi_case_is_its_aorta(tmp_path: Path) -> None:
    save_labels(tmp_path / "v.nii.gz", tube_labels([((0, 0, -18), (0, 0, 18))], 5.0))
    case = create_case(tmp_path / "out", "tavi", vessels=tmp_path / "v.nii.gz", note=lambda _: None)
    tree = case.vessel_model().centerlines
    assert tree is not None
    assert {branch.vessel_class for branch in tree.branches} == {"aorta"}


def test_models_that_declare_nothing_are_said_in_one_line_and_those_that_do_are_not(tmp_path: Path) -> None:
    notes: list[str] = []
    (tmp_path / "c.csv").write_text("0,0,-19\n0,0,0\n0,0,19\n")
    create_case(
        tmp_path / "a", "coronary", surface=_surface(tmp_path / "s.stl"), centerlines=tmp_path / "c.csv",
        note=notes.append,
    )  # fmt: skip
    assert notes == ["c.csv declares no coordinate system: taken as LPS mm"]
    (tmp_path / "c.csv").write_text("# CoordinateSystem = LPS\n0,0,-19\n0,0,0\n0,0,19\n")
    create_case(tmp_path / "b", "coronary", centerlines=tmp_path / "c.csv", note=lambda text: pytest.fail(text))


def test_veins_alone_are_said_to_fill_in_no_arterial_view(tmp_path: Path) -> None:
    notes: list[str] = []
    vessels = _two_tubes(tmp_path / "v.nii.gz")
    create_case(tmp_path / "out", "evt", vessels=vessels, names="1=SSS,2=vein", note=notes.append)
    assert len(notes) == 1
    assert "veins alone" in notes[0]


def test_choices_about_what_is_not_given_are_refused(tmp_path: Path) -> None:
    surface = _surface(tmp_path / "s.stl")
    with pytest.raises(InputError, match="give --vessels too"):
        create_case(tmp_path / "out", "evt", surface=surface, names="1=artery")
    with pytest.raises(InputError, match="--phase and --hu-offset is about the CTA; give --cta too"):
        create_case(tmp_path / "out", "evt", surface=surface, phase=2, hu_offset=-1024)
    with pytest.raises(InputError, match="expected sform or qform"):
        create_case(tmp_path / "out", "evt", cta=tmp_path, nifti_form="both")
    assert not (tmp_path / "out").exists()


def test_a_cta_of_offset_values_alone_is_refused_with_the_option_that_mends_it(tmp_path: Path) -> None:
    x, y, _ = np.meshgrid(np.arange(40) - 20, np.arange(40) - 20, np.arange(20), indexing="ij")
    hu = np.where(x**2 + y**2 < 225, 1064, 24).astype(np.int16)
    save_ct(tmp_path / "ct.nii.gz", CtVolume(voxels_hu=hu, lps_from_index=np.eye(4)))
    with pytest.raises(InputError, match=r"no vessels can be found in it: .*--hu-offset -1024"):
        create_case(tmp_path / "out", "evt", cta=tmp_path / "ct.nii.gz", note=lambda _: None)
