"""Pixels that are not square: lines keep their direction and place in millimetres."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.registration.engine import register
from engines.registration.features.image_features import prepare_view
from engines.registration.initial_pose import start_near
from engines.registration.view import RegistrationView
from tests.engines.registration.vessel_bed import bed


def line_at(angle_deg: float, *, column_mm: float, row_mm: float, mirrored: bool = False) -> RegistrationView:
    """A vessel through the middle of the picture, this much above the patient's left-right axis in mm."""
    made = bed(3, column_spacing_mm=column_mm, row_spacing_mm=row_mm, mirrored=mirrored)
    half_mm = 30.0 * np.array([np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))])
    ends = np.array([half_mm, -half_mm]) / (column_mm, row_mm) + 255.5
    mask = np.zeros((512, 512), np.float32)
    cv2.line(mask, np.rint(ends[0]).astype(int).tolist(), np.rint(ends[1]).astype(int).tolist(), 1.0, 9)
    return replace(made.view, vessel=mask)


@pytest.mark.parametrize(("column_mm", "row_mm"), [(0.3, 0.3), (0.3, 0.2), (0.2, 0.3), (0.3, 0.25)])
@pytest.mark.parametrize("max_size_px", [640, 256])
def test_a_vessel_at_45_degrees_is_read_at_45_degrees(column_mm, row_mm, max_size_px):
    ready = prepare_view(line_at(45.0, column_mm=column_mm, row_mm=row_mm), max_size_px=max_size_px)
    cos, sin = ready.centreline.direction.mean(axis=0)  # of the doubled angle, rows against camera y
    assert abs(np.rad2deg(0.5 * np.arctan2(sin, cos)) + 45.0) < 1.5
    points = ready.centreline.points_mm
    if max_size_px == 640:
        # A skeleton ends a little before its line does; on a coarse grid that is much.
        assert np.linalg.norm(np.ptp(points, axis=0)) == pytest.approx(60.0 * 740.0 / 1000.0, abs=2.5)
    assert np.abs(points.mean(axis=0)).max() < 0.5


def test_the_working_grid_still_says_where_its_pixels_lie():
    view = line_at(30.0, column_mm=0.3, row_mm=0.2)
    ready = prepare_view(view)
    rows, columns = np.nonzero(ready.probability > 0.5)
    shown = ready.plane_from_px(np.column_stack([columns, rows]).astype(float)).mean(axis=0)
    assert np.abs(shown - ready.centreline.points_mm.mean(axis=0)).max() < 0.3


def test_a_run_of_unlike_pixels_registers_as_one_of_square_ones():
    square = bed(5, missing=0.0, false_curves=0)
    rows = int(512 / 1.5)
    arm = replace(
        square.geometry, row_spacing_mm=square.geometry.row_spacing_mm * 1.5, shape_px=(rows, 512),
        principal_point_px=(255.5, 256.0 / 1.5 - 0.5),
    )  # fmt: skip
    mask = cv2.resize(square.view.vessel[: int(rows * 1.5)], (512, rows), interpolation=cv2.INTER_AREA)
    view = replace(square.view, vessel=mask, geometry=arm)
    found = register(
        [view], square.model, case_id="x", init=start_near(square.moved(1, deg=4.0, mm=5.0, depth_mm=10.0))
    )
    points = square.model.centerlines.points_mm()
    there, here = (arm.projection(pose).project(points)[0] for pose in (found.isocentre_from_lps, square.pose))
    error_mm = np.linalg.norm((there - here) * (arm.column_spacing_mm, arm.row_spacing_mm), axis=1) * 0.74
    assert error_mm.mean() < 1.0
