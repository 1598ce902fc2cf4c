import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from calibration.errors import InputError
from engines.cmr.reading.perfusion import load_perfusion
from tests.engines.cmr.first_passes import BEAT_MS, FRAMES, PEAK, affine, pictures, write_folder


def test_a_folder_gives_slices_with_places_times_and_masks(tmp_path: Path) -> None:
    series = load_perfusion(write_folder(tmp_path / "p"))
    assert len(series.stress) == 3
    part = series.stress[1]
    assert part.frames.shape[2] == FRAMES
    assert part.thickness_mm == pytest.approx(8.0)
    np.testing.assert_allclose(part.lps_from_index[:3, 3], (-56.0, -56.0, 14.0))
    assert part.mask_frame == PEAK
    assert set(part.masks) == {"lv_wall", "lv_pool", "rv_pool"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"times_ms": [0.0] * FRAMES}, "increasing times"),
        ({"times_ms": [0.0, 700.0]}, "2 times for 40 frames"),
        ({"times_ms": None}, "no times_ms"),
        ({"file": "absent.nii.gz"}, "no such file"),
        ({"mask_frame": 99}, "mask_frame 99"),
        ({"masks": {"lungs": "a.nii.gz"}}, "expected some of lv_wall"),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_perfusion(write_folder(tmp_path / "p", **change))


def test_one_time_point_nan_and_three_dimensions_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "p", with_masks=False)
    for values, words in (
        (pictures()[:, :, None, :1], "1 time point"),
        (np.full((56, 56, 1, FRAMES), np.nan, dtype=np.float32), "NaN"),
        (pictures(), "expected \\(columns, rows, 1, time\\)"),
    ):
        nib.save(nib.Nifti1Image(values, affine(0.0)), folder / "stress_0.nii.gz")
        with pytest.raises(InputError, match=words):
            load_perfusion(folder)


def test_an_empty_mask_and_one_of_another_place_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "p")
    empty = np.zeros((56, 56, 1), dtype=np.uint8)
    nib.save(nib.Nifti1Image(empty, affine(0.0)), folder / "lv_wall_0.nii.gz")
    with pytest.raises(InputError, match="empty"):
        load_perfusion(folder)
    nib.save(nib.Nifti1Image(empty + 1, affine(30.0)), folder / "lv_wall_0.nii.gz")
    with pytest.raises(InputError, match=r"30.0 mm from its slice"):
        load_perfusion(folder)


def test_a_long_axis_slice_among_short_ones_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "p", with_masks=False)
    turned = affine(10.0)[[0, 2, 1, 3]]
    nib.save(nib.Nifti1Image(pictures()[:, :, None, :], turned), folder / "stress_2.nii.gz")
    with pytest.raises(InputError, match="leave long-axis slices out"):
        load_perfusion(folder)


def test_no_json_and_an_absent_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_perfusion(tmp_path / "absent")
    (tmp_path / "perfusion.json").write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        load_perfusion(tmp_path)
    (tmp_path / "perfusion.json").write_text(json.dumps({"stress": []}))
    with pytest.raises(InputError, match="no slices"):
        load_perfusion(tmp_path)


def _write_dicom(folder: Path, description: str, *, timed: bool = True, count: int = 6) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid()
    random = np.random.default_rng(1)
    for level in range(2):
        for t in range(count):
            meta = FileMetaDataset()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID = MRImageStorage
            meta.MediaStorageSOPInstanceUID = generate_uid()
            data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
            data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
            data.Modality, data.SeriesInstanceUID, data.SeriesNumber = "MR", series, 7
            data.SeriesDescription, data.InstanceNumber = description, level * count + t + 1
            data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 10.0 * level]
            data.PixelSpacing, data.SliceThickness = [2.0, 1.5], 8.0
            if timed:
                data.AcquisitionTime = f"1200{2 * t:02d}.{100000 * level:06d}"
            data.Rows, data.Columns, data.SamplesPerPixel = 20, 24, 1
            data.BitsAllocated = data.BitsStored = 16
            data.HighBit, data.PixelRepresentation, data.PhotometricInterpretation = 15, 0, "MONOCHROME2"
            pixels = random.integers(0, 900, (20, 24)).astype(np.uint16)
            pixels[3, 5] = 1000 + t
            data.PixelData = pixels.tobytes()
            # Written in another order than taken: names must not decide.
            pydicom.dcmwrite(folder / f"{(t * 7 + level * 3) % 97:03d}_{level}.dcm", data, enforce_file_format=True)


def test_a_dicom_series_is_sorted_by_slice_and_acquisition_time(tmp_path: Path) -> None:
    _write_dicom(tmp_path / "s", "perf STRESS adenosine")
    _write_dicom(tmp_path / "r", "perf REST")
    series = load_perfusion(tmp_path)
    assert (len(series.stress), len(series.rest), series.flags) == (2, 2, ())
    part = series.stress[0]
    np.testing.assert_allclose(part.times_ms, 2000.0 * np.arange(6))
    np.testing.assert_allclose(part.frames[5, 3], 1000 + np.arange(6))
    np.testing.assert_allclose(part.pixel_mm, (1.5, 2.0))


def test_a_series_without_a_telling_description_is_stress_with_a_flag(tmp_path: Path) -> None:
    _write_dicom(tmp_path / "s", "dynamic")
    series = load_perfusion(tmp_path)
    assert series.flags == ("STRESS_REST_DOUBTFUL",)
    assert len(load_perfusion(tmp_path, stress_series="7").stress) == 2
    with pytest.raises(InputError, match="no series fits --stress-series 9"):
        load_perfusion(tmp_path, stress_series="9")


def test_pictures_without_times_are_refused(tmp_path: Path) -> None:
    _write_dicom(tmp_path / "s", "stress", timed=False)
    with pytest.raises(InputError, match="acquisition times are missing or equal"):
        load_perfusion(tmp_path)


def test_beats_are_kept_as_irregular_as_they_are(tmp_path: Path) -> None:
    times = BEAT_MS * np.arange(FRAMES) + np.where(np.arange(FRAMES) > 20, 300.0, 0.0)
    series = load_perfusion(write_folder(tmp_path / "p", times_ms=times.tolist()))
    np.testing.assert_allclose(series.stress[0].times_ms, times)
