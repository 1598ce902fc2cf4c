"""Masks of the vessels as a DICOM Segmentation object (PS3.3 A.51), one bit a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, SegmentationStorage, XRayAngiographicImageStorage

from calibration.errors import InputError
from guidance_app.exports.dicom_object import code, new_object, reference_series, write_object
from guidance_app.exports.identity import RESEARCH_LINE, ExportIdentity

# SNOMED CT codes of CID 7166 and its kin; the meaning is what viewers show.
_PROPERTIES = {
    "vessel": ("59820001", "Blood vessel"),
    "artery": ("51114001", "Artery"),
    "vein": ("29092000", "Vein"),
    "aorta": ("15825003", "Aorta"),
}
_DEVICE = ("19227008", "Catheter")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameMask:
    """One class on one frame; `frame` counts from 0 in the exported run, `source_frame` in the source object."""

    class_name: str
    frame: int
    mask: Bool[np.ndarray, "rows columns"]
    sop_instance_uid: str
    source_frame: int


def write_segmentation(
    path: Path,
    masks: Iterable[FrameMask],
    *,
    classes: Sequence[str],
    model: str,
    series_instance_uid: str,
    identity: ExportIdentity,
) -> int:
    """Write the masks that are not empty; returns how many.

    Args:
        series_instance_uid: of the source, "" where unknown.

    Raises:
        InputError: all are empty, or of different sizes.
    """
    packed, items, sources = [], [], []
    shape: tuple[int, ...] | None = None
    for mask in masks:
        if not mask.mask.any():
            continue
        shape = shape or mask.mask.shape
        if mask.mask.shape != shape:
            raise InputError(f"{path}: the frames have different sizes ({shape} and {mask.mask.shape}); use --frame")
        packed.append(mask.mask)
        source_uid = identity.uid(mask.sop_instance_uid) if mask.sop_instance_uid else None
        items.append(_frame_item(classes.index(mask.class_name) + 1, mask, source_uid))
        if source_uid:
            sources.append(source_uid)
    if shape is None:
        raise InputError(f"{path}: no frame shows a vessel to the network {model}; nothing to export")
    dataset = _described(shape, classes, model, identity)
    dataset.NumberOfFrames = len(items)
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(items)
    reference_series(dataset, series_instance_uid, sources, identity)
    bits = np.packbits(np.stack(packed).ravel(), bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    dataset["PixelData"].VR = "OB"
    write_object(path, dataset)
    return len(items)


def _described(shape: tuple[int, ...], classes: Sequence[str], model: str, identity: ExportIdentity) -> Dataset:
    dataset = new_object(
        SegmentationStorage, name="segmentation", modality="SEG", series_number=903, description="Vessels",
        identity=identity,
    )  # fmt: skip
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.PatientOrientation = ""
    dataset.ContentLabel = "VESSELS"
    dataset.ContentDescription = RESEARCH_LINE
    dataset.ContentCreatorName = ""
    dataset.ImageComments = RESEARCH_LINE
    dataset.BurnedInAnnotation = "NO"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 1, 1, 0, 0
    dataset.LossyImageCompression = "00"
    dataset.SegmentationType = "BINARY"
    dataset.SegmentsOverlap = "UNDEFINED"
    dataset.SegmentSequence = DicomSequence([_segment(n + 1, name, model) for n, name in enumerate(classes)])
    organization = Dataset()
    organization.DimensionOrganizationUID = identity.new_uid("dimensions")
    dataset.DimensionOrganizationSequence = DicomSequence([organization])
    pairs = ((0x0062000B, 0x0062000A, "Segment"), (0x00209128, 0x00209111, "Frame"))
    dataset.DimensionIndexSequence = DicomSequence(
        [_dimension(organization.DimensionOrganizationUID, *pair) for pair in pairs]
    )
    dataset.SharedFunctionalGroupsSequence = DicomSequence([Dataset()])
    return dataset


def _segment(number: int, name: str, model: str) -> Dataset:
    item = Dataset()
    item.SegmentNumber = number
    item.SegmentLabel = name
    item.SegmentDescription = RESEARCH_LINE
    item.SegmentAlgorithmType = "AUTOMATIC"
    item.SegmentAlgorithmName = model
    if name == "device":
        item.SegmentedPropertyCategoryCodeSequence = code("260787004", "SCT", "Physical object")
        item.SegmentedPropertyTypeCodeSequence = code(_DEVICE[0], "SCT", _DEVICE[1])
    else:
        value, meaning = _PROPERTIES.get(name, _PROPERTIES["vessel"])
        item.SegmentedPropertyCategoryCodeSequence = code("91723000", "SCT", "Anatomical Structure")
        item.SegmentedPropertyTypeCodeSequence = code(value, "SCT", meaning)
    return item


def _dimension(organization: UID, pointer: int, group: int, label: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization
    item.DimensionIndexPointer = pointer
    item.FunctionalGroupPointer = group
    item.DimensionDescriptionLabel = label
    return item


def _frame_item(segment: int, mask: FrameMask, source_uid: UID | None) -> Dataset:
    content = Dataset()
    content.DimensionIndexValues = [segment, mask.frame + 1]
    content.TemporalPositionIndex = mask.frame + 1
    identification = Dataset()
    identification.ReferencedSegmentNumber = segment
    item = Dataset()
    item.FrameContentSequence = DicomSequence([content])
    item.SegmentIdentificationSequence = DicomSequence([identification])
    item.DerivationImageSequence = DicomSequence([_derivation(mask, source_uid)] if source_uid else [])
    return item


def _derivation(mask: FrameMask, source_uid: UID) -> Dataset:
    source = Dataset()
    source.ReferencedSOPClassUID = XRayAngiographicImageStorage
    source.ReferencedSOPInstanceUID = source_uid
    source.ReferencedFrameNumber = mask.source_frame + 1
    source.PurposeOfReferenceCodeSequence = code("121322", "DCM", "Source image for image processing operation")
    derivation = Dataset()
    derivation.DerivationCodeSequence = code("113076", "DCM", "Segmentation")
    derivation.SourceImageSequence = DicomSequence([source])
    return derivation
