"""Files that are encoded otherwise than they state: read as they are written, or refused by name."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
)

from calibration.errors import InputError, MissingGeometryError
from engines.angiography.files.open_run import open_run
from engines.angiography.files.xa_file import XaRun
from engines.angiography.files.xa_writer import xa_dataset
from tests.engines.angiography.xa_samples import changed_file, pixels, record

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MULTI_FRAME_BYTE, _TRUE_COLOUR = f"{_SECONDARY_CAPTURE}.2", f"{_SECONDARY_CAPTURE}.4"


def _frames(path: Path) -> np.ndarray:
    run = open_run(path)
    return np.stack([run.frame(index).pixels for index in range(run.frame_count)])


def _written(dataset: Dataset, *, implicit: bool, little: bool, preamble: bool = True, meta: bool = True) -> bytes:
    """A file whose data set is written in one way and stated in another."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    if preamble:
        buffer.write(b"\0" * 128 + b"DICM")
    if meta:
        write_file_meta_info(buffer, dataset.file_meta, enforce_standard=False)
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, little
    plain = Dataset()
    for element in dataset:
        plain.add(element)
    write_dataset(buffer, plain)
    return buffer.getvalue()


def _jpeg(frame: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, kind, **options)
    return stream.getvalue()


def _compressed(streams: list[bytes]):
    def change(dataset: Dataset) -> None:
        dataset.PixelData = encapsulate(streams, has_bot=False)
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True

    return change


@pytest.mark.parametrize("stated", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(("implicit", "little"), [(False, True), (True, True), (False, False)])
def test_a_plain_file_is_read_as_it_is_written_whatever_it_states(tmp_path, stated, implicit, little):
    stack = pixels(bits=12)
    dataset = xa_dataset(record(stack, bits_stored=12))
    if not little:
        dataset.PixelData = stack.astype(">u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = stated
    data = _written(dataset, implicit=implicit, little=little)
    assert stack.astype("<u2" if little else ">u2").tobytes() in data
    (tmp_path / "run.dcm").write_bytes(data)
    np.testing.assert_array_equal(_frames(tmp_path / "run.dcm"), stack)


@pytest.mark.parametrize("columns", [64, 63])
def test_words_of_big_endian_8_bit_pictures_are_swapped_back(tmp_path, columns):
    stack = pixels(frames=3, shape=(47, columns))
    dataset = xa_dataset(record(stack))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    flat = stack.tobytes() + b"\0" * (stack.size % 2)
    swapped = np.frombuffer(flat, np.uint8).reshape(-1, 2)[:, ::-1].tobytes()
    dataset.PixelData = swapped
    dataset["PixelData"].VR = "OW"
    data = _written(dataset, implicit=False, little=False)
    assert swapped in data
    (tmp_path / "run.dcm").write_bytes(data)
    np.testing.assert_array_equal(_frames(tmp_path / "run.dcm"), stack)


@pytest.mark.parametrize("meta", [True, False])
def test_a_folder_with_one_run_without_preamble_is_that_run(tmp_path, meta):
    stack = pixels()
    data = _written(xa_dataset(record(stack)), implicit=False, little=True, preamble=False, meta=meta)
    (tmp_path / "IM1").write_bytes(data)
    np.testing.assert_array_equal(_frames(tmp_path), stack)


@pytest.mark.parametrize("stated", [None, 1, 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_more_stored_frames_than_stated_are_all_read_and_told(tmp_path, caplog, stated, compressed):
    stack = pixels(frames=5)
    streams = [_jpeg(frame, "JPEG2000", irreversible=False) for frame in stack]

    def change(dataset: Dataset) -> None:
        if stated is None:
            del dataset.NumberOfFrames
        else:
            dataset.NumberOfFrames = stated
        if compressed:
            _compressed(streams)(dataset)

    path = changed_file(
        tmp_path / "run.dcm", change, stack, syntax=JPEG2000Lossless if compressed else ExplicitVRLittleEndian
    )
    np.testing.assert_array_equal(_frames(path), stack)
    assert f"states {stated or 1} frame" in caplog.text
    assert "stores 5" in caplog.text
    assert open_run(path).frame(4).geometry is not None


def test_bytes_that_are_no_whole_picture_add_no_frame(tmp_path):
    def change(dataset: Dataset) -> None:
        dataset.PixelData = dataset.PixelData + b"\1" * 1000

    assert _frames(changed_file(tmp_path / "run.dcm", change)).shape == (3, 48, 64)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_an_8_bit_stream_in_16_allocated_bits_is_read_by_the_streams_depth(tmp_path, kind):
    stack = pixels()
    options = {"quality": 98} if kind == "JPEG" else {"irreversible": False}
    streams = [_jpeg(frame, kind, **options) for frame in stack]

    def change(dataset: Dataset) -> None:
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 8, 7
        _compressed(streams)(dataset)

    syntax = JPEGBaseline8Bit if kind == "JPEG" else JPEG2000Lossless
    found = _frames(changed_file(tmp_path / "run.dcm", change, stack, syntax=syntax))
    np.testing.assert_allclose(found, stack, atol=6 if kind == "JPEG" else 0)


def test_a_16_bit_stream_in_8_allocated_bits_is_refused_by_its_bits(tmp_path):
    deep = pixels(bits=16)
    change = _compressed([_jpeg(frame, "JPEG2000", irreversible=False) for frame in deep])
    run = open_run(changed_file(tmp_path / "run.dcm", change, syntax=JPEG2000Lossless))
    with pytest.raises(InputError, match="the stream holds 16 bits a pixel, the DICOM header allocates 8"):
        run.frame(0)


@pytest.mark.parametrize("stated", [ExplicitVRLittleEndian, JPEGLosslessSV1, JPEGBaseline8Bit])
def test_pictures_compressed_otherwise_than_stated_are_read_as_they_are(tmp_path, stated, caplog):
    stack = pixels()
    change = _compressed([_jpeg(frame, "JPEG2000", irreversible=False) for frame in stack])
    dataset = xa_dataset(record(stack))
    change(dataset)
    dataset.file_meta.TransferSyntaxUID = stated
    path = tmp_path / "run.dcm"
    path.write_bytes(_written(dataset, implicit=False, little=True))
    np.testing.assert_array_equal(_frames(path), stack)
    assert f"states {stated.name}" in caplog.text


def test_plain_pictures_that_are_stated_as_compressed_are_read(tmp_path):
    stack = pixels()
    dataset = xa_dataset(record(stack))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    (tmp_path / "run.dcm").write_bytes(_written(dataset, implicit=False, little=True))
    np.testing.assert_array_equal(_frames(tmp_path / "run.dcm"), stack)


def test_plain_bytes_that_are_no_picture_are_refused_with_the_transfer_syntax(tmp_path):
    dataset = xa_dataset(record())
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = b"\1" * 100
    (tmp_path / "run.dcm").write_bytes(_written(dataset, implicit=False, little=True))
    with pytest.raises(InputError, match=r"run\.dcm: states the transfer syntax JPEG 2000 .* holds 100 plain bytes"):
        open_run(tmp_path / "run.dcm")


# --- pictures without geometry ---


@pytest.mark.parametrize(("sop_class", "frames"), [(_SECONDARY_CAPTURE, 1), (_MULTI_FRAME_BYTE, 3), (_TRUE_COLOUR, 3)])
def test_a_secondary_capture_is_a_run_without_geometry(tmp_path, sop_class, frames, caplog):
    stack = pixels(frames=frames)

    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = sop_class
        if frames == 1:
            del dataset.NumberOfFrames
        if sop_class == _TRUE_COLOUR:
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
            dataset.PixelData = np.repeat(stack[..., None], 3, axis=-1).tobytes()

    path = changed_file(tmp_path / "shot.dcm", change, stack)
    np.testing.assert_allclose(_frames(path), stack, atol=1)
    assert caplog.text.count("pictures without geometry") == 1
    with pytest.raises(MissingGeometryError, match=r"shot\.dcm: a secondary capture does not say how"):
        open_run(path).geometry(0)


def test_a_radiofluoroscopic_run_without_its_c_arm_is_pictures_alone(tmp_path, caplog):
    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.12.2"
        del dataset.PositionerPrimaryAngle

    path = changed_file(tmp_path / "rf.dcm", change)
    assert _frames(path).shape == (3, 48, 64)
    assert "no PositionerPrimaryAngle" in caplog.text


def test_another_kind_of_object_is_named(tmp_path):
    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"

    with pytest.raises(InputError, match="is MR Image Storage, not an X-ray angiographic run"):
        open_run(changed_file(tmp_path / "mr.dcm", change))


def test_the_header_of_an_unreadable_class_is_refused_by_the_class_itself(tmp_path):
    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = _SECONDARY_CAPTURE

    with pytest.raises(InputError, match="not an X-ray angiographic run"):
        XaRun(changed_file(tmp_path / "shot.dcm", change))
