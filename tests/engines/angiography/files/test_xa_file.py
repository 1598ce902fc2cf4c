"""Runs as real devices store them."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from calibration.errors import InputError, MissingGeometryError
from engines.angiography.files.xa_file import XaRun
from engines.angiography.files.xa_writer import xa_dataset
from engines.angiography.run import FrameDecodeError
from tests.calibration.xa_headers import enhanced_header
from tests.engines.angiography.xa_samples import changed_file, pixels, record, xa_file
from tests.real_data import real_data


def _change(**values):
    def change(dataset):
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian], ids=lambda uid: uid.name
)
def test_native_transfer_syntaxes_are_read(tmp_path, syntax):
    stack = pixels(bits=12)
    path = changed_file(tmp_path / "run.dcm", _change(), stack, syntax=syntax)
    run = XaRun(path)
    for index in (2, 0, 1):
        np.testing.assert_array_equal(run.frame(index).pixels, stack[index])
    assert run.geometry(0).sid_mm == 1000.0


def test_big_endian_is_read(tmp_path):
    stack = pixels(bits=16)
    dataset = xa_dataset(record(stack))
    dataset.PixelData = stack.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.save_as(tmp_path / "run.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)
    np.testing.assert_array_equal(XaRun(tmp_path / "run.dcm").frame(1).pixels, stack[1])


@pytest.mark.parametrize("preamble", [True, False])
def test_a_file_without_preamble_or_meta_is_read(tmp_path, preamble):
    stack, dataset = pixels(), xa_dataset(record())
    if not preamble:
        del dataset.file_meta
        dataset.save_as(tmp_path / "run.dcm", implicit_vr=True, little_endian=True)
    else:
        dataset.save_as(tmp_path / "run.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(XaRun(tmp_path / "run.dcm").frame(2).pixels, stack[2])


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("JPGExtended.dcm", 12),
        ("JPEG2000.dcm", 16),
        ("693_J2KI.dcm", 14),
        ("JPEGLSNearLossless_08.dcm", 8),
        ("JPEGLSNearLossless_16.dcm", 16),
        ("MR_small_jpeg_ls_lossless.dcm", 16),
        ("MR_small_jp2klossless.dcm", 16),
        ("MR_small_RLE.dcm", 16),
        ("SC_rgb_jpeg_dcmtk.dcm", 8),
        ("SC_rgb_rle.dcm", 8),
        ("SC_ybr_full_422_uncompressed.dcm", 8),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's remarks about its own damaged samples
def test_compressed_samples_read_as_pydicom_reads_them(tmp_path, name, bits):
    """pydicom's own samples, relabelled as XA, against its own decoder."""
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file(name, download=False))
    expected = dataset.pixel_array
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.XRayAngiographicImageStorage
    dataset.save_as(tmp_path / "run.dcm", enforce_file_format=True)
    frame = XaRun(tmp_path / "run.dcm").frame(0)
    assert frame.bits_stored == bits
    if expected.ndim == 3:
        expected = np.rint(expected.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
    if dataset.PixelRepresentation:
        expected = expected.astype(np.int32) + (1 << (bits - 1))
    np.testing.assert_allclose(frame.pixels, expected, atol=1)


def test_monochrome1_is_inverted_with_its_window(tmp_path):
    stack = pixels()
    path = changed_file(
        tmp_path / "run.dcm", _change(PhotometricInterpretation="MONOCHROME1", WindowCenter=100, WindowWidth=40), stack
    )
    frame = XaRun(path).frame(1)
    np.testing.assert_array_equal(frame.pixels, 255 - stack[1])
    assert (frame.window_center, frame.window_width) == (155.0, 40.0)
    assert not frame.vessels_bright


def test_a_negative_intensity_sign_means_bright_vessels(tmp_path):
    path = changed_file(tmp_path / "run.dcm", _change(PixelIntensityRelationshipSign=-1))
    assert XaRun(path).frame(0).vessels_bright
    turned = changed_file(
        tmp_path / "b.dcm", _change(PixelIntensityRelationshipSign=-1, PhotometricInterpretation="MONOCHROME1")
    )
    assert not XaRun(turned).frame(0).vessels_bright


def test_signed_pixels_are_lifted_to_start_at_zero(tmp_path):
    signed = np.array([[[-2048, -1], [0, 2047]]], dtype=np.int16)

    def change(dataset):
        dataset.Rows = dataset.Columns = 2
        dataset.NumberOfFrames = 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 1
        dataset.WindowCenter, dataset.WindowWidth = 0, 100
        dataset.PixelData = signed.tobytes()
        dataset["PixelData"].VR = "OW"

    frame = XaRun(changed_file(tmp_path / "run.dcm", change)).frame(0)
    np.testing.assert_array_equal(frame.pixels, [[0, 2047], [2048, 4095]])
    assert frame.window_center == 2048.0


def test_an_overlay_in_the_unused_bits_is_not_part_of_the_picture(tmp_path):
    stack = pixels(bits=12)

    def change(dataset):
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = (stack | 0x8000).tobytes()

    np.testing.assert_array_equal(XaRun(changed_file(tmp_path / "run.dcm", change, stack)).frame(0).pixels, stack[0])


def test_pixels_stored_in_the_upper_bits_are_brought_down(tmp_path):
    stack = pixels(bits=12)

    def change(dataset):
        dataset.BitsStored, dataset.HighBit = 12, 15
        dataset.PixelData = (stack << 4).tobytes()

    np.testing.assert_array_equal(XaRun(changed_file(tmp_path / "run.dcm", change, stack)).frame(0).pixels, stack[0])


def test_a_rescaled_window_is_given_in_stored_values(tmp_path):
    path = changed_file(
        tmp_path / "run.dcm", _change(RescaleSlope=2, RescaleIntercept=-100, WindowCenter=100, WindowWidth=60)
    )
    frame = XaRun(path).frame(0)
    assert (frame.window_center, frame.window_width) == (100.0, 30.0)


@pytest.mark.parametrize(
    ("values", "times_ms"),
    [
        ({}, (66.667, 66.667, 66.667)),
        ({"FrameTimeVector": [0, 40, 80]}, (40.0, 80.0, 80.0)),
        ({"FrameTime": None, "CineRate": 20}, (50.0, 50.0, 50.0)),
        ({"FrameTime": None, "CineRate": None, "RecommendedDisplayFrameRate": 10}, (100.0, 100.0, 100.0)),
        ({"FrameTime": 0, "CineRate": 20}, (50.0, 50.0, 50.0)),
        ({"FrameTime": 1e9, "CineRate": 20}, (50.0, 50.0, 50.0)),  # a source that waits for days looks alive
        ({"FrameTimeVector": [0, 40, 1e9]}, (66.667, 66.667, 66.667)),
    ],
)
def test_frame_time_comes_from_the_tags_that_state_it(tmp_path, values, times_ms):
    run = XaRun(changed_file(tmp_path / "run.dcm", _change(**values)))
    assert tuple(run.frame(i).frame_time_ms for i in range(3)) == pytest.approx(times_ms)


def test_without_any_rate_the_frame_time_is_unknown(tmp_path):
    change = _change(FrameTime=None, CineRate=None, RecommendedDisplayFrameRate=None)
    run = XaRun(changed_file(tmp_path / "run.dcm", change))
    assert run.frame_time_ms is None
    assert run.frame(0).frame_time_ms is None


def test_a_run_without_geometry_still_shows_its_pictures_and_says_why(tmp_path):
    run = XaRun(changed_file(tmp_path / "run.dcm", _change(DistanceSourceToDetector=None)))
    frame = run.frame(0)
    assert frame.geometry is None
    assert "DistanceSourceToDetector" in frame.geometry_reason
    with pytest.raises(MissingGeometryError, match="DistanceSourceToDetector"):
        run.geometry(0)


def test_frames_are_read_only_and_outside_the_run_refused(tmp_path):
    run = XaRun(xa_file(tmp_path / "run.dcm"))
    with pytest.raises(ValueError, match="read-only"):
        run.frame(0).pixels[0, 0] = 1
    for index in (-1, 3):
        with pytest.raises(InputError, match="3 frames"):
            run.frame(index)


def test_enhanced_xa_is_read_with_per_frame_geometry(tmp_path):
    stack = pixels(2, shape=(256, 512))
    written = xa_dataset(record(stack))
    header = enhanced_header((10.0, 25.0))
    for keyword in (
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PixelData",
        "SOPInstanceUID",
    ):
        header[keyword] = written[keyword]
    header.file_meta = written.file_meta
    header.save_as(tmp_path / "run.dcm", enforce_file_format=True)
    run = XaRun(tmp_path / "run.dcm")
    np.testing.assert_array_equal(run.frame(1).pixels, stack[1])
    assert np.rad2deg(run.frame(1).geometry.primary_rad) == pytest.approx(25.0)


@pytest.mark.parametrize("has_table", [True, False])
def test_frames_in_several_fragments_are_put_together(tmp_path, has_table):
    stack = pixels(3)

    def change(dataset):
        dataset.compress(JPEG2000Lossless, stack, generate_instance_uid=False)
        frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
        dataset.PixelData = encapsulate(frames, fragments_per_frame=2, has_bot=has_table)

    run = XaRun(changed_file(tmp_path / "run.dcm", change, stack, syntax=JPEG2000Lossless))
    for index in (2, 1, 0):
        np.testing.assert_array_equal(run.frame(index).pixels, stack[index])


@pytest.mark.parametrize("compression", ["none", "rle", "jpeg2000"])
def test_a_cut_off_file_keeps_the_frames_it_has(tmp_path, compression):
    stack = pixels(4)
    path = xa_file(tmp_path / "run.dcm", stack, compression=compression)
    whole = path.read_bytes()
    path.write_bytes(whole[: -stack[0].size // 8])
    run = XaRun(path)
    assert run.frame_count == 4
    for index in range(3):
        np.testing.assert_array_equal(run.frame(index).pixels, stack[index])
    with pytest.raises(FrameDecodeError, match=r"run\.dcm: frame 3"):
        run.frame(3)


def test_one_damaged_frame_does_not_take_the_others(tmp_path):
    stack = pixels(3)

    def change(dataset):
        dataset.compress(JPEG2000Lossless, stack, generate_instance_uid=False)
        frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
        dataset.PixelData = encapsulate([frames[0], b"\0" * 64, frames[2]])

    run = XaRun(changed_file(tmp_path / "run.dcm", change, stack, syntax=JPEG2000Lossless))
    np.testing.assert_array_equal(run.frame(0).pixels, stack[0])
    np.testing.assert_array_equal(run.frame(2).pixels, stack[2])
    with pytest.raises(FrameDecodeError, match="frame 1"):
        run.frame(1)


@pytest.mark.parametrize(("name", "frames"), [("IM1", 14), ("IM6", 9)])
def test_the_real_phantom_is_read_frame_by_frame(name, frames):
    path = real_data("coronary_phantom") / f"{name}.dcm"
    run = XaRun(path)
    assert (run.frame_count, run.kind) == (frames, "fluoro")
    assert run.frame_time_ms == pytest.approx(66.6667)
    frame = run.frame(frames - 1)
    expected = pydicom.pixels.pixel_array(path, index=frames - 1)
    np.testing.assert_array_equal(frame.pixels, expected)
    assert frame.geometry is not None


@pytest.mark.parametrize(
    ("relationship", "photometric", "linear", "logarithmic"),
    [("LIN", "MONOCHROME2", True, False), ("LIN", "MONOCHROME1", False, False), ("LOG", "MONOCHROME2", False, True),
     ("DISP", "MONOCHROME2", False, False), ("", "MONOCHROME2", False, False)],
)  # fmt: skip
def test_a_frame_says_whether_its_values_are_linear_in_the_beam(
    tmp_path, relationship, photometric, linear, logarithmic
):
    change = _change(PixelIntensityRelationship=relationship, PhotometricInterpretation=photometric)
    run = XaRun(changed_file(tmp_path / "run.dcm", change))
    assert run.frame(0).linear_intensity is linear
    assert run.log_intensity is run.frame(0).log_intensity is logarithmic


def test_the_relationship_of_an_enhanced_object_is_found_in_its_shared_groups(tmp_path):
    def change(dataset):
        properties, group = Dataset(), Dataset()
        properties.PixelIntensityRelationship, properties.PixelIntensityRelationshipSign = "LIN", -1
        group.FramePixelDataPropertiesSequence = [properties]
        dataset.SharedFunctionalGroupsSequence = [group]
        del dataset.PixelIntensityRelationship

    frame = XaRun(changed_file(tmp_path / "run.dcm", change)).frame(0)
    assert frame.linear_intensity
    assert frame.vessels_bright
