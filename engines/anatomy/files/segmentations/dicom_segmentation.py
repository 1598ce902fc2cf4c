"""DICOM Segmentation objects (PS3.3 A.51): binary, fractional or label maps, named by their segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Float
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from calibration.dicom_values import DAMAGED
from calibration.errors import InputError
from engines.anatomy.files.nifti import MAX_VOXELS, check_affine
from engines.anatomy.files.segmentations.overlapping_masks import NamedMask, labels_of_masks
from engines.anatomy.vessel_model import LabelVolume
from engines.angiography.files.dicom_encoding import is_dicom, read_header
from engines.angiography.files.dicom_stream import open_dicom, transfer_syntax_of

SEGMENTATION_CLASSES = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}
_MAX_SLICES = 8192
_SAME_PLACE_MM = 0.01
_UNEVEN_SHARE = 0.05  # of the spacing


def is_dicom_segmentation(path: Path) -> bool:
    try:
        if transfer_syntax_of(path) == DeflatedExplicitVRLittleEndian:
            return open_dicom(path).header.get("SOPClassUID") in SEGMENTATION_CLASSES
        header = read_header(path, ["SOPClassUID"])
        return header.get("SOPClassUID") in SEGMENTATION_CLASSES
    except (InputError, *DAMAGED):
        return False


def read_dicom_segmentation(path: Path) -> LabelVolume:
    """One label a segment, on the grid of the frames; frames that the object leaves out are empty.

    Raises:
        InputError: damaged, not on one even grid, empty, larger than the cap, a name given twice.
    """
    try:
        if transfer_syntax_of(path) == DeflatedExplicitVRLittleEndian:  # which pydicom inflates without limit
            raise InputError(f"{path}: the DICOM segmentation is deflated; export it uncompressed")
        dataset = pydicom.dcmread(path, force=is_dicom(path))  # without the preamble, too
        return _labels(dataset, path)
    except (RuntimeError, *DAMAGED) as error:
        cause = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path}: the DICOM segmentation cannot be read ({cause}); export it again") from error


def _labels(dataset: Dataset, path: Path) -> LabelVolume:
    segments = {int(item.SegmentNumber): _name(item) for item in dataset.SegmentSequence}
    frames = dataset.PerFrameFunctionalGroupsSequence
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if len(frames) * rows * columns > MAX_VOXELS:
        raise InputError(f"{path}: {len(frames)} frames of {columns} x {rows} are too large; crop the segmentation")
    if int(dataset.get("NumberOfFrames") or 1) != len(frames) or int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise ValueError(f"{dataset.get('NumberOfFrames')} frames stated, {len(frames)} described")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and syntax != RLELossless:  # whose streams state sizes of their own
        raise InputError(
            f"{path}: its frames are stored as {syntax.name}; export it uncompressed or run-length encoded"
        )
    shared = dataset.get("SharedFunctionalGroupsSequence")
    common = shared[0] if shared else Dataset()
    slices, lps_from_index = _grid(frames, common, path)
    pixels = np.asarray(dataset.pixel_array).reshape(len(frames), rows, columns)
    kind = str(dataset.get("SegmentationType", "BINARY"))
    shape = (columns, rows, max(slices) + 1)
    masks = {number: np.zeros(shape, dtype=bool) for number in segments}
    half = 0.5 * float(dataset.get("MaximumFractionalValue") or 1) if kind == "FRACTIONAL" else 0.5
    for frame, place, picture in zip(frames, slices, pixels, strict=True):
        if kind == "LABELMAP":
            for number in segments:
                masks[number][:, :, place] |= (picture == number).T
            continue
        group = _group(frame, common, "SegmentIdentificationSequence")
        masks[int(group.ReferencedSegmentNumber)][:, :, place] |= (picture > half).T
    named = [NamedMask(name=segments[number], mask=masks[number]) for number in sorted(segments)]
    return labels_of_masks(named, lps_from_index, str(path))


def _name(segment: Dataset) -> str:
    label = str(segment.get("SegmentLabel") or "").strip()
    if label and not label.lower().startswith("segment"):
        return label
    # Programs that number their segments say what they are in the code.
    types = segment.get("SegmentedPropertyTypeCodeSequence")
    meaning = str(types[0].get("CodeMeaning") or "").strip() if types else ""
    return meaning or label or f"segment-{int(segment.SegmentNumber)}"


def _grid(frames: list[Dataset], common: Dataset, path: Path) -> tuple[list[int], Float[np.ndarray, "4 4"]]:
    """Slice of each frame, and `lps_from_index`."""
    measures = _group(frames[0], common, "PixelMeasuresSequence")
    orientation = _group(frames[0], common, "PlaneOrientationSequence").ImageOrientationPatient
    column_axis, row_axis = np.array(orientation[:3], dtype=float), np.array(orientation[3:], dtype=float)
    normal = np.cross(column_axis, row_axis)
    positions = np.array(
        [_group(frame, common, "PlanePositionSequence").ImagePositionPatient for frame in frames], dtype=float
    )
    along = positions @ normal
    places = np.unique(np.round(along / _SAME_PLACE_MM)) * _SAME_PLACE_MM
    stated = float(measures.get("SpacingBetweenSlices") or 0) or float(measures.get("SliceThickness") or 0)
    step = float(np.diff(places).min()) if len(places) > 1 else stated
    if stated > 0 and abs(step - stated) > _UNEVEN_SHARE * stated and step > stated:
        step = stated  # every second slice may be empty
    if step <= 0:
        raise InputError(f"{path}: its frames state no distance between slices; export the segmentation again")
    index = (along - along.min()) / step
    slices = np.rint(index).astype(int)
    if np.abs(index - slices).max() > _UNEVEN_SHARE * max(1, slices.max()) or slices.max() >= _MAX_SLICES:
        raise InputError(f"{path}: its frames do not lie on one even grid of slices; resample the segmentation")
    lps_from_index = np.eye(4)
    lps_from_index[:3, 0] = column_axis * float(measures.PixelSpacing[1])
    lps_from_index[:3, 1] = row_axis * float(measures.PixelSpacing[0])
    lps_from_index[:3, 2] = normal * step
    lps_from_index[:3, 3] = positions[int(along.argmin())]
    check_affine(lps_from_index, str(path))
    return slices.tolist(), lps_from_index


def _group(frame: Dataset, common: Dataset, keyword: str) -> Dataset:
    """A functional group, from the frame or shared by all."""
    for place in (frame, common):
        if place.get(keyword):
            return place[keyword][0]
    raise ValueError(f"no {keyword}")
