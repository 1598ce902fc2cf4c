"""Pullbacks from DICOM ultrasound multi-frame files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from pydicom.dataset import Dataset

from calibration.dicom_values import stored_numbers, stored_text
from calibration.errors import InputError
from engines.angiography.files.dicom_stream import open_dicom
from engines.angiography.files.xa_pixels import PixelReader
from engines.angiography.files.xa_tags import frame_times_ms
from engines.ivus.files.pullback import Pullback

_CM = 3  # Physical Units, PS3.3 C.8.5.5.1.15
_TWO_D = 1  # Region Spatial Format
_GATED_STEP_MM = 0.2  # frames farther apart than this were taken once a beat


def read_ultrasound(path: Path) -> Pullback:
    """Read frames, pixel size (C.8.5.5 regions, else Pixel Spacing) and positions (C.8.5.6.1.8 pullback rate).

    Raises:
        InputError: no ultrasound or IVUS file, damaged, no pixel size, no pullback rate or no frame time.
    """
    stream = open_dicom(path)
    header, name = stream.header, path.name
    modality = stored_text(header, "Modality")
    if modality and modality not in ("US", "IVUS"):
        raise InputError(f"{name}: modality is {modality}, expected US or IVUS; choose the ultrasound file")
    reader = PixelReader(stream, name)
    reader.require_all_frames()
    form = reader.format
    frames = np.empty((form.frames, form.rows, form.columns), dtype=np.uint8)
    for index in range(form.frames):
        pixels, bits = reader.read(index)
        frames[index] = pixels if bits <= 8 else pixels >> (bits - 8)
    pixel_mm, centre, box = _region(header, form.columns, form.rows, name)
    frames = _only(frames, box)
    z_mm, step_ms = _positions(header, form.frames, name)
    acquisition = stored_text(header, "IVUSAcquisition").upper()
    gated = "GATED" in acquisition or float(np.median(np.diff(z_mm)) if len(z_mm) > 1 else 1.0) > _GATED_STEP_MM
    return Pullback(
        frames=frames, pixel_mm=pixel_mm, centre_px=centre, z_mm=z_mm, gated=gated, frame_time_ms=step_ms, source=name
    )


def _region(
    header: Dataset, columns: int, rows: int, name: str
) -> tuple[float, tuple[float, float], tuple[int, int, int, int]]:
    whole = (0, 0, columns - 1, rows - 1)
    for item in header.get("SequenceOfUltrasoundRegions", None) or ():
        if _whole(item, "RegionSpatialFormat", _TWO_D) != _TWO_D or _whole(item, "PhysicalUnitsXDirection", 0) != _CM:
            continue
        delta = abs(_number(item, "PhysicalDeltaX") or 0.0) * 10.0
        if delta <= 0.0:
            continue
        corners = [_number(item, f"RegionLocation{key}") for key in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        box = tuple(int(c) for c in corners if c is not None) if None not in corners else whole
        if len(box) != 4 or box[2] - box[0] < 16 or box[3] - box[1] < 16:
            box = whole
        reference = (_number(item, "ReferencePixelX0"), _number(item, "ReferencePixelY0"))
        if None not in reference:
            centre = (box[0] + float(reference[0] or 0.0), box[1] + float(reference[1] or 0.0))
        else:
            centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        if not (box[0] <= centre[0] <= box[2] and box[1] <= centre[1] <= box[3]):
            centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return delta, centre, (box[0], box[1], box[2], box[3])
    spacing = stored_numbers(header, "PixelSpacing")
    if not spacing or spacing[0] <= 0.0:
        raise InputError(
            f"{name}: says nothing about its pixel size (no ultrasound region in cm, no Pixel Spacing); "
            "give it as a folder with pullback.json"
        )
    return float(spacing[0]), ((columns - 1) / 2, (rows - 1) / 2), whole


def _positions(header: Dataset, count: int, name: str) -> tuple[Float[np.ndarray, " f"], float | None]:
    rate = _number(header, "IVUSPullbackRate")  # mm/s
    if rate is None or rate <= 0.0:
        raise InputError(f"{name}: no IVUS Pullback Rate (0018,3101); give it as a folder with pullback.json")
    times = frame_times_ms(header, count)
    beats = _number(header, "IVUSGatedRate")  # beats a minute
    if "GATED" in stored_text(header, "IVUSAcquisition").upper() and beats and beats > 0.0:
        times = (60_000.0 / beats,) * count
    if not times:
        raise InputError(f"{name}: no Frame Time and no frame rate; give it as a folder with pullback.json")
    elapsed_s = np.concatenate([[0.0], np.cumsum(times[: count - 1])]) / 1000.0
    return rate * elapsed_s, float(np.median(times))


def _only(
    frames: UInt8[np.ndarray, "f rows columns"], box: tuple[int, int, int, int]
) -> UInt8[np.ndarray, "f rows columns"]:
    """Everything outside the ultrasound region is text and long views: black."""
    left, top, right, bottom = box
    if (left, top) == (0, 0) and (right, bottom) == (frames.shape[2] - 1, frames.shape[1] - 1):
        return frames
    kept = np.zeros_like(frames)
    inside = (slice(None), slice(max(top, 0), bottom + 1), slice(max(left, 0), right + 1))
    kept[inside] = frames[inside]
    return kept


def _number(item: Dataset, keyword: str) -> float | None:
    try:
        found = stored_numbers(item, keyword)
    except ValueError:
        return None
    return float(found[0]) if found else None


def _whole(item: Dataset, keyword: str, default: int) -> int:
    number = _number(item, keyword)
    return default if number is None else int(number)
