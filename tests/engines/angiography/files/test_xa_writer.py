import hashlib
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from calibration.errors import InputError
from engines.angiography.files.xa_file import XaRun
from engines.angiography.files.xa_writer import instance_uid, write_xa, xa_dataset
from tests.engines.angiography.xa_samples import pixels, record, view, xa_file


@pytest.fixture
def strict(monkeypatch):
    monkeypatch.setattr(pydicom.config.settings, "_reading_validation_mode", pydicom.config.RAISE)
    monkeypatch.setattr(pydicom.config.settings, "_writing_validation_mode", pydicom.config.RAISE)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("compression", ["none", "rle", "jpeg2000"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_what_is_written_is_valid_and_read_back_bit_for_bit(tmp_path, bits, compression):
    stack = pixels(bits=bits)
    path = xa_file(tmp_path / "run.dcm", stack, bits_stored=bits, compression=compression)
    dataset = pydicom.dcmread(path)
    for element in dataset.iterall():
        assert element.value is not NotImplemented  # converts, and so validates, every value
    np.testing.assert_array_equal(dataset.pixel_array, stack)
    run = XaRun(path)
    for index in range(3):
        frame = run.frame(index)
        np.testing.assert_array_equal(frame.pixels, stack[index])
        assert (frame.bits_stored, frame.pixels.dtype) == (bits, stack.dtype)


def test_geometry_of_every_frame_survives(tmp_path):
    views = [view(10.0 + 1.25 * i, table_mm=(float(i), -2.0 * i, 100.0)) for i in range(3)]
    run = XaRun(xa_file(tmp_path / "run.dcm", geometry=views))
    for index, written in enumerate(views):
        found = run.geometry(index)
        assert found.same_view(written)
        assert found.primary_rad == pytest.approx(written.primary_rad, abs=1e-7)
        assert found.table_mm == pytest.approx(written.table_mm)
    assert not run.geometry(0).same_view(run.geometry(1))


def test_a_mirrored_picture_stays_one(tmp_path):
    assert XaRun(xa_file(tmp_path / "run.dcm", geometry=view(mirrored=True))).geometry(0).mirrored


def test_time_mask_frame_of_reference_and_window_survive(tmp_path):
    run = XaRun(
        xa_file(
            tmp_path / "run.dcm",
            mask_frames=(0, 2),
            frame_of_reference_uid="1.2.3.4",
            window_center=100.0,
            window_width=50.0,
            acquired="20240229131500",
        )
    )
    assert run.frame_time_ms == pytest.approx(66.667)
    assert [operation.mask_frames for operation in run.mask] == [(0, 2)]
    assert run.frame_of_reference_uid == "1.2.3.4"
    frame = run.frame(1)
    assert (frame.window_center, frame.window_width) == (100.0, 50.0)
    assert frame.acquired == "20240229131500"
    assert frame.sop_instance_uid == instance_uid("test/run")


def test_a_subtracted_run_is_recognised(tmp_path):
    assert XaRun(xa_file(tmp_path / "run.dcm", subtracted=True)).kind == "dsa"
    assert XaRun(xa_file(tmp_path / "other.dcm")).kind == "fluoro"


def test_the_same_record_gives_the_same_file_and_another_seed_another_instance(tmp_path):
    first, second, other = (
        xa_file(tmp_path / name, uid_seed=seed) for name, seed in (("a", "s"), ("b", "s"), ("c", "t"))
    )
    digest = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second, other)]
    assert digest[0] == digest[1] != digest[2]
    assert xa_dataset(record(uid_seed="s")).StudyInstanceUID == xa_dataset(record(uid_seed="t")).StudyInstanceUID


def test_no_patient_is_named(tmp_path):
    dataset = pydicom.dcmread(xa_file(tmp_path / "run.dcm", patient_id="CASE-7"))
    assert str(dataset.PatientName) == dataset.PatientID == "CASE-7"
    assert dataset.PatientIdentityRemoved == "YES"
    assert not dataset.PatientBirthDate


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pixels": np.zeros((0, 48, 64), np.uint8)}, "a run is"),
        ({"pixels": np.zeros((48, 64), np.uint8)}, "a run is"),
        ({"pixels": np.zeros((3, 48, 64), np.float32)}, "a run is"),
        ({"pixels": np.full((3, 48, 64), 4096, np.uint16), "bits_stored": 12}, "do not fit 12"),
        ({"geometry": [view(), view()]}, "3 frames but 2 geometries"),
        ({"geometry": [view(), view(sid_mm=1010.0), view()]}, "changes SID"),
        ({"geometry": view(shape=(64, 64))}, "its geometry is for"),
        ({"geometry": view(principal_point_px=(0.0, 0.0))}, "principal point"),
        ({"mask_frames": (3,)}, "mask frames"),
        ({"frame_time_ms": 0.0}, "frame time"),
        ({"frame_time_ms": float("nan")}, "frame time"),
    ],
)
def test_what_xa_cannot_hold_is_refused_and_nothing_is_left(tmp_path, changes, said):
    with pytest.raises(InputError, match=said) as error:
        write_xa(tmp_path / "run.dcm", replace(record(), **changes))
    assert str(error.value).startswith("run.dcm: ")
    assert list(tmp_path.iterdir()) == []
