"""Pullbacks from folders and DICOM files, and one clear line for those that cannot be used."""

import json

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from calibration.errors import InputError
from engines.ivus.files.open_pullback import open_pullback


def pictures(count=6, rows=40, columns=50):
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (columns, rows, count)).astype(np.uint8)


def write_folder(folder, *, voxels=None, affine=None, **changes):
    folder.mkdir(exist_ok=True)
    voxels = pictures() if voxels is None else voxels
    nib.save(nib.Nifti1Image(voxels, np.diag([0.001, 7.0, 0.5, 1.0]) if affine is None else affine),
             folder / "pullback.nii.gz")  # fmt: skip
    about = {"pixel_mm": 0.03, "frame_positions_mm": [0.5 * k for k in range(6)], "centre_px": [25, 20], "gated": True}
    about |= changes
    about = {key: value for key, value in about.items() if value is not None}
    (folder / "pullback.json").write_text(json.dumps(about))
    return folder


def test_a_folder_is_read_in_stored_order_whatever_its_affine(tmp_path):
    voxels = pictures()
    pullback = open_pullback(write_folder(tmp_path / "p", voxels=voxels))
    assert pullback.frames.shape == (6, 40, 50)
    np.testing.assert_array_equal(pullback.frames[3], voxels[:, :, 3].T)
    assert pullback.centre_px == (25.0, 20.0)
    assert pullback.gated


def test_colour_and_four_dimensions_are_read(tmp_path):
    grey = pictures()
    rgb = np.zeros(grey.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for name in ("R", "G", "B"):
        rgb[name] = grey
    np.testing.assert_allclose(open_pullback(write_folder(tmp_path / "c", voxels=rgb)).frames[2], grey[:, :, 2].T)
    four = open_pullback(write_folder(tmp_path / "f", voxels=grey[:, :, None, :], affine=np.eye(4)))
    np.testing.assert_array_equal(four.frames[2], grey[:, :, 2].T)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frame_positions_mm": [0, 1, 2, 2, 3, 4]}, "must increase"),
        ({"frame_positions_mm": [5, 4, 3, 2, 1, 0]}, "must increase"),
        ({"frame_positions_mm": [-1, 0, 1, 2, 3, 4]}, "negative"),
        ({"frame_positions_mm": [0, 1, 2]}, "3 frame positions for 6 frames"),
        ({"frame_positions_mm": [0.001 * k for k in range(6)]}, "metres"),
        ({"frame_positions_mm": [500.0 * k for k in range(6)]}, "micrometres"),
        ({"frame_positions_mm": None}, "frame_positions_mm"),
        ({"pixel_mm": None}, "pixel_mm"),
        ({"pixel_mm": 30.0}, "pixel size"),
        ({"centre_px": [500, 20]}, "outside"),
        ({"voxels": np.zeros((50, 40, 6), np.uint8)}, "no picture"),
        ({"voxels": np.repeat(pictures()[:, :, :1], 6, axis=2)}, "same picture"),
        ({"voxels": pictures()[:, :, :1], "frame_positions_mm": [0.0]}, "1 frame"),
        ({"voxels": np.full((50, 40, 6), np.nan, np.float32)}, "NaN"),
    ],
)
def test_what_cannot_be_a_pullback_is_one_clear_line(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        open_pullback(write_folder(tmp_path / "p", **changes))


def test_a_missing_file_is_named(tmp_path):
    folder = write_folder(tmp_path / "p")
    (folder / "pullback.json").unlink()
    with pytest.raises(InputError, match=r"pullback\.json"):
        open_pullback(folder)


def write_dicom(path, **changes):
    frames = pictures().transpose(2, 1, 0)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.NumberOfFrames, data.Rows, data.Columns = "US", len(frames), 40, 50
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.FrameTime, data.IVUSPullbackRate = 1000.0, 0.5
    region = Dataset()
    region.RegionSpatialFormat, region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 1, 3, 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.003
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 49, 39
    data.SequenceOfUltrasoundRegions = Sequence([region])
    for name, value in changes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.PixelData = np.ascontiguousarray(frames).tobytes()
    data.save_as(path, enforce_file_format=True)
    return frames


def test_a_dicom_file_gives_pixel_size_and_positions(tmp_path):
    frames = write_dicom(tmp_path / "ivus.dcm")
    pullback = open_pullback(tmp_path / "ivus.dcm")
    np.testing.assert_array_equal(pullback.frames, frames)
    assert pullback.pixel_mm == pytest.approx(0.03)
    np.testing.assert_allclose(pullback.z_mm, 0.5 * np.arange(6))
    assert pullback.centre_px == (24.5, 19.5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"IVUSPullbackRate": None}, "Pullback Rate"),
        ({"FrameTime": None}, "Frame Time"),
        ({"SequenceOfUltrasoundRegions": None}, "pixel size"),
        ({"Modality": "CT"}, "expected US"),
    ],
)
def test_a_dicom_file_without_what_is_needed_is_one_clear_line(tmp_path, changes, words):
    write_dicom(tmp_path / "ivus.dcm", **changes)
    with pytest.raises(InputError, match=words):
        open_pullback(tmp_path / "ivus.dcm")
