"""What a header states of table, detector field and patient counts: honoured, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.dicom_geometry import xa_geometry
from calibration.errors import MissingGeometryError
from tests.calibration.xa_headers import enhanced_header, group, xa_header

_DETECTOR = {"DetectorElementSpacing": [0.2, 0.2], "PhysicalDetectorSize": [200.0, 400.0]}  # 1000 x 2000 elements


def read(header, frame: int = 0):
    return xa_geometry(header, frame, source="run.dcm")


def test_a_table_angle_is_read_as_the_tilt_of_its_head():
    assert read(xa_header()).table_tilt_rad is None
    assert read(xa_header(TableAngle=-5)).table_tilt_rad == pytest.approx((0.0, np.deg2rad(-5.0), 0.0))
    assert not read(xa_header(TableAngle=2)).same_view(read(xa_header(TableAngle=0)))


def test_an_enhanced_object_states_turn_tilt_and_cradle_for_every_frame():
    header = enhanced_header((10.0, 10.0))
    for item, cradle_deg in zip(header.PerFrameFunctionalGroupsSequence, (0.0, 4.0), strict=True):
        place = item.TablePositionSequence[0]
        place.TableHorizontalRotationAngle, place.TableHeadTiltAngle, place.TableCradleTiltAngle = 1.0, 2.0, cradle_deg
        place.TableTopLongitudinalPosition = 0.0
    first, second = read(header, 0), read(header, 1)
    assert first.table_tilt_rad == pytest.approx(np.deg2rad([1.0, 2.0, 0.0]))
    assert second.table_tilt_rad == pytest.approx(np.deg2rad([1.0, 2.0, 4.0]))
    assert not second.same_view(first)


def test_an_impossible_table_angle_is_named():
    with pytest.raises(MissingGeometryError, match="TableHeadTiltAngle"):
        read(xa_header(TableAngle=4000))


def test_a_field_cut_out_of_the_detector_moves_the_principal_point():
    # The isocentre falls on element (500, 1000). The field begins at row 400, column 900: 20 mm further on.
    found = read(xa_header(FieldOfViewOrigin=[400, 900], **_DETECTOR))
    assert found.principal_point_px == pytest.approx((20.0 / 0.2 - 0.5, 20.0 / 0.4 - 0.5))
    stated = read(
        xa_header(
            FieldOfViewOrigin=[400, 900], DetectorElementSpacing=[0.2, 0.2], PositionOfIsocenterProjection=[450, 950]
        )
    )
    assert stated.principal_point_px == pytest.approx((10.0 / 0.2 - 0.5, 10.0 / 0.4 - 0.5))
    assert not stated.same_view(found)


def test_a_field_around_the_middle_of_the_detector_has_its_principal_point_in_the_middle():
    # 256 x 512 pixels of 0.4 x 0.2 mm are 512 x 512 elements of 0.2 mm.
    found = read(xa_header(FieldOfViewOrigin=[244, 744], **_DETECTOR))
    assert found.principal_point_px == pytest.approx((255.5, 127.5))


def test_a_flip_comes_after_the_cut():
    plain = read(xa_header(FieldOfViewOrigin=[400, 900], **_DETECTOR))
    flipped = read(xa_header(FieldOfViewOrigin=[400, 900], FieldOfViewHorizontalFlip="YES", **_DETECTOR))
    assert flipped.principal_point_px == pytest.approx((511 - plain.principal_point_px[0], plain.principal_point_px[1]))


def test_an_origin_that_cannot_be_placed_is_refused_by_name_and_an_origin_at_the_corner_cuts_nothing():
    with pytest.raises(MissingGeometryError) as error:
        read(xa_header(FieldOfViewOrigin=[400, 900]))
    for name in ("FieldOfViewOrigin (0018,7030)", "PositionOfIsocenterProjection", "DetectorElementSpacing"):
        assert name in str(error.value)
    assert read(xa_header(FieldOfViewOrigin=[0, 0])).principal_point_px == (255.5, 127.5)
    with pytest.raises(MissingGeometryError, match="FieldOfViewOrigin"):
        read(xa_header(FieldOfViewOrigin=[-90000, 0], **_DETECTOR))


def test_an_enhanced_object_states_its_field_in_a_group_of_its_own():
    header = enhanced_header(
        FieldOfViewSequence=[group(FieldOfViewOrigin=[400.0, 900.0], FieldOfViewHorizontalFlip="NO")]
    )
    for keyword, value in _DETECTOR.items():
        setattr(header, keyword, value)
    assert read(header).principal_point_px == pytest.approx((99.5, 49.5))


@pytest.mark.parametrize("position", ["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"])
def test_the_angles_are_the_patients_own_however_the_patient_lies(position):
    """PS3.3 C.8.7.5.1.2: +90 degrees is at the patient's left hand, zero before the chest."""
    found = read(xa_header(PositionerPrimaryAngle=90, PositionerSecondaryAngle=0, PatientPosition=position))
    assert found.patient_position == position
    source_mm = found.camera_from_isocentre().inverse().translation_mm
    np.testing.assert_allclose(source_mm, [-750.0, 0.0, 0.0], atol=1e-9)
    # Machines that write their own angles are right in one position only; there alone the sides are certain.
    assert found.sides_known is (position == "HFS")


def test_a_stated_orientation_makes_the_sides_known_and_silence_does_not():
    angles = {"PositionerPrimaryAngle": 0, "PositionerSecondaryAngle": 0}
    assert not read(xa_header(**angles)).sides_known
    assert read(xa_header(**angles, PatientOrientation=["L", "F"])).sides_known
    assert read(xa_header(**angles, PatientPosition="FFS", PatientOrientation=["L", "F"])).sides_known
    with pytest.raises(MissingGeometryError, match="PatientOrientation"):
        read(xa_header(**angles, PatientPosition="FFS", PatientOrientation=["R", "H"]))


def test_an_unknown_patient_position_is_named():
    with pytest.raises(MissingGeometryError, match="PatientPosition"):
        read(xa_header(PatientPosition="UPSIDE"))
