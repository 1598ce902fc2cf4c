"""Folders as hospitals give them: everything that can be used is found, and what cannot says why in one line."""

from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.anatomy.files.ct import load_ct, save_ct
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.nifti import write_nifti
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.intake.found import SURVEY_FILE, FoundScan, Survey
from engines.anatomy.intake.proposal import against, guessed_kind, proposed
from engines.anatomy.intake.survey import survey
from engines.anatomy.vessel_model import CtVolume
from tests.engines.anatomy.ct_files import STEP_MM, write_series
from tests.engines.anatomy.shapes import distance_mm, grid, tube_labels, tube_surface

ENOUGH = 30  # slices of a made-up series


def look(*places: Path, out: Path) -> Survey:
    out.mkdir()
    return survey(places, out, lambda _words, _share: None)


def only(scans: tuple[FoundScan, ...]) -> FoundScan:
    assert len(scans) == 1
    return scans[0]


def head_with_blood(folder: Path, blood_hu: float) -> Path:
    """Tissue with a tube of blood in it, and some bone."""
    shape, affine = (60, 60, 60), grid((60, 60, 60), (1.0, 1.0, 1.0))
    noise = np.random.default_rng(3).normal(0.0, 12.0, shape)
    hu = 40.0 + noise
    hu[distance_mm(shape, affine, [((0, 0, -28), (0, 0, 28))]) < 5.0] = blood_hu
    hu[:3] = 1200.0
    path = folder / f"blood-{blood_hu:.0f}.nii.gz"
    save_ct(path, CtVolume(voxels_hu=(hu + noise).astype(np.int16), lps_from_index=affine))
    return path


def test_a_mixed_folder_gives_its_scan_its_masks_and_its_runs(tmp_path: Path) -> None:
    case = load_case("coronary")
    disk = tmp_path / "disk"
    (disk / "masks").mkdir(parents=True)
    (disk / "cta.nii.gz").symlink_to(case.files["cta"].path)
    (disk / "IM0001").symlink_to(case.recordings[0].path)
    labels = tube_labels([((0, 0, -18), (0, 0, 18))], 3.0)
    for name in ("left_coronary_artery", "aorta", "thing"):
        save_labels(disk / "masks" / f"{name}.nii.gz", labels)
    save_surface(disk / "tree.stl", tube_surface(3.0, 40.0))
    (disk / "readme.txt").write_text("read me")
    (disk / "empty.dcm").write_bytes(b"")
    found = look(disk, out=tmp_path / "out")
    scan = only(found.scans)
    assert (scan.path, scan.why_not, scan.contrast) == (disk / "cta.nii.gz", "", True)
    assert scan.spacing_mm == pytest.approx(load_ct(scan.path).spacing_mm)
    assert {model.role: model.path.name for model in found.models} == {"vessels": "masks", "surface": "tree.stl"}
    masks = next(model for model in found.models if model.role == "vessels")
    assert masks.structures == ("aorta", "left_coronary_artery", "thing")
    assert masks.unclear == ("thing",)
    assert "thing" in masks.doubt
    run = found.runs[0]
    assert (run.frames, run.rises, run.why_not) == (45, True, "")
    assert run.lao_deg is not None
    assert run.curve[run.fullest][1] > 0.8
    assert {entry.words: entry.files for entry in found.passed_over} == {
        "empty files": 1, "no pictures, models or runs": 1,
    }  # fmt: skip
    pictures = [scan.picture, run.picture]
    assert all((tmp_path / "out" / name).stat().st_size > 1000 for name in pictures)
    assert Survey.model_validate_json((tmp_path / "out" / SURVEY_FILE).read_text()) == found
    assert guessed_kind(found) == "coronary"
    best = proposed(found, "coronary")
    assert (best.scan, [model.path.name for model in best.models], best.run) == (scan, ["masks"], run)


def test_every_series_of_a_disk_is_listed_and_the_finest_with_all_its_slices_is_proposed(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    thin = write_series(disk / "a", ENOUGH, SeriesDescription="CTA head 1.0", BodyPartExamined="HEAD")
    write_series(disk / "b", 3, SeriesDescription="Test bolus")
    gap = write_series(disk / "c", ENOUGH, SeriesDescription="copied badly")
    for lost in gap[10:13]:
        lost.unlink()
    write_series(disk / "d", ENOUGH, step_mm=(0, 0, 5.0), SeriesDescription="thick")
    write_series(disk / "e", ENOUGH, SeriesDescription="MIP thin", ImageType=["DERIVED", "SECONDARY", "MIP"])
    found = look(disk, out=tmp_path / "out")
    why = {scan.words.partition(": ")[2]: scan.why_not for scan in found.scans}
    assert why["CTA head 1.0"] == ""
    assert why["Test bolus"] == "3 slices are too few, at least 20"
    assert why["copied badly"].startswith("3 slices are missing between")
    assert why["MIP thin"].startswith("is made from another scan (MIP)")
    thick = next(scan for scan in found.scans if scan.words.endswith("thick"))
    assert thick.why_not == ""
    assert "too coarse" in against(thick, "evt", extracted=True)
    assert against(thick, "evt", extracted=False) == ""
    assert guessed_kind(found) == "evt"
    best = proposed(found, "evt").scan
    assert best is not None
    assert best.words.endswith("CTA head 1.0")
    assert best.spacing_mm == pytest.approx((0.5, 0.8, STEP_MM))
    # The file stands for its series: the reader takes that one, of all that lie on the disk.
    assert load_ct(best.path).voxels_hu.shape[2] == ENOUGH
    assert best.path in thin


def test_two_phases_are_two_scans_and_each_is_read_by_itself(tmp_path: Path) -> None:
    folder, uid = tmp_path / "heart", "1.2.3.99"
    for percent in (40, 75):
        write_series(
            folder, ENOUGH, prefix=f"p{percent}-", series_uid=uid, NominalPercentageOfCardiacPhase=percent,
            PixelData=np.full((6, 8), percent, np.int16).tobytes(),
        )  # fmt: skip
    found = look(folder, out=tmp_path / "out")
    assert [(scan.percent, scan.phase, scan.slices) for scan in found.scans] == [(40.0, 1, ENOUGH), (75.0, 2, ENOUGH)]
    for scan in found.scans:
        assert np.unique(load_ct(scan.path, phase=scan.phase).voxels_hu).tolist() == [scan.percent - 1000]
    late = proposed(found, "coronary").scan
    assert late is not None
    assert late.percent == 75.0


def test_a_series_that_lies_in_several_folders_is_one_scan(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "disk" / "SE1", ENOUGH)
    (tmp_path / "disk" / "SE2").mkdir()
    for path in paths[::2]:
        path.rename(tmp_path / "disk" / "SE2" / path.name)
    scan = only(look(tmp_path / "disk", out=tmp_path / "out").scans)
    assert (scan.slices, scan.within) == (ENOUGH, tmp_path / "disk")
    assert load_ct(scan.path, within=scan.within).voxels_hu.shape[2] == ENOUGH


def test_damaged_slices_are_counted_and_another_patient_is_told_apart(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "disk" / "a", ENOUGH)
    write_series(tmp_path / "disk" / "a", 1, prefix="z", series_uid=_uid_of(paths[0]), PixelSpacing=None)
    write_series(tmp_path / "disk" / "b", ENOUGH, PatientID="OTHER-1")
    found = look(tmp_path / "disk", out=tmp_path / "out")
    assert [scan.patient for scan in found.scans] == ["A", "B"]
    assert "1 of its files cannot be read" in found.scans[0].doubt
    assert "SECRET" not in found.model_dump_json()
    assert "Doe" not in found.model_dump_json()


def test_contrast_is_seen_in_blood_and_its_absence_is_said(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    bright, dull = head_with_blood(disk, 380.0), head_with_blood(disk, 45.0)
    found = look(disk, out=tmp_path / "out")
    by_path = {scan.path: scan for scan in found.scans}
    assert (by_path[bright].contrast, by_path[bright].doubt) == (True, "")
    assert (by_path[dull].contrast, by_path[dull].doubt) == (False, "no contrast is seen in blood")
    best = proposed(found, "coronary").scan
    assert best is not None
    assert best.path == bright


def test_other_modalities_and_unreadable_volumes_are_listed_with_the_reason(tmp_path: Path) -> None:
    write_series(tmp_path / "disk", 2, SOPClassUID="1.2.840.10008.5.1.4.1.1.4", Modality="MR", SeriesDescription="T1")
    (tmp_path / "disk" / "broken.nii.gz").write_bytes(b"not gzip at all")
    found = look(tmp_path / "disk", out=tmp_path / "out")
    why = {scan.modality + scan.path.suffix: scan.why_not for scan in found.scans}
    assert why["MR.dcm"] == "is MR; vessels are taken from a CT with contrast"
    assert why["CT.gz"].startswith("cannot be read as NIfTI")
    assert proposed(found, "evt").scan is None


def test_masks_beside_a_scan_are_single_label_volumes(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    head_with_blood(disk, 300.0)
    save_labels(disk / "artery.nii.gz", tube_labels([((0, 0, -18), (0, 0, 18))], 3.0))
    save_labels(disk / "vein.nii.gz", tube_labels([((9, 0, -18), (9, 0, 18))], 3.0))
    found = look(disk, out=tmp_path / "out")
    assert sorted(model.path.name for model in found.models) == ["artery.nii.gz", "vein.nii.gz"]


@pytest.mark.parametrize("what", ["empty folder", "text alone"])
def test_nothing_usable_gives_an_empty_survey(tmp_path: Path, what: str) -> None:
    (tmp_path / "disk").mkdir()
    if what == "text alone":
        (tmp_path / "disk" / "notes.txt").write_text("x")
    found = look(tmp_path / "disk", out=tmp_path / "out")
    assert (found.scans, found.models, found.runs) == ((), (), ())
    assert (proposed(found, "evt").scan, guessed_kind(found)) == (None, "")


def test_a_place_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there; choose"):
        look(tmp_path / "gone", out=tmp_path / "out")


def test_labels_without_names_say_that_classes_are_guessed(tmp_path: Path) -> None:
    labels = tube_labels([((0, 0, -18), (0, 0, 18))], 3.0)
    write_nifti(tmp_path / "seg.nii.gz", labels.labels * 7, labels.lps_from_index)
    model = look(tmp_path / "seg.nii.gz", out=tmp_path / "out").models[0]
    assert model.doubt == "its labels have no names: classes are guessed from their shapes"


def _uid_of(path: Path) -> str:
    import pydicom

    return str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)
