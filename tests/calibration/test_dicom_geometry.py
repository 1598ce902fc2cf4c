import json

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from calibration.dicom_geometry import xa_geometry
from calibration.errors import InputError, MissingGeometryError
from calibration.pose import RigidPose
from tests.calibration.xa_headers import enhanced_header, group, xa_header
from tests.real_data import real_data


def _angles_deg(header: Dataset, frame: int) -> tuple[float, float]:
    geometry = xa_geometry(header, frame, source="run.dcm")
    return np.rad2deg(geometry.primary_rad), np.rad2deg(geometry.secondary_rad)


def _one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("run.dcm: ")
    return text


def test_a_static_run_has_one_geometry_with_rows_before_columns():
    geometry = xa_geometry(xa_header(), 3, source="run.dcm")
    assert _angles_deg(xa_header(), 3) == pytest.approx((30.0, -20.0))
    assert (geometry.sid_mm, geometry.sod_mm) == (1000.0, 750.0)
    assert (geometry.row_spacing_mm, geometry.column_spacing_mm) == (0.4, 0.2)
    assert geometry.shape_px == (256, 512)
    assert geometry.principal_point_px == (255.5, 127.5)
    assert geometry.spacing_source == "ImagerPixelSpacing"
    assert geometry.table_mm is None
    assert not geometry.mirrored


def test_lao_90_puts_the_detector_on_the_patients_left():
    geometry = xa_geometry(xa_header(PositionerPrimaryAngle=90, PositionerSecondaryAngle=0), 0, source="run.dcm")
    source_mm = geometry.camera_from_isocentre().inverse().translation_mm
    np.testing.assert_allclose(source_mm, [-750.0, 0.0, 0.0], atol=1e-9)
    # 15 mm posterior are 20 mm on the detector: 100 columns of 0.2 mm to the right of the middle.
    lps = RigidPose.identity(target="isocentre", source="lps")
    pixels, _ = geometry.projection(lps).project(np.array([[0.0, 15.0, 0.0]]))
    np.testing.assert_allclose(pixels, [[355.5, 127.5]], atol=1e-9)


def test_increments_are_offsets_from_the_first_frame_not_from_the_one_before():
    header = xa_header(
        PositionerMotion="DYNAMIC",
        PositionerPrimaryAngleIncrement=[0, 1, 3, 6],
        PositionerSecondaryAngleIncrement=[0, 0, 0, -2],
    )
    assert [_angles_deg(header, frame)[0] for frame in range(4)] == pytest.approx([30, 31, 33, 36])
    assert _angles_deg(header, 3)[1] == pytest.approx(-22)


def test_a_single_increment_is_the_step_from_frame_to_frame():
    header = xa_header(PositionerMotion="DYNAMIC", PositionerPrimaryAngleIncrement=1.5)
    assert [_angles_deg(header, frame)[0] for frame in range(4)] == pytest.approx([30, 31.5, 33, 34.5])


def test_a_rotation_past_180_degrees_keeps_its_geometry():
    header = xa_header(PositionerMotion="DYNAMIC", PositionerPrimaryAngle=170, PositionerPrimaryAngleIncrement=10)
    assert [_angles_deg(header, frame)[0] for frame in range(4)] == pytest.approx([170, 180, -170, -160])
    assert _angles_deg(xa_header(PositionerSecondaryAngle=340), 0)[1] == pytest.approx(-20)
    assert _angles_deg(enhanced_header((190.0, 200.0)), 1)[0] == pytest.approx(-160)


@pytest.mark.parametrize(
    ("changes", "sid_mm", "sod_mm"),
    [
        ({"DistanceSourceToPatient": 0}, 1000.0, 800.0),
        ({"DistanceSourceToPatient": None}, 1000.0, 800.0),
        ({"DistanceSourceToDetector": 0}, 937.5, 750.0),
    ],
)
def test_the_magnification_stands_in_for_a_distance_of_zero(changes, sid_mm, sod_mm):
    geometry = xa_geometry(xa_header(EstimatedRadiographicMagnificationFactor=1.25, **changes), 0, source="run.dcm")
    assert (geometry.sid_mm, geometry.sod_mm) == pytest.approx((sid_mm, sod_mm))


def test_absolute_angles_in_the_increments_are_allowed_with_a_first_angle_of_zero():
    header = xa_header(PositionerPrimaryAngle=0, PositionerPrimaryAngleIncrement=[-40, -20, 0, 20])
    assert [_angles_deg(header, frame)[0] for frame in range(4)] == pytest.approx([-40, -20, 0, 20])


def test_table_increments_are_relative_to_where_the_table_stood():
    moving = {"TableMotion": "DYNAMIC", "TableLateralIncrement": [0, 0, 5, 7]}
    assert xa_geometry(xa_header(**moving), 3, source="run.dcm").table_mm == (7.0, 0.0, 0.0)
    placed = xa_header(**moving, TableTopLateralPosition=100, TableTopVerticalPosition=-30)
    assert xa_geometry(placed, 2, source="run.dcm").table_mm == (105.0, 0.0, -30.0)


def test_the_magnification_stands_in_for_a_missing_source_to_patient_distance():
    header = xa_header(DistanceSourceToPatient=None, EstimatedRadiographicMagnificationFactor=1.25)
    assert xa_geometry(header, 0, source="run.dcm").sod_mm == pytest.approx(800.0)


@pytest.mark.parametrize(
    ("attributes", "row_mm", "column_mm", "spacing_source"),
    [
        ({"FieldOfViewDimensions": [128, 256]}, 0.5, 0.5, "FieldOfViewDimensions / Columns"),
        ({"FieldOfViewDimensions": 200, "Rows": 512}, 200 / 512, 200 / 512, "FieldOfViewDimensions / Columns"),
        ({"IntensifierSize": 204.8, "Rows": 512}, 0.4, 0.4, "IntensifierSize / Columns"),
        (
            {"FieldOfViewDimensions": [200, 200], "IntensifierSize": 300, "Rows": 512},
            200 / 512,
            200 / 512,
            "FieldOfViewDimensions / Columns",
        ),
    ],
)
def test_without_imager_spacing_the_field_of_view_gives_it_and_says_so(attributes, row_mm, column_mm, spacing_source):
    geometry = xa_geometry(xa_header(ImagerPixelSpacing=None, **attributes), 0, source="run.dcm")
    assert (geometry.row_spacing_mm, geometry.column_spacing_mm) == pytest.approx((row_mm, column_mm))
    assert geometry.spacing_source == spacing_source


def test_pixel_spacing_at_the_patient_is_not_taken_for_that_at_the_detector():
    with pytest.raises(MissingGeometryError, match="ImagerPixelSpacing"):
        xa_geometry(xa_header(ImagerPixelSpacing=None, PixelSpacing=[0.2, 0.2]), 0, source="run.dcm")


def test_an_enhanced_object_states_every_frame_absolutely():
    header = enhanced_header((10.0, 25.0))
    assert _angles_deg(header, 0) == pytest.approx((10.0, 5.0))
    assert _angles_deg(header, 1) == pytest.approx((25.0, 5.0))
    geometry = xa_geometry(header, 1, source="run.dcm")
    assert (geometry.sid_mm, geometry.sod_mm) == (1100.0, 780.0)
    assert (geometry.row_spacing_mm, geometry.column_spacing_mm) == (0.4, 0.2)
    assert geometry.table_mm == (3.0, 1.0, 1.0)


def test_an_enhanced_object_may_give_its_field_of_view_instead_of_the_spacing():
    header = enhanced_header(FieldOfViewSequence=[group(FieldOfViewDimensionsInFloat=[102.4, 204.8])])
    del header.SharedFunctionalGroupsSequence[0].FramePixelDataPropertiesSequence[0].ImagerPixelSpacing
    geometry = xa_geometry(header, 0, source="run.dcm")
    assert geometry.column_spacing_mm == pytest.approx(0.4)
    assert geometry.spacing_source == "FieldOfViewDimensionsInFloat / Columns"


def test_a_flipped_field_of_view_mirrors_the_picture():
    header = enhanced_header(FieldOfViewSequence=[group(FieldOfViewRotation=0.0, FieldOfViewHorizontalFlip="YES")])
    assert xa_geometry(header, 0, source="run.dcm").mirrored
    assert xa_geometry(xa_header(FieldOfViewHorizontalFlip="YES"), 0, source="run.dcm").mirrored


@pytest.mark.parametrize(("orientation", "fits"), [(["L", "F"], True), (["R", "F"], False), (["L", "H"], False)])
def test_a_patient_orientation_that_contradicts_the_picture_is_refused(orientation, fits):
    header = xa_header(PositionerPrimaryAngle=0, PositionerSecondaryAngle=0, PatientOrientation=orientation)
    if fits:
        assert not xa_geometry(header, 0, source="run.dcm").mirrored
    else:
        with pytest.raises(MissingGeometryError) as error:
            xa_geometry(header, 0, source="run.dcm")
        assert "PatientOrientation" in _one_line(error)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"DistanceSourceToDetector": None}, "DistanceSourceToDetector (0018,1110)"),
        ({"DistanceSourceToDetector": ""}, "DistanceSourceToDetector (0018,1110)"),
        ({"DistanceSourceToDetector": 0}, "DistanceSourceToDetector (0018,1110)"),
        ({"DistanceSourceToDetector": -1000}, "DistanceSourceToDetector (0018,1110)"),
        ({"DistanceSourceToDetector": 1.0}, "DistanceSourceToDetector (0018,1110)"),
        ({"DistanceSourceToDetector": 1e6}, "DistanceSourceToDetector (0018,1110)"),
        ({"DistanceSourceToPatient": None}, "DistanceSourceToPatient (0018,1111)"),
        ({"DistanceSourceToPatient": 1000}, "DistanceSourceToPatient (0018,1111)"),
        ({"DistanceSourceToPatient": 0}, "DistanceSourceToPatient (0018,1111)"),
        (
            {"DistanceSourceToPatient": None, "EstimatedRadiographicMagnificationFactor": 0.5},
            "EstimatedRadiographicMagnificationFactor (0018,1114)",
        ),
        ({"PositionerPrimaryAngle": None}, "PositionerPrimaryAngle (0018,1510)"),
        ({"PositionerPrimaryAngle": ""}, "PositionerPrimaryAngle (0018,1510)"),
        ({"PositionerPrimaryAngle": 1270}, "PositionerPrimaryAngle (0018,1510)"),
        ({"PositionerSecondaryAngle": 91}, "PositionerSecondaryAngle (0018,1511)"),
        ({"ImagerPixelSpacing": None}, "ImagerPixelSpacing (0018,1164)"),
        ({"ImagerPixelSpacing": [0, 0]}, "ImagerPixelSpacing (0018,1164)"),
        ({"ImagerPixelSpacing": [-0.2, 0.2]}, "ImagerPixelSpacing (0018,1164)"),
        ({"ImagerPixelSpacing": None, "FieldOfViewDimensions": [200, 200]}, "FieldOfViewDimensions (0018,1149)"),
        ({"PositionerPrimaryAngleIncrement": [0, 1]}, "PositionerPrimaryAngleIncrement (0018,1520)"),
        ({"PositionerMotion": "DYNAMIC"}, "PositionerPrimaryAngleIncrement (0018,1520)"),
        ({"TableMotion": "DYNAMIC"}, "TableLongitudinalIncrement (0018,1137)"),
        ({"FieldOfViewRotation": 90}, "FieldOfViewRotation (0018,7032)"),
    ],
)
def test_missing_and_impossible_values_are_named_in_one_line_never_guessed(changes, named):
    with pytest.raises(MissingGeometryError) as error:
        xa_geometry(xa_header(**changes), 2, source="run.dcm")
    assert named in _one_line(error)
    assert "never guessed" in _one_line(error)


@pytest.mark.parametrize("stored", [b"1O00 ", b"nan ", b"inf ", b"1e999 ", b"\xff\xfe"])
def test_values_that_are_no_numbers_are_named(stored):
    header = xa_header()
    header[0x00181110] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(0x00181110), "DS", len(stored), stored, 0, False, True
    )
    with pytest.raises(MissingGeometryError) as error:
        xa_geometry(header, 0, source="run.dcm")
    assert "DistanceSourceToDetector" in _one_line(error)


def test_numbers_longer_than_the_standard_allows_are_read_without_a_warning():
    header = xa_header()
    stored = b"1000.0000000000000000001 "
    header[0x00181110] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(0x00181110), "DS", len(stored), stored, 0, False, True
    )
    assert xa_geometry(header, 0, source="run.dcm").sid_mm == 1000.0


@pytest.mark.parametrize("frame", [-1, 4])
def test_a_frame_outside_the_run_is_refused(frame):
    with pytest.raises(InputError, match="4 frames"):
        xa_geometry(xa_header(), frame, source="run.dcm")


def test_missing_per_frame_groups_are_an_error():
    header = enhanced_header((10.0, 20.0))
    header.NumberOfFrames = 3
    with pytest.raises(MissingGeometryError, match="2 per-frame groups for 3 frames"):
        xa_geometry(header, 0, source="run.dcm")


@pytest.mark.parametrize(
    ("sop_class", "name"), [("1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"), (None, "without SOP class")]
)
def test_other_objects_are_named_and_refused(sop_class, name):
    with pytest.raises(InputError) as error:
        xa_geometry(xa_header(SOPClassUID=sop_class), 0, source="run.dcm")
    assert name in _one_line(error)


@pytest.mark.parametrize("view", ["IM1", "IM2", "IM5", "IM6"])
def test_the_real_phantom_lies_where_its_pictures_say(view):
    folder = real_data("coronary_phantom")
    placement = json.loads((folder / "placement.json").read_text())["views"][view]
    header = pydicom.dcmread(folder / f"{view}.dcm", stop_before_pixels=True)
    geometry = xa_geometry(header, 0, source=f"{view}.dcm")
    np.testing.assert_allclose(geometry.intrinsics_px(), placement["intrinsics_px"], rtol=0, atol=1e-9)
    fitted = np.array(placement["camera_from_lps_mm"])[:3, :3]
    between = geometry.camera_from_isocentre().rotation @ fitted.T
    angle_deg = np.rad2deg(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1)))
    assert angle_deg < 1.0  # the fit corrects the header's angles by less than that
