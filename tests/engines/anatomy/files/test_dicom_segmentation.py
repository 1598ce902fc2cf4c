from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from calibration.errors import InputError
from engines.anatomy.files.labels import load_labels

SHAPE = (4, 8)  # rows, columns
ORIGIN_MM, SPACING_MM, STEP_MM = (-20.0, 30.0, 100.0), (0.8, 0.5), 2.0  # between rows, between columns


def _item(**values: object) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _segmentation(
    path: Path, frames: list[tuple[int, int, np.ndarray]], names: list[str], kind: str = "BINARY", **tags: object
) -> Path:
    """Frames as (segment from 1, slice, picture)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.Modality, ds.SegmentationType = "SEG", kind
    ds.Rows, ds.Columns = SHAPE
    ds.NumberOfFrames = len(frames)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.SegmentSequence = [_item(SegmentNumber=n, SegmentLabel=name) for n, name in enumerate(names, 1)]
    ds.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[
                _item(PixelSpacing=list(SPACING_MM), SliceThickness=STEP_MM, SpacingBetweenSlices=STEP_MM)
            ],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [
        _item(
            SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=segment)],
            PlanePositionSequence=[_item(ImagePositionPatient=[*ORIGIN_MM[:2], ORIGIN_MM[2] + STEP_MM * place])],
        )
        for segment, place, _ in frames
    ]
    pictures = np.stack([picture for _, _, picture in frames]).astype(np.uint8)
    ds.PixelData = pack_bits(pictures) if bits == 1 else pictures.tobytes()
    for name, value in tags.items():
        setattr(ds, name, value)
    ds.save_as(path, enforce_file_format=True)
    return path


def _picture(row: int, column: int, value: int = 1) -> np.ndarray:
    picture = np.zeros(SHAPE, np.uint8)
    picture[row, column] = value
    return picture


def test_segments_lie_where_their_frames_say_and_left_out_frames_are_empty(tmp_path: Path) -> None:
    frames = [(1, 4, _picture(1, 2)), (2, 0, _picture(3, 5)), (1, 0, _picture(0, 0))]
    labels = load_labels(_segmentation(tmp_path / "s.dcm", frames, ["artery", "sagittal sinus"]))
    assert labels.names == {1: "artery", 2: "sagittal sinus"}
    assert labels.labels.shape == (8, 4, 5)
    assert np.argwhere(labels.labels == 2).tolist() == [[5, 3, 0]]
    assert np.argwhere(labels.labels == 1).tolist() == [[0, 0, 0], [2, 1, 4]]
    np.testing.assert_allclose((labels.lps_from_index @ (2, 1, 4, 1))[:3], (-19.0, 30.8, 108.0))


def test_a_folder_with_one_segmentation_is_that_segmentation(tmp_path: Path) -> None:
    frames = [(1, 0, _picture(1, 2)), (1, 1, _picture(1, 2))]
    _segmentation(tmp_path / "s.dcm", frames, ["artery"])
    assert load_labels(tmp_path).names == {1: "artery"}
    _segmentation(tmp_path / "t.dcm", frames, ["artery"])
    with pytest.raises(InputError, match="holds 2 DICOM segmentations; choose one"):
        load_labels(tmp_path)


def test_a_fraction_of_a_half_and_more_is_inside(tmp_path: Path) -> None:
    frames = [(1, 0, _picture(1, 2, 200)), (1, 1, _picture(1, 2, 100))]
    path = _segmentation(tmp_path / "s.dcm", frames, ["aorta"], "FRACTIONAL", MaximumFractionalValue=255)
    assert np.argwhere(load_labels(path).labels == 1).tolist() == [[2, 1, 0]]


def test_a_label_map_has_its_segments_in_its_values(tmp_path: Path) -> None:
    frames = [(1, 0, _picture(1, 2, 2)), (1, 1, _picture(1, 2, 1))]
    path = _segmentation(tmp_path / "s.dcm", frames, ["aorta", "LAD"], "LABELMAP")
    labels = load_labels(path)
    assert labels.labels[2, 1].tolist() == [2, 1]


def test_numbered_segments_are_named_by_their_code(tmp_path: Path) -> None:
    path = _segmentation(
        tmp_path / "s.dcm",
        [(1, 0, _picture(1, 2)), (1, 1, _picture(1, 2))],
        ["Segment 1"],
        SegmentSequence=[
            _item(
                SegmentNumber=1,
                SegmentLabel="Segment 1",
                SegmentedPropertyTypeCodeSequence=[_item(CodeValue="1", CodeMeaning="Aorta")],
            )
        ],
    )
    assert load_labels(path).names == {1: "Aorta"}


def test_an_unusable_segmentation_is_one_clear_line(tmp_path: Path) -> None:
    frames = [(1, 0, _picture(1, 2)), (2, 1, _picture(1, 2))]
    with pytest.raises(InputError, match="two masks are named 'a'"):
        load_labels(_segmentation(tmp_path / "s.dcm", frames, ["a", "a"]))
    with pytest.raises(InputError, match="cannot be read"):
        load_labels(_segmentation(tmp_path / "s.dcm", frames, ["a", "b"], SegmentSequence=[]))
    with pytest.raises(InputError, match="5000 frames stated, 2 described"):
        load_labels(_segmentation(tmp_path / "s.dcm", frames, ["a", "b"], NumberOfFrames=5000))
    with pytest.raises(InputError, match="all 2 masks are empty"):
        load_labels(_segmentation(tmp_path / "s.dcm", [(1, 0, _picture(0, 0, 0))] * 2, ["a", "b"]))
    with pytest.raises(InputError, match="no PlaneOrientationSequence"):
        load_labels(_segmentation(tmp_path / "s.dcm", frames, ["a", "b"], SharedFunctionalGroupsSequence=[
            _item(PixelMeasuresSequence=[_item(PixelSpacing=[1, 1], SliceThickness=1)])]))  # fmt: skip
