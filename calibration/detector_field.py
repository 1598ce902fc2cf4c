"""Where on the detector the stored picture lies: the central ray need not meet the middle of a cut-out field."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.xa_header import Header

_PITCH_LIMITS_MM = (0.01, 10.0)
_PLACES = ("FramePixelDataPropertiesSequence", "FieldOfViewSequence")


def principal_point_px(
    header: Header, shape_px: tuple[int, int], spacing_mm: tuple[float, float], *, mirrored: bool
) -> tuple[float, float]:
    """(column, row) where the central ray meets the picture; integers are pixel centres.

    A stated Field of View Origin (0018,7030) counts physical detector pixels, rows first, before any flip. It moves the
    point where the header also tells the pitch of the detector and where the isocentre falls on it: by Position of
    Isocenter Projection, else in the middle of the active or physical detector. Without an origin the field is taken to
    lie around the central ray.

    Args:
        spacing_mm: (row, column) of the stored picture.

    Raises:
        MissingGeometryError: the field is cut out of the detector, and the header does not tell where the isocentre is.
    """
    middle = ((shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2)
    origin = _pair(header, "FieldOfViewOrigin")
    if origin is None:
        return middle
    pitch_mm = _pair(header, "DetectorElementSpacing")
    if pitch_mm is not None and not all(_PITCH_LIMITS_MM[0] <= pitch <= _PITCH_LIMITS_MM[1] for pitch in pitch_mm):
        raise header.implausible("DetectorElementSpacing", list(pitch_mm), "a row and a column pitch in mm")
    isocentre = None if pitch_mm is None else _isocentre_on_detector(header, pitch_mm)
    if pitch_mm is None or isocentre is None:
        if not any(origin):
            return middle  # the field begins where the detector does: nothing is cut off
        raise header.implausible(
            "FieldOfViewOrigin",
            list(origin),
            "with it DetectorElementSpacing, and PositionOfIsocenterProjection or PhysicalDetectorSize, which tell "
            "where the isocentre falls",
        )
    row, column = (
        (at - start) * pitch / spacing - 0.5
        for at, start, pitch, spacing in zip(isocentre, origin, pitch_mm, spacing_mm, strict=True)
    )
    if not (-shape_px[0] <= row <= 2 * shape_px[0] and -shape_px[1] <= column <= 2 * shape_px[1]):
        found = f"{list(origin)}, which puts the isocentre on column {column:.0f}, row {row:.0f}"
        raise header.implausible("FieldOfViewOrigin", found, "a field near the isocentre")
    return (shape_px[1] - 1 - column if mirrored else column), row


def _isocentre_on_detector(header: Header, pitch_mm: tuple[float, float]) -> Sequence[float] | None:
    """(row, column) in physical detector pixels, from the detector's corner."""
    stated = _pair(header, "PositionOfIsocenterProjection")
    if stated is not None:
        return stated
    active_mm = _pair(header, "DetectorActiveDimensions")
    if active_mm is not None:
        start = _pair(header, "DetectorActiveOrigin") or (0.0, 0.0)
        return [at + size / 2 / pitch for at, size, pitch in zip(start, active_mm, pitch_mm, strict=True)]
    size_mm = _pair(header, "PhysicalDetectorSize")
    return None if size_mm is None else [size / 2 / pitch for size, pitch in zip(size_mm, pitch_mm, strict=True)]


def _pair(header: Header, keyword: str) -> tuple[float, float] | None:
    """Two numbers, from the frame's groups or from the object itself; one stands for both (a square detector)."""
    for place in (*(header.place(group) for group in _PLACES), header.dataset):
        values = None if place is None else header.numbers(keyword, place)
        if values:
            if len(values) > 2:
                raise header.implausible(keyword, values, "a row and a column value")
            return values[0], values[-1]
    return None
