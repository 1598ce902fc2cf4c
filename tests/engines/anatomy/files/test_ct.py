import re
import shutil
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct, save_ct
from engines.anatomy.vessel_model import CtVolume
from tests.engines.anatomy.ct_files import ORIGIN_MM, SPACING_MM, STEP_MM, voxel_values, write_series
from tests.fuzz.dicom_damage import file_bytes
from tests.fuzz.samples import ct_slices


def test_a_series_in_any_file_order_lies_where_its_headers_say(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    ct = load_ct(tmp_path / "ct")
    np.testing.assert_array_equal(ct.voxels_hu, voxel_values(5).transpose(2, 1, 0) - 1000)
    assert ct.voxels_hu.dtype == np.int16
    expected = np.diag([SPACING_MM[1], SPACING_MM[0], STEP_MM, 1.0])
    expected[:3, 3] = ORIGIN_MM
    np.testing.assert_allclose(ct.lps_from_index, expected, atol=1e-6)
    assert ct.frame_of_reference_uid == "1.2.3.4.5"


def test_a_coronal_series_lies_where_its_headers_say(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", orientation=(1, 0, 0, 0, 0, -1), step_mm=(0, STEP_MM, 0))
    ct = load_ct(tmp_path / "ct")
    # Voxel (column 1, row 2, slice 3): left by one column, down by two rows, back by three slices.
    place = ct.lps_from_index @ (1, 2, 3, 1)
    moved_mm = (SPACING_MM[1], 3 * STEP_MM, -2 * SPACING_MM[0])
    np.testing.assert_allclose(place[:3] - ORIGIN_MM, moved_mm, atol=1e-6)
    assert ct.voxels_hu[1, 2, 3] == voxel_values(5)[3, 2, 1] - 1000


def test_slices_whose_normal_runs_against_their_positions_are_sorted_too(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", orientation=(1, 0, 0, 0, 1, 0), step_mm=(0, 0, -STEP_MM))
    ct = load_ct(tmp_path / "ct")
    np.testing.assert_array_equal(ct.voxels_hu[:, :, 0].T, voxel_values(5)[4] - 1000)


def test_rescale_with_fractions_and_padding_is_applied(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", RescaleSlope=0.5, RescaleIntercept=-10, PixelPaddingValue=7)
    ct = load_ct(tmp_path / "ct")
    expected = voxel_values(5).transpose(2, 1, 0) * 0.5 - 10
    expected[voxel_values(5).transpose(2, 1, 0) == 7] = -1024
    np.testing.assert_allclose(ct.voxels_hu, expected)


def test_other_files_and_scouts_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct" / "scout", 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (tmp_path / "ct" / "report.txt").write_text("hello")
    (tmp_path / "ct" / "DICOMDIR").write_bytes(b"\0" * 200)
    assert load_ct(tmp_path / "ct").voxels_hu.shape == (8, 6, 5)


def test_of_several_series_one_is_chosen_by_one_of_its_files(tmp_path: Path) -> None:
    write_series(tmp_path / "ct" / "a", 4)
    chosen = write_series(tmp_path / "ct" / "b", 6, prefix="t", SeriesNumber=9)
    with pytest.raises(InputError, match=r"2 CT series .*series 9: 6 slices of 8x6.*path of one of its files"):
        load_ct(tmp_path / "ct")
    assert load_ct(chosen[2]).voxels_hu.shape[2] == 6


def _swap_tag(path: Path, **tags: object) -> None:
    dataset = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


def test_nested_and_mistyped_headers_are_refused_in_one_line(tmp_path: Path) -> None:
    """Found by fuzzing: pydicom raises exceptions of its own types for both."""
    paths = write_series(tmp_path, 3)
    whole = paths[1].read_bytes()
    nested = struct.pack("<HH2sHI", 0x0008, 0x0000, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    at = whole.index(struct.pack("<HH2s", 0x0008, 0x0016, b"UI"))
    for damaged in (whole[:at] + nested * 3000 + whole[at:], whole[: at + 4] + b"FD" + whole[at + 6 :]):
        paths[1].write_bytes(damaged)
        with pytest.raises(InputError, match=paths[1].name):
            load_ct(tmp_path)


def test_image_type_that_is_a_number_is_no_localizer(tmp_path: Path) -> None:
    """Found by fuzzing."""
    paths = write_series(tmp_path, 3)
    whole = paths[1].read_bytes()
    at = whole.index(struct.pack("<HH2s", 0x0008, 0x0008, b"CS"))
    (length,) = struct.unpack_from("<H", whole, at + 6)
    number = struct.pack("<HH2sHH", 0x0008, 0x0008, b"US", 2, 7)
    paths[1].write_bytes(whole[:at] + number + whole[at + 8 + length :])
    assert load_ct(tmp_path).voxels_hu.shape[2] == 3


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=["rle", "jpeg2000"])
def test_compressed_slices_keep_their_hounsfield_units(tmp_path: Path, syntax: UID) -> None:
    slices = ct_slices(syntax)
    for index, slice_ in enumerate(slices):
        (tmp_path / f"{index}.dcm").write_bytes(file_bytes(slice_))
    rows, columns = slices[0].Rows, slices[0].Columns
    first = np.arange(rows * columns).reshape(rows, columns).T - 1000
    np.testing.assert_array_equal(load_ct(tmp_path).voxels_hu, np.stack([first + k for k in range(5)], axis=-1))


def test_slice_whose_stream_states_another_size_never_reaches_the_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, slice_ in enumerate(ct_slices(JPEG2000Lossless)):
        content = file_bytes(slice_)
        size = content.index(b"\xff\x51") + 6  # of SIZ: 40 rows, 48 columns
        if index == 0:
            content = content[:size] + struct.pack(">II", 60_000, 60_000) + content[size + 8 :]
        (tmp_path / f"{index}.dcm").write_bytes(content)
    monkeypatch.setattr(pydicom.pixels.decoders.base.Decoder, "as_array", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(InputError, match=r"0\.dcm: pixels cannot be decoded .*60000 rows x 60000 columns"):
        load_ct(tmp_path)


def test_deflated_slice_is_inflated_only_as_far_as_its_picture_needs(tmp_path: Path) -> None:
    for index, slice_ in enumerate(ct_slices(DeflatedExplicitVRLittleEndian)):
        content = file_bytes(slice_)
        if index == 0:
            slice_.add_new(0x00091001, "OB", bytes(40 * 1024**2))
            content = file_bytes(slice_)
        (tmp_path / f"{index}.dcm").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.dcm"):  # its header alone exceeds the limit for headers
        load_ct(tmp_path)


def test_missing_slices_are_counted(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 8)
    paths[3].unlink()
    paths[4].unlink()
    with pytest.raises(InputError, match=r"2 slices are missing between s006.dcm and s003.dcm"):
        load_ct(tmp_path)


def test_uneven_spacing_is_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 6)
    _swap_tag(paths[-1], ImagePositionPatient=[*ORIGIN_MM[:2], ORIGIN_MM[2] + 5 * STEP_MM + 0.4])
    with pytest.raises(InputError, match="unevenly spaced"):
        load_ct(tmp_path)


def test_positions_rounded_to_a_tenth_are_accepted(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 6, step_mm=(0, 0, 0.625))
    for index, path in enumerate(paths):
        _swap_tag(path, ImagePositionPatient=[*ORIGIN_MM[:2], round(float(ORIGIN_MM[2]) + index * 0.625, 1)])
    assert load_ct(tmp_path).spacing_mm[2] == pytest.approx(0.62, abs=0.02)


def test_gantry_tilt_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, 20, step_mm=(0, 0.3, STEP_MM))
    with pytest.raises(InputError, match=r"askew by 13\.5 degrees \(gantry tilt\)"):
        load_ct(tmp_path)


def test_two_pictures_in_one_place_are_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    other = (voxel_values(5)[2] + 7).astype(np.int16).tobytes()
    _swap_tag(tmp_path / "copy.dcm", SOPInstanceUID="1.2.3.99", PixelData=other)
    with pytest.raises(InputError, match="same place"):
        load_ct(tmp_path)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Rows": 5}, "picture sizes"),
        ({"PixelSpacing": [0.9, 0.5]}, "pixel spacings"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "orientations"),
        ({"FrameOfReferenceUID": "9.9"}, "frames of reference"),
    ],
)
def test_a_mixed_series_is_refused(tmp_path: Path, tags: dict[str, object], message: str) -> None:
    paths = write_series(tmp_path)
    _swap_tag(paths[1], **tags)
    with pytest.raises(InputError, match=message):
        load_ct(tmp_path)


@pytest.mark.parametrize(
    "tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "Rows"]
)
def test_a_missing_tag_is_named(tmp_path: Path, tag: str) -> None:
    write_series(tmp_path, **{tag: None})
    with pytest.raises(InputError, match=tag):
        load_ct(tmp_path)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "right angles"),
        ({"PixelSpacing": [0.0, 0.5]}, "pixel spacing"),
        ({"PixelSpacing": [800.0, 500.0]}, "pixel spacing"),
        ({"Rows": 60000, "Columns": 60000}, "too large"),
        ({"PixelData": b"\0" * 10}, "cannot be decoded"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "Enhanced CT"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "none of its 5 files is a DICOM CT slice"),
    ],
)
def test_an_unusable_series_is_one_clear_line(tmp_path: Path, tags: dict[str, object], message: str) -> None:
    write_series(tmp_path, **tags)
    with pytest.raises(InputError, match=message):
        load_ct(tmp_path)


def test_empty_missing_and_single(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        load_ct(tmp_path / "none")
    with pytest.raises(InputError, match="empty"):
        load_ct(tmp_path)
    write_series(tmp_path, 1)
    with pytest.raises(InputError, match="only CT slice"):
        load_ct(tmp_path)
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="neither NIfTI nor"):
        load_ct(tmp_path / "x.png")


# --- NIfTI ---


def _volume() -> np.ndarray:
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def _save(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    image = nib.Nifti1Image(voxels, None)
    image.header.set_sform(affine, code=1)  # bypasses nibabel's own checks, so that a singular affine reaches ours
    nib.save(image, path)
    return path


RAS = np.array([[-0.5, 0, 0, 20.0], [0, 0.6, 0, -30.0], [0, 0, 1.5, 100.0], [0, 0, 0, 1]])


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_nifti_is_turned_from_ras_to_lps(tmp_path: Path, name: str) -> None:
    ct = load_ct(_save(tmp_path / name, _volume(), RAS))
    np.testing.assert_array_equal(ct.voxels_hu, _volume())
    np.testing.assert_allclose((ct.lps_from_index @ (0, 0, 0, 1))[:3], (-20, 30, 100))
    np.testing.assert_allclose((ct.lps_from_index @ (1, 1, 1, 1))[:3], (-19.5, 29.4, 101.5))


def test_a_volume_survives_the_file(tmp_path: Path) -> None:
    angle = 0.3
    lps_from_index = np.eye(4)
    lps_from_index[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    lps_from_index[:3, :3] *= (0.4, 0.5, 0.9)
    lps_from_index[:3, 3] = (-11.5, 200.25, -7.125)
    for voxels in (_volume(), _volume().astype(np.float32) / 7):
        save_ct(tmp_path / "ct.nii.gz", CtVolume(voxels_hu=voxels, lps_from_index=lps_from_index))
        back = load_ct(tmp_path / "ct.nii.gz")
        np.testing.assert_array_equal(back.voxels_hu, voxels)
        np.testing.assert_allclose(back.lps_from_index, lps_from_index, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    voxels = _volume().astype(np.float32)
    voxels[1, 2, 3] = bad
    with pytest.raises(InputError, match="1 of 120 voxels are NaN or infinite"):
        load_ct(_save(tmp_path / "ct.nii", voxels, RAS))


SHEARED = RAS.copy()
SHEARED[1, 2] = 0.3
SINGULAR = RAS.copy()
SINGULAR[:3, 2] = 0


@pytest.mark.parametrize(
    ("voxels", "affine", "message"),
    [
        (np.zeros((3, 4, 5, 2), np.int16), RAS, r"shape \(3, 4, 5, 2\), expected one 3-D"),
        (np.zeros((3, 4), np.int16), RAS, "expected one 3-D"),
        (np.zeros((1, 4, 5), np.int16), RAS, "at least 2 voxels"),
        (np.zeros((3, 4, 5), np.int16), RAS, "every voxel is 0"),
        (_volume().astype(np.float32) * 1e6, RAS, "no Hounsfield units"),
        (_volume(), SHEARED, "right angles .*gantry tilt"),
        (_volume(), SINGULAR, "spacing"),
        (_volume(), np.diag([0.0005, 0.0005, 0.001, 1.0]), "spacing"),
        (_volume(), np.diag([500.0, 500, 900, 1]), "spacing"),
        (_volume().astype(np.complex64), RAS, "one number each|complex"),
    ],
)
def test_an_unusable_nifti_is_one_clear_line(
    tmp_path: Path, voxels: np.ndarray, affine: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_ct(_save(tmp_path / "ct.nii", voxels, affine))
    assert "ct.nii" in str(caught.value)


def test_a_nifti_without_orientation_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(_volume(), None)
    nib.save(image, tmp_path / "ct.nii")
    with pytest.raises(InputError, match="does not state its orientation"):
        load_ct(tmp_path / "ct.nii")


@pytest.mark.parametrize(
    ("unit", "said"), [(1, "meter, expected mm"), (3, "micron"), (6, "unit 6, which does not exist")]
)
def test_a_nifti_in_other_units_is_refused(tmp_path: Path, unit: int, said: str) -> None:
    image = nib.Nifti1Image(_volume(), RAS)
    image.header["xyzt_units"] = unit
    nib.save(image, tmp_path / "ct.nii")
    with pytest.raises(InputError, match=said):
        load_ct(tmp_path / "ct.nii")


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_a_header_that_promises_more_than_the_file_holds_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = _save(tmp_path / "ct.nii", _volume(), RAS)
    content = bytearray(path.read_bytes())
    struct.pack_into("<3h", content, 42, 900, 900, 900)
    if name.endswith(".gz"):
        import gzip

        content = bytearray(gzip.compress(bytes(content)))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="promises 1458000000 bytes"):
        load_ct(tmp_path / name)


def test_a_volume_beyond_the_cap_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "ct.nii", _volume(), RAS)
    content = bytearray(path.read_bytes())
    struct.pack_into("<3h", content, 42, 9000, 9000, 9000)
    path.write_bytes(content)
    with pytest.raises(InputError, match="billion voxels"):
        load_ct(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b broken"])
def test_a_file_that_is_no_nifti_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("ct.nii", "ct.nii.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as NIfTI"):
            load_ct(tmp_path / name)


# --- sform and qform, offsets, several volumes ---


def _two_forms(path: Path, qform: np.ndarray, voxels: np.ndarray | None = None) -> Path:
    image = nib.Nifti1Image(_volume() if voxels is None else voxels, RAS)
    image.header.set_xyzt_units("mm")
    image.set_sform(RAS, code=1)
    image.set_qform(qform, code=1)
    nib.save(image, path)
    return path


QUARTER = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
MOVED = RAS + np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 15], [0, 0, 0, 0.0]])
FINER = RAS @ np.diag([1, 1, 0.8, 1])


@pytest.mark.parametrize(
    ("qform", "said"),
    [(QUARTER @ RAS, r"turned by 90\.0 degrees"), (MOVED, r"up to 15\.0 mm apart \(turned by 0\.0"), (FINER, "1.5 mm")],
)
def test_forms_that_disagree_are_said_with_numbers_and_the_sform_is_taken(
    tmp_path: Path, qform: np.ndarray, said: str
) -> None:
    path = _two_forms(tmp_path / "ct.nii", qform)
    notes: list[str] = []
    ct = load_ct(path, note=notes.append)
    assert len(notes) == 1
    assert re.search(said, notes[0])
    assert "--nifti-form sform or qform" in notes[0]
    np.testing.assert_allclose(LPS @ ct.lps_from_index, RAS, atol=1e-5)
    for form, affine in (("sform", RAS), ("qform", qform)):
        chosen = load_ct(path, nifti_form=form, note=lambda text: pytest.fail(text))
        np.testing.assert_allclose(LPS @ chosen.lps_from_index, affine, atol=1e-4)


LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def test_forms_of_which_one_mirrors_the_other_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    path = _two_forms(tmp_path / "ct.nii", RAS @ np.diag([-1.0, 1, 1, 1]))
    with pytest.raises(InputError, match=r"mirror image .*--nifti-form sform or qform"):
        load_ct(path)
    np.testing.assert_allclose(LPS @ load_ct(path, nifti_form="sform").lps_from_index, RAS, atol=1e-5)


def test_forms_that_agree_up_to_rounding_are_silent_and_a_form_that_is_absent_cannot_be_chosen(tmp_path: Path) -> None:
    angle = 0.3
    turned = RAS.copy()
    turned[:2, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ RAS[:2, :2]
    image = nib.Nifti1Image(_volume(), turned)
    image.set_sform(turned, code=1)
    image.set_qform(turned, code=1)
    nib.save(image, tmp_path / "ct.nii")
    load_ct(tmp_path / "ct.nii", note=lambda text: pytest.fail(text))
    with pytest.raises(InputError, match="has no qform"):
        load_ct(_save(tmp_path / "s.nii", _volume(), RAS), nifti_form="qform")


def _body(offset: float) -> np.ndarray:
    """Air about soft tissue with a bright vessel."""
    x, y, _ = np.meshgrid(np.arange(40) - 20, np.arange(40) - 20, np.arange(20), indexing="ij")
    hu = np.where(x**2 + y**2 < 15**2, 40, -1000) + np.where(x**2 + y**2 < 9, 300, 0)
    return (hu + offset).astype(np.int16)


@pytest.mark.parametrize("offset", [1024, -1024])
def test_values_offset_by_1024_are_said_and_the_offset_can_be_taken_off(tmp_path: Path, offset: int) -> None:
    path = _save(tmp_path / "ct.nii", _body(offset), RAS)
    notes: list[str] = []
    np.testing.assert_array_equal(load_ct(path, note=notes.append).voxels_hu, _body(offset))
    assert f"offset by {offset} (air at {offset - 1000}, tissue at {offset + 40})" in notes[0]
    assert f"--hu-offset {-offset}" in notes[0]
    right = load_ct(path, hu_offset=-offset, note=lambda text: pytest.fail(text))
    np.testing.assert_array_equal(right.voxels_hu, _body(0))


def test_hounsfield_units_raise_no_doubt_whatever_they_show(tmp_path: Path) -> None:
    padded = _body(0)
    padded[:3] = -2000
    for voxels in (_body(0), padded, _body(0)[12:28, 12:28], _volume()):
        load_ct(_save(tmp_path / "ct.nii", voxels, RAS), note=lambda text: pytest.fail(text))


def test_a_phase_of_a_four_dimensional_nifti_is_chosen(tmp_path: Path) -> None:
    path = _save(tmp_path / "ct.nii", np.stack([_volume(), _volume() + 7], axis=-1), RAS)
    np.testing.assert_array_equal(load_ct(path, phase=2).voxels_hu, _volume() + 7)
    with pytest.raises(InputError, match="no phase 3; it holds 1 to 2"):
        load_ct(path, phase=3)
    with pytest.raises(InputError, match=r"expected one 3-D volume.*--phase"):
        load_ct(path)
