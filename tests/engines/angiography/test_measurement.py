"""Millimetres come from the isocentre, a catheter or a marker, and say so; without any there are pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.angiography.measurement import (
    PixelSize,
    angle,
    length,
    size_of_catheter,
    size_of_header,
    size_of_marker,
)

_ARM = CArmGeometry(
    primary_rad=0.3, secondary_rad=0.1, sid_mm=1000.0, sod_mm=750.0, column_spacing_mm=0.4, row_spacing_mm=0.4,
    shape_px=(512, 512), principal_point_px=(255.5, 255.5),
)  # fmt: skip
_LINE = np.array([[100.0, 100.0], [130.0, 140.0]])


def test_the_header_s_spacing_is_brought_to_the_isocentre_and_never_taken_as_it_is() -> None:
    size = size_of_header(_ARM)
    assert size is not None
    assert size.column_mm == pytest.approx(0.3)
    told = length(_LINE, size)
    assert (told.value, told.unit, told.way) == (pytest.approx(15.0), "mm", "header, at the isocentre")
    assert str(told) == "15.0 mm"


@pytest.mark.parametrize("geometry", [None, replace(_ARM, sid_mm=float("nan"))])
def test_without_distances_there_are_pixels(geometry: CArmGeometry | None) -> None:
    size = size_of_header(geometry)
    assert size is None
    told = length(_LINE, size)
    assert (told.value, told.unit) == (50.0, "px")
    assert "pixels" in told.way


def test_a_catheter_of_six_french_is_two_millimetres_wide() -> None:
    size = size_of_catheter(6.0, 8.0)
    assert size.column_mm == pytest.approx(0.25)
    assert length(_LINE, size).way == "catheter 6 F"


def test_a_marker_s_known_length_calibrates() -> None:
    size = size_of_marker(20.0, 50.0)
    assert length(_LINE, size).value == pytest.approx(20.0)
    assert size.way == "marker 20 mm"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: size_of_catheter(0.2, 8.0), "catheter of 0.2 F"),
        (lambda: size_of_catheter(6.0, 1.0), "too few to calibrate"),
        (lambda: size_of_marker(0.0, 50.0), "expected a length above 0"),
        (lambda: size_of_marker(float("nan"), 50.0), "expected a length above 0"),
        (lambda: size_of_marker(10.0, float("nan")), "too few to calibrate"),
    ],
)
def test_what_cannot_calibrate_is_refused_in_one_line(make, why: str) -> None:
    with pytest.raises(InputError, match=why):
        make()


def test_a_polyline_adds_its_pieces_and_unlike_axes_count_each() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    assert length(line, PixelSize(column_mm=0.5, row_mm=1.0, way="test")).value == pytest.approx(15.0)


def test_an_angle_is_that_of_the_picture_s_plane() -> None:
    right = angle(np.array([[10.0, 0.0], [0.0, 0.0], [0.0, 5.0]]), None)
    assert (right.value, right.unit) == (pytest.approx(90.0), "\u00b0")
    with pytest.raises(InputError, match="fall together"):
        angle(np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 5.0]]), None)
