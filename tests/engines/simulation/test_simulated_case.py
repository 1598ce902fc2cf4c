"""A simulated case as a whole: complete, readable, reproducible, and true."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from calibration.projection import camera_from_projection_matrix
from engines.anatomy.cases.case import load_case
from engines.angiography.files.open_run import open_run
from engines.simulation import case as case_module
from engines.simulation.simulated_case import simulate_case

_FILES = {"cta.nii.gz", "vessels.nii.gz", "surface.vtp", "centerlines.vtp"}


@pytest.fixture(scope="module")
def small_case(tmp_path_factory) -> Path:
    return simulate_case("evt", 7, tmp_path_factory.mktemp("cases") / "evt-7", frames=5)


def _truth(folder: Path, run: str) -> dict:
    return json.loads((folder / "truth" / f"{run}.json").read_text())


def _labels(folder: Path, run: str) -> np.ndarray:
    with np.load(folder / "truth" / f"{run}_labels.npz") as archive:
        return archive["labels"]


def _project(view: dict, points_mm: np.ndarray) -> np.ndarray:
    homogeneous = np.column_stack([points_mm, np.ones(len(points_mm))]) @ np.array(view["projection_px_from_lps_mm"]).T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def test_case_is_complete_and_loads(small_case):
    case = load_case(small_case)
    assert case.id == "evt-7"
    assert {file.relative for file in case.files.values()} == _FILES
    assert [recording.relative for recording in case.recordings] == ["xa/run1.dcm", "xa/run2.dcm"]
    model = case.vessel_model()
    assert model.centerlines is not None
    assert {branch.vessel_class for branch in model.centerlines.branches} == {"artery", "vein"}
    ct = case.ct()
    assert ct is not None
    index = np.linalg.inv(ct.lps_from_index) @ np.append(model.centerlines.branches[0].points_mm[20], 1.0)
    i, j, k = np.rint(index[:3]).astype(int)
    assert ct.voxels_hu[i, j, k] > 200, "the carotid is bright on the CTA"


def test_headers_state_the_true_view(small_case):
    for run in ("run1", "run2"):
        geometry = open_run(small_case / "xa" / f"{run}.dcm").frame(0).geometry
        assert geometry is not None
        view = _truth(small_case, run)["views"][0]
        camera = camera_from_projection_matrix(np.array(view["projection_px_from_lps_mm"]), geometry.intrinsics_px())
        np.testing.assert_allclose(camera.matrix, view["camera_from_lps_mm"], atol=1e-6)
        expected = geometry.camera_from_isocentre().matrix @ np.array(view["isocentre_from_lps_mm"])
        np.testing.assert_allclose(camera.matrix, expected, atol=1e-3)
        assert view["sop_instance_uid"] == pydicom.dcmread(small_case / "xa" / f"{run}.dcm").SOPInstanceUID


def test_masks_and_poses_have_one_entry_a_frame(small_case):
    for run in ("run1", "run2"):
        pixels = pydicom.dcmread(small_case / "xa" / f"{run}.dcm").pixel_array
        assert _labels(small_case, run).shape == pixels.shape
        assert [view["frame"] for view in _truth(small_case, run)["views"]] == list(range(len(pixels)))


@pytest.mark.parametrize("kind", ["evt", "tavi", "coronary"])
class TestBundledCase:
    def test_projected_centerlines_lie_in_the_masks(self, kind):
        case = load_case(kind)
        tree = case.vessel_model().centerlines
        assert tree is not None
        vessels = {"evt": ("ICA-left", "ICA-right"), "tavi": ("aorta",), "coronary": ("LAD", "RCA")}[kind]
        for recording in case.recordings:
            labels = _labels(case.folder, recording.path.stem)
            views = _truth(case.folder, recording.path.stem)["views"]
            quiet = [view["frame"] for view in views if view["end_diastolic"] or kind != "coronary"]
            frame = max(quiet, key=lambda number: int(np.isin(labels[number], (1, 3)).sum()))
            shares = []
            for name in vessels:
                points = np.concatenate([branch.points_mm for branch in tree.branches if branch.name == name])
                seen = np.rint(_project(views[frame], points)).astype(int)
                inside = ((seen > 12) & (seen < 500)).all(axis=1)
                shares.append((labels[frame][seen[inside, 1], seen[inside, 0]] > 0).mean() if inside.any() else 0.0)
            assert max(shares) > 0.9, f"{recording.relative}: {dict(zip(vessels, shares, strict=True))}"

    def test_every_masked_vessel_is_near_a_projected_centerline(self, kind):
        case = load_case(kind)
        tree = case.vessel_model().centerlines
        assert tree is not None
        stem = case.recordings[0].path.stem
        view = next(
            view for view in reversed(_truth(case.folder, stem)["views"]) if view["contrast"] and view["end_diastolic"]
        )
        label = _labels(case.folder, stem)[view["frame"]]
        vessel = np.argwhere((label == 1) | (label == 2))[::17, ::-1]
        points = _project(view, tree.points_mm())
        gap = np.sqrt(((vessel[:, None] - points[None]) ** 2).sum(axis=2)).min(axis=1)
        assert np.percentile(gap, 99) < 16.0
        assert np.median(gap) < 4.0

    def test_first_frames_are_without_contrast_and_later_ones_dark_where_masked(self, kind):
        case = load_case(kind)
        stem = case.recordings[0].path.stem
        labels, truth = _labels(case.folder, stem), _truth(case.folder, stem)
        pixels = pydicom.dcmread(case.recordings[0].path).pixel_array.astype(float)
        for number in (0, *truth["mask_frames"]):
            assert not np.isin(labels[number], (1, 2, 3)).any()
        wide = [((labels[number] == 1) | (labels[number] == 3)).sum() for number in range(len(labels))]
        frame = int(np.argmax(wide))
        vessel = np.isin(labels[frame], (1, 3))
        change = pixels[frame] - pixels[0]
        rest = (labels[frame] == 0) & (pixels[0] > 30)
        assert change[vessel].mean() < change[rest].mean() - 8.0

    def test_anatomy_comes_from_the_bundled_seed(self, kind, monkeypatch):
        from engines.simulation import bundle
        from engines.simulation.anatomies import aorta, coronaries, head
        from engines.simulation.anatomies.model_tree import model_tree

        # Tissue takes seconds to paint and does not affect the vessels.
        nothing = np.zeros((2, 2, 2), np.float32)
        monkeypatch.setattr(head, "_paint", lambda *_: nothing)
        for module in (aorta, coronaries):
            monkeypatch.setattr(module, "paint_chest", lambda *_, **__: nothing)
            monkeypatch.setattr(module, "chest_layers", lambda *_: ())
        monkeypatch.setattr(aorta, "_enhance_left_heart", lambda *_: None)
        monkeypatch.setattr(aorta, "_calcify", lambda *_: None)
        monkeypatch.setattr(coronaries, "_enhance_chambers", lambda *_: None)
        patient, _ = case_module.draw_case(kind, bundle.SEEDS[kind])
        stored = load_case(kind).vessel_model().centerlines
        assert stored is not None
        np.testing.assert_allclose(model_tree(patient.tree).points_mm(), stored.points_mm(), atol=1e-3)
        other, _ = case_module.draw_case(kind, bundle.SEEDS[kind] + 1)
        assert len(other.tree.branches) != len(patient.tree.branches) or not np.allclose(
            other.tree.branches[0].points_mm[:5], patient.tree.branches[0].points_mm[:5], atol=1.0
        )


def test_coronary_points_of_every_frame_agree_with_the_pose_at_end_diastole():
    case = load_case("coronary")
    tree = case.vessel_model().centerlines
    assert tree is not None
    for recording in case.recordings:
        truth = _truth(case.folder, recording.path.stem)
        with np.load(case.folder / "truth" / f"{recording.path.stem}_points.npz") as archive:
            seen = archive["points_centi_px"] / 100.0
        assert truth["end_diastolic_frames"]
        still = [
            np.abs(seen[n] - _project(truth["views"][n], tree.points_mm())).max() for n in truth["end_diastolic_frames"]
        ]
        assert max(still) < 0.05
        systole = max(truth["views"], key=lambda view: view["contraction"])
        assert np.abs(seen[systole["frame"]] - _project(systole, tree.points_mm())).max() > 2.0


def test_evt_run_says_how_to_subtract_itself():
    for recording in load_case("evt").recordings:
        dataset = pydicom.dcmread(recording.path, stop_before_pixels=True)
        mask = _truth(recording.path.parents[1], recording.path.stem)["mask_frames"]
        assert list(dataset.MaskSubtractionSequence[0].MaskFrameNumbers) == [number + 1 for number in mask]


def test_isocentre_is_not_the_centre_of_the_ct():
    for kind in ("evt", "tavi", "coronary"):
        case = load_case(kind)
        pose = np.array(_truth(case.folder, "run1")["isocentre_from_lps"])
        assert np.linalg.norm(pose[:3, 3]) > 10.0
        assert np.linalg.norm(pose[:3, :3] - np.eye(3)) > 0.01


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("heart", 1), "evt, tavi, coronary"),
        (("evt", -1), "seed -1"),
    ],
)
def test_bad_arguments_say_what_to_do(tmp_path, arguments, word):
    with pytest.raises(InputError, match=word) as error:
        simulate_case(*arguments, tmp_path / "case")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_folder_in_use_is_never_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        simulate_case("evt", 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def full_disk(folder, *_):
        (folder / "cta.nii.gz").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(case_module, "_fill", full_disk)
    with pytest.raises(InputError, match="No space left"):
        simulate_case("evt", 1, tmp_path / "case")
    assert list(tmp_path.iterdir()) == []


def test_command_makes_numbered_folders_and_prints_json(tmp_path, monkeypatch):
    from guidance_app.cli.main import build_app

    def quick(_kind, _seed, out, **_options):
        Path(out).mkdir(parents=True)
        return Path(out)

    monkeypatch.setattr(case_module, "simulate_case", quick)
    result = CliRunner().invoke(
        build_app(), ["simulate", "tavi", "--seed", "5", "--count", "2", "--out", str(tmp_path / "o"), "--json"]
    )
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)["cases"]
    assert [Path(case["folder"]).name for case in made] == ["tavi-5", "tavi-6"]
    failed = CliRunner().invoke(
        build_app(), ["simulate", "tavi", "--seed", "5", "--count", "0", "--out", str(tmp_path)]
    )
    assert isinstance(failed.exception, InputError)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["evt", "tavi", "coronary"])
def test_same_seed_gives_the_same_bytes(tmp_path, kind):
    first, second = (simulate_case(kind, 11, tmp_path / name, frames=4) for name in ("a", "b"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), str(file)
