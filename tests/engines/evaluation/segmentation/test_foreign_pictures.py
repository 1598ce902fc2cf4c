"""Runs of another generator: the truth is the projected lumen, each frame is looked at with and without the memory."""

import json

import nibabel as nib
import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.registration.foreign import foreign_runs
from engines.evaluation.segmentation.foreign_pictures import (
    LOOKS,
    Lumen,
    evaluate_foreign,
    lumens_of,
    silhouette,
)
from engines.segmentation.run_memory import load_network_pair
from tests.engines.angiography.bolus_runs import AMOUNTS, SHAPE, bolus, bolus_file

_SPACING_MM = 2.0


def _save(path, mask) -> None:
    affine = np.diag([-_SPACING_MM, -_SPACING_MM, _SPACING_MM, 1.0])
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), path)  # pyright: ignore[reportPrivateImportUsage]


@pytest.fixture
def folder(tmp_path):
    masks = tmp_path / "tavi0" / "masks"
    masks.mkdir(parents=True)
    aorta = np.zeros((20, 20, 20), bool)
    aorta[5:12, 5:12, 5:12] = True
    unfilled = np.zeros_like(aorta)
    unfilled[5:12, 5:8, 5:12] = True
    branch = np.zeros_like(aorta)
    branch[15, 15, 15] = True
    for name, mask in (("aorta", aorta), ("aorta_false_lumen", unfilled), ("carotid", branch)):
        _save(masks / f"{name}.nii.gz", mask)
    run = tmp_path / "tavi0_ap"
    run.mkdir()
    bolus_file(run / "xa.dcm", bolus())
    frames = [{"projection_px_from_lps_mm": _PROJECTION.tolist()} for _ in AMOUNTS]
    told = {"patient": "tavi0", "frame_argument": 5, "scored_frame": 5, "frames": frames}
    (run / "truth.json").write_text(json.dumps(told))
    return tmp_path


# Parallel rays along z, two pixels a millimetre.
_PROJECTION = np.array([[2.0, 0, 0, 10], [0, 2.0, 0, 20], [0, 0, 0, 1]])


def test_the_lumen_holds_branches_and_leaves_out_what_is_not_filled(folder):
    lumens = lumens_of(folder / "tavi0" / "masks")
    assert set(lumens) == {"aorta"}
    points = lumens["aorta"].points_mm
    assert len(points) == 8 * (7 * 4 * 7 + 1)
    assert lumens["aorta"].step_mm == pytest.approx(1.0)
    inside = points[points[:, 2] < 26]
    assert inside[:, 1].min() == pytest.approx(2.0 * (8 - 0.25))


def test_a_silhouette_is_closed_and_lies_where_its_points_project_to():
    grid = np.stack(np.meshgrid(*[np.arange(10.0)] * 3), axis=-1).reshape(-1, 3)
    mask = silhouette(Lumen(points_mm=grid, step_mm=1.0), _PROJECTION, SHAPE)
    assert mask[20:39, 10:29].all()
    assert mask.sum() == 19 * 19


def test_every_frame_is_looked_at_twice_and_totals_say_what_is_not_empty(folder):
    network = load_network_pair("aortic-upper", "onnx")
    runs = foreign_runs(folder)
    found = evaluate_foreign(folder, runs, {"tavi0": network}, every=4, progress=lambda _line: None)
    total = found["total"]["aortic-upper"]
    frames = {entry["frame"]: entry for entry in found["cases"]}
    assert {0, 4, 5, 8, 9} <= set(frames)
    assert frames[0]["before_contrast"]
    assert frames[5]["full"]
    assert set(frames[5]["scores"]["aorta"]) == set(LOOKS)
    assert frames[0]["found_share"][LOOKS[1]] == 0.0
    assert total["not_empty"][LOOKS[1]] == 0
    assert total["full_frames"] == sum(entry["full"] for entry in found["cases"])


def test_a_truth_of_another_length_is_refused(folder):
    path = folder / "tavi0_ap" / "truth.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"frames": told["frames"][:3]}))
    with pytest.raises(InputError, match="tells of 3 frames, the run has 10"):
        evaluate_foreign(
            folder, foreign_runs(folder), {"tavi0": load_network_pair("aortic-upper", "onnx")}, every=3,
            progress=lambda _line: None,
        )  # fmt: skip
