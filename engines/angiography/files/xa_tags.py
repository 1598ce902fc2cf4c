"""Read what an XA header states about its pictures: time, window, polarity, subtraction."""

from __future__ import annotations

import datetime
import itertools
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

    Read from the frames' own times (Enhanced objects, PS3.3 C.7.6.16.2.2), Frame Time Vector, Frame Time, Cine Rate or
    Recommended Display Frame Rate, in this order (C.7.6.5).
    """
    steps = _content_steps_ms(header, frame_count) or _vector_steps_ms(header, frame_count)
    if steps:
        return (*steps, steps[-1])
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


def mask_operations(header: Dataset, frame_count: int, said: list[str]) -> tuple[MaskOperation, ...]:
    """Usable items of the Mask Module; damaged items are ignored.

    None where the object asks to be shown as it is (Recommended Viewing Mode NAT, PS3.3 C.7.6.10).

    Args:
        said: is told of items whose mask frames are not there.
    """
    if stored_text(header, "RecommendedViewingMode").upper() == "NAT":
        return ()
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
        if operation == "AVG_SUB" and not all(0 <= mask < frame_count for mask in masks):
            absent = ", ".join(str(mask + 1) for mask in masks if not 0 <= mask < frame_count)
            said.append(f"its mask frame {absent} is not there (it has 1 to {frame_count}); shown as it is")
            continue
        found.append(
            MaskOperation(
                operation=operation,  # type: ignore[arg-type]
                mask_frames=masks,
                tid_offset=int(offset),
                ranges=tuple(zip(ranges[::2], ranges[1::2], strict=True)),
                shift_px=(shift[0], shift[1]),
                frame_shifts_px=_frame_shifts_px(header, item, frame_count),
            )
        )
    return tuple(found)


def _frame_shifts_px(header: Dataset, item: Dataset, frame_count: int) -> tuple[tuple[float, float], ...]:
    """The mask's shift for each frame of an Enhanced object (PS3.3 C.7.6.16.2.14); () if no frame states one."""
    if "PerFrameFunctionalGroupsSequence" not in header and "SharedFunctionalGroupsSequence" not in header:
        return ()
    number, shifts, stated = stored_text(item, "SubtractionItemID"), [], False
    for index in range(frame_count):
        shift = [0.0, 0.0]
        for holder in (
            _nth(header, "SharedFunctionalGroupsSequence", 0), _nth(header, "PerFrameFunctionalGroupsSequence", index)
        ):  # fmt: skip
            for entry in _items(holder, "FramePixelShiftSequence") if holder is not None else ():
                try:
                    values = stored_numbers(entry, "MaskSubPixelShift")
                except ValueError:
                    continue
                if stored_text(entry, "SubtractionItemID") == number and values and len(values) == 2:
                    shift, stated = values, True
        shifts.append((shift[0], shift[1]))
    return tuple(shifts) if stated else ()


def window(
    header: Dataset, bits: int, *, index: int, inverted: bool, signed: bool
) -> tuple[float | None, float | None]:
    """Window centre and width of a frame for pixels as the program stores them (unsigned, MONOCHROME2).

    Enhanced objects state them for each frame or for all (Frame VOI LUT, PS3.3 C.7.6.16.2.10).
    """
    try:
        place = header if "WindowCenter" in header else frame_group(header, "FrameVOILUTSequence", index) or header
        centres, widths = stored_numbers(place, "WindowCenter"), stored_numbers(place, "WindowWidth")
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


def _vector_steps_ms(header: Dataset, frame_count: int) -> list[float]:
    """Steps of the Frame Time Vector (C.7.6.5.1.2): its first value is of the first frame, and some leave it out."""
    whole = _positive(header, "FrameTimeVector")
    vector = whole if len(whole) == frame_count - 1 else _positive(header, "FrameTimeVector", first=1)
    usable = len(vector) == frame_count - 1 and all(map(plausible_frame_time, vector))
    return vector if usable else []


def _content_steps_ms(header: Dataset, frame_count: int) -> list[float]:
    """From frame to frame by the date and time that each frame of an Enhanced object states."""
    if "PerFrameFunctionalGroupsSequence" not in header or frame_count < 2:
        return []
    for keyword in ("FrameReferenceDateTime", "FrameAcquisitionDateTime"):
        times_ms = []
        for index in range(frame_count):
            moment = _moment(frame_group(header, "FrameContentSequence", index), keyword)
            if moment is None:
                break
            times_ms.append(moment)
        steps = [(later - earlier).total_seconds() * 1e3 for earlier, later in itertools.pairwise(times_ms)]
        if len(steps) == frame_count - 1 and all(map(plausible_frame_time, steps)):
            return steps
    return []


def _moment(content: Dataset | None, keyword: str) -> datetime.datetime | None:
    text = "" if content is None else stored_text(content, keyword).strip()
    whole, _, fraction = text.partition("+")[0].partition("-")[0].partition(".")
    if len(whole) != 14 or not (whole + fraction).isdecimal():
        return None
    try:
        return datetime.datetime.strptime(whole, "%Y%m%d%H%M%S").replace(microsecond=int(fraction[:6].ljust(6, "0")))
    except ValueError:
        return None


def frame_group(header: Dataset, keyword: str, index: int) -> Dataset | None:
    """A functional group of one frame of an Enhanced object: its own, else the one that all share."""
    for holder in (
        _nth(header, "PerFrameFunctionalGroupsSequence", index),
        _nth(header, "SharedFunctionalGroupsSequence", 0),
    ):
        if holder is not None and (found := _nth(holder, keyword, 0)) is not None:
            return found
    return None


def _nth(dataset: Dataset, keyword: str, index: int) -> Dataset | None:
    items = _items(dataset, keyword)
    return items[index] if index < len(items) else None


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
