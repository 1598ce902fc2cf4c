"""Read what an XA header states about its pictures: time, window, polarity, subtraction."""

from __future__ import annotations

from typing import cast

import numpy as np
from pydicom.dataset import Dataset

from calibration.dicom_values import DAMAGED, stored_numbers, stored_text
from engines.angiography.frame import FrameKind
from engines.angiography.run import MaskOperation

# The slowest runs have one frame in ten seconds. A longer stated time is damage; believing it would make a source that
# has stopped look like a slow one.
FRAME_TIMES_MS = (0.1, 10_000.0)
_SUBTRACTED_WORDS = ("SUBTRACT", "DSA")
_SUBTRACTION_CODE = "113062"  # DCM, "Pixel by pixel subtraction" (PS3.16 CID 7203)


def frame_times_ms(header: Dataset, frame_count: int) -> tuple[float, ...]:
    """Time from each frame to the next (the last repeats the one before it); () if the header does not state it.

    Read from Frame Time, Frame Time Vector, Cine Rate or Recommended Display Frame Rate, in this order (PS3.3 C.7.6.5).
    """
    vector = _positive(header, "FrameTimeVector", first=1)
    if len(vector) == frame_count - 1 and vector and all(map(plausible_frame_time, vector)):
        return (*vector, vector[-1])
    for keyword, as_rate in (
        ("FrameTime", False),
        ("CineRate", True),
        ("RecommendedDisplayFrameRate", True),
        ("RecommendedDisplayFrameRateInFloat", True),
    ):
        values = _positive(header, keyword)
        time_ms = 0.0 if not values else 1000.0 / values[0] if as_rate else values[0]
        if plausible_frame_time(time_ms):
            return (time_ms,) * frame_count
    return ()


def plausible_frame_time(time_ms: float) -> bool:
    """Whether a run can have this time between frames."""
    return FRAME_TIMES_MS[0] <= time_ms <= FRAME_TIMES_MS[1]


def frame_kind(header: Dataset) -> FrameKind:
    """`dsa` if the stored pixels are already subtracted; Recommended Viewing Mode SUB means that they are not."""
    if any(word in stored_text(header, "ImageType").upper() for word in _SUBTRACTED_WORDS):
        return "dsa"
    codes = (stored_text(item, "CodeValue") for item in _items(header, "DerivationCodeSequence"))
    properties = (stored_text(item, "ImageProcessingApplied") for item in _frame_properties(header))
    if _SUBTRACTION_CODE in codes or any("DIGITAL_SUBTR" in text for text in properties):
        return "dsa"
    return "fluoro"


def mask_operations(header: Dataset) -> tuple[MaskOperation, ...]:
    """Usable items of the Mask Module; damaged items are ignored."""
    found = []
    for item in _items(header, "MaskSubtractionSequence"):
        operation = stored_text(item, "MaskOperation")
        try:
            ranges = [int(value) - 1 for value in stored_numbers(item, "ApplicableFrameRange") or ()]
            masks = tuple(int(value) - 1 for value in stored_numbers(item, "MaskFrameNumbers") or ())
            offset = (stored_numbers(item, "TIDOffset") or [1])[0]  # PS3.3 C.7.6.10: 1 where empty
            shift = stored_numbers(item, "MaskSubPixelShift") or [0.0, 0.0]
        except ValueError:
            continue
        if operation not in ("AVG_SUB", "TID", "REV_TID") or len(ranges) % 2 or len(shift) != 2:
            continue
        if operation == "AVG_SUB" and not masks:
            continue
        found.append(
            MaskOperation(
                operation=operation,  # type: ignore[arg-type]
                mask_frames=masks,
                tid_offset=int(offset),
                ranges=tuple(zip(ranges[::2], ranges[1::2], strict=True)),
                shift_px=(shift[0], shift[1]),
            )
        )
    return tuple(found)


def window(header: Dataset, bits: int, *, inverted: bool, signed: bool) -> tuple[float | None, float | None]:
    """Window centre and width for pixels as the program stores them (unsigned, MONOCHROME2)."""
    try:
        centres, widths = stored_numbers(header, "WindowCenter"), stored_numbers(header, "WindowWidth")
        slope = (stored_numbers(header, "RescaleSlope") or [1.0])[0]
        intercept = (stored_numbers(header, "RescaleIntercept") or [0.0])[0]
    except ValueError:
        return None, None
    if not centres or not widths or widths[0] <= 0 or slope <= 0:
        return None, None
    centre, width = (centres[0] - intercept) / slope, widths[0] / slope
    if signed:
        centre += float(1 << (bits - 1))
    if inverted:
        centre = float((1 << bits) - 1) - centre
    return centre, width


def intensity_relationship(header: Dataset) -> str:
    """Pixel Intensity Relationship, "" if the header does not state it.

    "LIN" grows with the beam, "LOG" with its logarithm, "DISP" is made for display (PS3.3 C.8.7.1.1.2; in the shared
    groups of Enhanced objects C.8.19.3.1).
    """
    if stored_text(header, "PixelIntensityRelationship"):
        return stored_text(header, "PixelIntensityRelationship").upper()
    properties = _frame_properties(header)
    return stored_text(properties[0], "PixelIntensityRelationship").upper() if properties else ""


def vessels_bright(header: Dataset, *, inverted: bool) -> bool:
    """Whether contrast is bright in the stored pixels: Pixel Intensity Relationship Sign -1 (PS3.3 C.8.11.3.1.2)."""
    try:
        sign = stored_numbers(header, "PixelIntensityRelationshipSign")
        if not sign and (properties := _frame_properties(header)):
            sign = stored_numbers(properties[0], "PixelIntensityRelationshipSign")
    except ValueError:
        return False
    # Without a sign, assume dark vessels, as pictures are displayed.
    return bool(sign) and (cast(list[float], sign)[0] < 0) != inverted


def _positive(header: Dataset, keyword: str, first: int = 0) -> list[float]:
    try:
        values = (stored_numbers(header, keyword) or [])[first:]
    except ValueError:
        return []
    return values if values and np.min(values) > 0 else []


def _frame_properties(header: Dataset) -> list[Dataset]:
    """The pixel properties that an Enhanced object states for all its frames."""
    return [
        item
        for group in _items(header, "SharedFunctionalGroupsSequence")
        for item in _items(group, "FramePixelDataPropertiesSequence")
    ]


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        return list(dataset.get(keyword) or ())
    except DAMAGED:
        return []
