"""Points worked out by hand from PS3.3 C.8.7.5: + primary is LAO, + secondary is cranial, both move the detector."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose

_ISOCENTRE_FROM_LPS = RigidPose.identity(target="isocentre", source="lps")


def _geometry(primary_deg: float = 0.0, secondary_deg: float = 0.0, **changes) -> CArmGeometry:
    geometry = CArmGeometry(
        primary_rad=np.deg2rad(primary_deg),
        secondary_rad=np.deg2rad(secondary_deg),
        sid_mm=1000.0,
        sod_mm=750.0,
        column_spacing_mm=0.2,
        row_spacing_mm=0.4,
        shape_px=(256, 512),
        principal_point_px=(255.5, 127.5),
    )
    return replace(geometry, **changes)


def _detector_direction(geometry: CArmGeometry) -> np.ndarray:
    """From the source to the detector, in LPS."""
    return geometry.camera_from_isocentre().rotation[2]


@pytest.mark.parametrize(
    ("primary_deg", "secondary_deg", "towards"),
    [
        (0, 0, (0, -1, 0)),  # postero-anterior beam: detector in front of the patient
        (90, 0, (1, 0, 0)),  # LAO 90: detector on the patient's left
        (-90, 0, (-1, 0, 0)),  # RAO 90: on the right
        (0, 90, (0, 0, 1)),  # cranial: over the head
        (0, -90, (0, 0, -1)),  # caudal: at the feet
        (180, 0, (0, 1, 0)),  # under the table
        (45, 0, (np.sqrt(0.5), -np.sqrt(0.5), 0)),
    ],
)
def test_the_detector_stands_where_dicom_says(primary_deg, secondary_deg, towards):
    geometry = _geometry(primary_deg, secondary_deg)
    np.testing.assert_allclose(_detector_direction(geometry), towards, atol=1e-12)
    source_mm = geometry.camera_from_isocentre().inverse().translation_mm
    np.testing.assert_allclose(source_mm, -750.0 * np.array(towards), atol=1e-9)


@pytest.mark.parametrize(
    ("primary_deg", "secondary_deg", "point_mm", "pixel"),
    [
        (0, 0, (0, 0, 0), (255.5, 127.5)),
        # 15 mm in the isocentre plane are 20 mm on the detector: 100 columns of 0.2 mm, 50 rows of 0.4 mm.
        (0, 0, (15, 0, 0), (355.5, 127.5)),  # the patient's left is on the right of the picture
        (0, 0, (0, 0, 15), (255.5, 77.5)),  # the head is on top
        (0, 0, (15, 250, 0), (405.5, 127.5)),  # posterior is nearer to the source: twice 500 mm from it
        (90, 0, (0, 15, 0), (355.5, 127.5)),  # LAO 90: posterior is on the right
        (-90, 0, (0, 15, 0), (155.5, 127.5)),  # RAO 90: posterior is on the left
        (0, 90, (0, 15, 0), (255.5, 77.5)),  # seen from the head, posterior is on top
        (0, 30, (0, -15, 0), (255.5, None)),
    ],
)
def test_points_appear_where_they_were_worked_out_by_hand(primary_deg, secondary_deg, point_mm, pixel):
    projection = _geometry(primary_deg, secondary_deg).projection(_ISOCENTRE_FROM_LPS)
    (column, row), _ = projection.project(np.array([point_mm], dtype=float))[0][0], None
    assert column == pytest.approx(pixel[0], abs=1e-9)
    if pixel[1] is not None:
        assert row == pytest.approx(pixel[1], abs=1e-9)
    else:
        # Cranial 30: the detector tilts over the head, so what is in front moves down the picture.
        down_mm, depth_mm = 15 * np.sin(np.deg2rad(30)), 750 + 15 * np.cos(np.deg2rad(30))
        assert row == pytest.approx(127.5 + down_mm * 1000 / depth_mm / 0.4, abs=1e-9)


def test_a_mirrored_picture_swaps_left_and_right_only():
    points = np.array([[15.0, 40.0, -20.0]])
    plain = _geometry(20, 10).projection(_ISOCENTRE_FROM_LPS).project(points)[0][0]
    mirrored = _geometry(20, 10, mirrored=True).projection(_ISOCENTRE_FROM_LPS).project(points)[0][0]
    np.testing.assert_allclose(mirrored, [511.0 - plain[0], plain[1]])


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_the_isocentre_is_always_in_the_middle_at_its_distance(primary_deg, secondary_deg):
    pixels, depth = _geometry(primary_deg, secondary_deg).projection(_ISOCENTRE_FROM_LPS).project(np.zeros((1, 3)))
    np.testing.assert_allclose(pixels, [[255.5, 127.5]], atol=1e-9)
    np.testing.assert_allclose(depth, [750.0], atol=1e-9)


def test_a_pixel_covers_its_spacing_divided_by_the_magnification():
    assert _geometry().isocentre_mm_per_px == pytest.approx(0.3 * 0.75)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"primary_rad": np.deg2rad(0.049)}, True),
        ({"primary_rad": np.deg2rad(0.051)}, False),
        ({"secondary_rad": np.deg2rad(-0.051)}, False),
        ({"sid_mm": 1000.9}, True),
        ({"sid_mm": 1001.1}, False),
        ({"sod_mm": 748.0}, False),
        ({"table_mm": (0.0, 0.0, 0.9)}, True),
        ({"table_mm": (0.0, 1.1, 0.0)}, False),
        ({"table_mm": None}, False),
        ({"shape_px": (512, 512)}, False),
        ({"mirrored": True}, False),
        ({"column_spacing_mm": 0.1, "row_spacing_mm": 0.2}, False),
    ],
)
def test_an_overlay_holds_only_for_the_view_it_was_computed_for(change, same):
    geometry = _geometry(table_mm=(0.0, 0.0, 0.0))
    assert geometry.same_view(replace(geometry, **change)) is same
    assert replace(geometry, **change).same_view(geometry) is same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"table_tilt_rad": (0.0, np.deg2rad(0.05), 0.0)}, True),
        ({"table_tilt_rad": (0.0, np.deg2rad(0.2), 0.0)}, False),
        ({"table_tilt_rad": (np.deg2rad(1.0), 0.0, 0.0)}, False),
        ({"table_tilt_rad": None}, False),
        ({"patient_position": "FFS"}, False),
        ({"patient_position": ""}, True),
        ({"sides_known": True}, True),
    ],
)
def test_a_tilted_table_and_a_turned_patient_are_another_view(change, same):
    geometry = _geometry(table_tilt_rad=(0.0, 0.0, 0.0), patient_position="HFS")
    assert geometry.same_view(replace(geometry, **change)) is same
    assert replace(geometry, **change).same_view(geometry) is same


@pytest.mark.parametrize("stated", [{"table_mm": (0.0, 5.0, 0.0)}, {"table_tilt_rad": (0.0, 0.1, 0.0)}])
def test_a_table_that_is_stated_for_the_first_time_goes_on_and_one_that_disappears_does_not(stated):
    silent, known = _geometry(), _geometry(**stated)
    assert known.continues(silent)
    assert not silent.continues(known)
    moved = replace(known, **dict.fromkeys(stated, (9.0, 9.0, 9.0)))
    assert not moved.continues(silent.with_table_of(known))
