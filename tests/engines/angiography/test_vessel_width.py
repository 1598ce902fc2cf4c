"""Diameters follow the mask, and a narrowing is measured against the healthy ends."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.measurement import PixelSize
from engines.angiography.vessel_width import vessel_width


def _vessel(width_px: float = 20.0, narrow_px: float | None = None) -> np.ndarray:
    """A level vessel along row 50, narrow around column 100; off the pixels' centres, so that its width can be odd."""
    column, row = np.meshgrid(np.arange(200.0), np.arange(100.0))
    wide = np.full(200, width_px)
    if narrow_px is not None:
        wide -= (width_px - narrow_px) * np.exp(-0.5 * ((np.arange(200) - 100.0) / 8.0) ** 2)
    return np.abs(row - 50.25) <= 0.5 * wide[column.astype(int)]


def test_a_plain_vessel_has_its_width_everywhere_and_no_stenosis() -> None:
    found = vessel_width(_vessel(), (20.0, 52.0), (180.0, 47.0))
    assert np.median(found.width_px) == pytest.approx(20.0, abs=1.2)
    assert abs(found.stenosis_percent) < 4.0
    assert np.abs(found.path_px[:, 1] - 50.0).max() < 4.0


@pytest.mark.parametrize("narrow_px", [16.0, 10.0, 6.0])
def test_a_narrowing_is_told_in_percent_at_its_place(narrow_px: float) -> None:
    found = vessel_width(_vessel(narrow_px=narrow_px), (20.0, 50.0), (180.0, 50.0))
    assert found.stenosis_percent == pytest.approx(100.0 * (1.0 - narrow_px / 20.0), abs=7.0)
    assert abs(found.path_px[found.narrowest, 0] - 100.0) < 5.0


def test_millimetres_need_a_calibration_and_percent_does_not() -> None:
    found = vessel_width(_vessel(narrow_px=10.0), (20.0, 50.0), (180.0, 50.0))
    size = PixelSize(column_mm=0.2, row_mm=0.2, way="header, at the isocentre")
    assert found.reference_diameter(size).value == pytest.approx(4.0, abs=0.25)
    assert found.narrowest_diameter(size).unit == "mm"
    assert found.narrowest_diameter(None).unit == "px"


def test_a_tapering_vessel_is_no_stenosis() -> None:
    column, row = np.meshgrid(np.arange(200.0), np.arange(100.0))
    tapering = np.abs(row - 50.0) <= 0.5 * (24.0 - 0.06 * column)
    assert vessel_width(tapering, (15.0, 50.0), (185.0, 50.0)).stenosis_percent < 8.0


def test_what_cannot_be_measured_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="no segmented vessel; choose"):
        vessel_width(np.zeros((50, 50), dtype=bool), (1.0, 1.0), (40.0, 40.0))
    with pytest.raises(InputError, match="click on the vessel"):
        vessel_width(_vessel(), (20.0, 5.0), (180.0, 50.0))
    with pytest.raises(InputError, match="are needed"):
        vessel_width(_vessel(), (100.0, 50.0), (103.0, 50.0))
    apart = _vessel()
    apart[:, 90:110] = False
    with pytest.raises(InputError, match="do not meet"):
        vessel_width(apart, (20.0, 50.0), (180.0, 50.0))
