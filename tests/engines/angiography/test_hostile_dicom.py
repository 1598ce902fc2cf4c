"""Files made to exhaust memory or time, or to crash the program: each is refused with one clear line, before memory is
allocated."""

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from calibration.errors import InputError
from engines.angiography.files.codestream import CodestreamError, stream_size
from engines.angiography.files.open_run import open_run
from engines.angiography.files.xa_writer import xa_dataset
from engines.angiography.run import FrameDecodeError
from guidance_app.sources.dicom.received_run import read_received
from tests.engines.angiography.xa_samples import changed_file, pixels, record, xa_file
from tests.fuzz.dicom_damage import set_bytes

_ALLOWED_GROWTH_BYTES = 96 * 1024**2


@pytest.fixture(autouse=True)
def _little_memory():
    """Check that a refusal allocates little memory: reset the peak of the resident size, then read it."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        yield  # not Linux: only the other assertions are checked
        return
    reset.write_text("5")
    before = _peak_bytes(status)
    yield
    assert _peak_bytes(status) - before < _ALLOWED_GROWTH_BYTES


def _peak_bytes(status: Path) -> int:
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _refusal(path: Path, error: type[InputError] = InputError, frame: int | None = 0) -> str:
    """The one-line error with which reading the file ends."""

    def read() -> None:
        run = open_run(path)
        if frame is not None:
            run.frame(frame)

    with pytest.raises(error) as refused:
        read()
    text = str(refused.value)
    assert "\n" not in text
    assert path.name in text
    assert len(text) < 400
    return text


def _set(**values):
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Rows": 8193}, "8193 rows"),
        ({"Columns": 65535}, "65535 columns"),
        ({"Rows": 0}, "0 rows"),
        ({"NumberOfFrames": 2**31 - 1}, "GiB"),
        # 8192 x 8192 x 64 wraps to zero in 32 bits.
        ({"Rows": 8192, "Columns": 8192, "NumberOfFrames": 64}, "GiB"),
        ({"NumberOfFrames": -3}, "Number of Frames is -3"),
        ({"NumberOfFrames": 0}, "Number of Frames is 0"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 of 32 bits"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "1 of 1 bits"),
        ({"BitsStored": 12}, "12 of 8 bits"),
        ({"HighBit": 200}, "high bit 200"),
        ({"SamplesPerPixel": 4}, "4 samples"),
        ({"SamplesPerPixel": 3}, "MONOCHROME2 with 3 samples"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "CT Image Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "Basic Text SR"),
    ],
)
def test_headers_that_lie_about_size_or_kind(tmp_path, values, said):
    assert said in _refusal(changed_file(tmp_path / "run.dcm", _set(**values)), frame=None)


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated", "PixelData"])
def test_headers_without_what_a_picture_needs(tmp_path, keyword):
    def change(dataset):
        delattr(dataset, keyword)

    assert _refusal(changed_file(tmp_path / "run.dcm", change), frame=None)


def test_more_frames_than_the_file_holds_fail_one_by_one(tmp_path):
    path = changed_file(tmp_path / "run.dcm", _set(NumberOfFrames=1000))
    run = open_run(path)
    np.testing.assert_array_equal(run.frame(2).pixels, pixels()[2])
    assert "frame 3 is cut off" in _refusal(path, FrameDecodeError, frame=3)


def test_a_pixel_data_length_beyond_the_file(tmp_path):
    path = xa_file(tmp_path / "run.dcm")
    data = bytearray(path.read_bytes())
    at = data.rindex(struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OB", 0)) + 8
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFE)
    path.write_bytes(data)
    np.testing.assert_array_equal(open_run(path).frame(2).pixels, pixels()[2])


def test_a_header_value_length_beyond_the_file(tmp_path):
    path = xa_file(tmp_path / "run.dcm", description="x" * 20)
    data = path.read_bytes()
    private = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 0xFFFFFFF0)
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))  # patient name, where group 9 belongs
    path.write_bytes(data[:at] + private + data[at:])
    assert _refusal(path)


def test_a_fragment_length_beyond_the_file(tmp_path):
    path = xa_file(tmp_path / "run.dcm", compression="rle")
    data = bytearray(path.read_bytes())
    first_item = data.index(b"\xfe\xff\x00\xe0")
    second_item = data.index(b"\xfe\xff\x00\xe0", first_item + 4)
    data[second_item + 4 : second_item + 8] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    assert "frame 0" in _refusal(path, FrameDecodeError)


def test_a_chain_of_empty_fragments(tmp_path):
    def change(dataset):
        dataset.compress(RLELossless, pixels(), generate_instance_uid=False)
        dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" * 50_000
        dataset["PixelData"].is_undefined_length = True

    assert "frame 0" in _refusal(changed_file(tmp_path / "run.dcm", change, syntax=RLELossless), FrameDecodeError)


def _jpeg(rows: int, columns: int, samples: int = 1) -> bytes:
    """The header of a JPEG stream without content: a decoder that trusts it would allocate memory first."""
    frame = struct.pack(">BHHB", 8, rows, columns, samples) + b"\x01\x11\x00" * samples
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"


def _j2k(rows: int, columns: int, samples: int = 1) -> bytes:
    size = struct.pack(">HIIIIIIIIH", 0, columns, rows, 0, 0, columns, rows, 0, 0, samples) + b"\x07\x01\x01" * samples
    return b"\xff\x4f\xff\x51" + struct.pack(">H", (2 + len(size)) & 0xFFFF) + size + b"\xff\x52\x00\x00" + b"\0" * 40


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless], ids=lambda uid: uid.name)
@pytest.mark.parametrize("size", [(65500, 65500, 1), (48, 65, 1), (48, 64, 3), (0, 64, 1)])
def test_a_stream_of_another_size_than_the_header_never_reaches_the_decoder(tmp_path, monkeypatch, syntax, size):
    stream = _j2k(*size) if syntax == JPEG2000Lossless else _jpeg(*size)

    def change(dataset):
        dataset.PixelData = encapsulate([stream] * 3)
        dataset["PixelData"].is_undefined_length = True

    def never(*_args, **_kwargs):
        raise AssertionError("the decoder was asked")

    monkeypatch.setattr(pydicom.pixels.decoders.base.Decoder, "as_array", never)
    path = changed_file(tmp_path / "run.dcm", change, syntax=syntax)
    assert "the DICOM header says 48 x 64 x 1" in _refusal(path, FrameDecodeError)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        _jpeg(8, 8)[:9],
        b"\xff\xd8\xff\xe0\x00\x00",
        b"\xff\xd8\x00\x00",
        b"\xff\xd8\xff\xda\x00\x02",
        _jpeg(8, 8)[:-10] + _jpeg(9999, 9999)[2:],
        _j2k(8, 8)[:20],
        _j2k(8, 8, samples=60000)[:60],
        b"\x00\x00\x00\x0cjP  " + b"\0" * 5000,
        b"GIF89a" + b"\0" * 100,
    ],
)
def test_broken_streams_do_not_state_a_size(stream):
    with pytest.raises(CodestreamError):
        stream_size(stream)


def test_sizes_of_whole_streams_are_found():
    assert (stream_size(_jpeg(30, 40)).rows, stream_size(_j2k(30, 40, 3)).columns) == (30, 40)


def test_a_run_length_bomb(tmp_path):
    """Two bytes expand to 128: a long segment would fill memory before its length is checked."""
    bomb = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 4_000_000

    def change(dataset):
        dataset.PixelData = encapsulate([bomb] * 1)
        dataset["PixelData"].is_undefined_length = True
        dataset.NumberOfFrames = 1

    path = changed_file(tmp_path / "run.dcm", change, syntax=RLELossless)
    assert "longer than the picture" in _refusal(path, FrameDecodeError)


@pytest.mark.parametrize("offsets", [(0, 64), (16, 64), (1, 0), (1, 63), (1, 1 << 31), (2, 64)])
def test_broken_run_length_headers(tmp_path, offsets):
    frame = struct.pack("<16I", *offsets, *[0] * 14) + b"\x81\x00" * 30

    def change(dataset):
        dataset.PixelData = encapsulate([frame] * 3)
        dataset["PixelData"].is_undefined_length = True

    path = changed_file(tmp_path / "run.dcm", change, syntax=RLELossless)
    assert "frame 1" in _refusal(path, FrameDecodeError, frame=1)


def _dataset_start(path: Path) -> int:
    return 132 + 12 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength


def test_a_deflated_bomb_is_inflated_only_as_far_as_its_pictures_need(tmp_path):
    dataset = xa_dataset(record())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    meta_length = _dataset_start(tmp_path / "plain.dcm")
    whole = (tmp_path / "plain.dcm").read_bytes()
    inflated = zlib.decompress(whole[meta_length:], -zlib.MAX_WBITS)
    at = inflated.rindex(struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OB", 0)) + 8
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    path = tmp_path / "run.dcm"
    with path.open("wb") as file:
        file.write(whole[:meta_length])
        file.write(packer.compress(inflated[:at] + struct.pack("<I", 0xFFFFFFFE) + inflated[at + 4 :]))
        file.write(packer.flush(zlib.Z_FULL_FLUSH))
        # A flushed block of zeros stands on its own, so that it may be repeated: 4 GiB in 20 MiB.
        block = packer.compress(bytes(1024**2)) + packer.flush(zlib.Z_FULL_FLUSH)
        for _ in range(4096):
            file.write(block)
    np.testing.assert_array_equal(open_run(path).frame(2).pixels, pixels()[2])


def test_a_deflated_file_beyond_the_caps_is_not_inflated(tmp_path):
    path = changed_file(tmp_path / "run.dcm", _set(Rows=65535, Columns=65535), syntax=DeflatedExplicitVRLittleEndian)
    assert "65535 rows" in _refusal(path, frame=None)


def test_a_meta_length_that_is_no_number(tmp_path):
    """Found by fuzzing: an error of pydicom's own that is no ValueError."""
    path = changed_file(tmp_path / "run.dcm", lambda _: None, syntax=DeflatedExplicitVRLittleEndian)
    data = bytearray(path.read_bytes())
    data[138:140] = struct.pack("<H", 6)  # of (0002,0000), which has four bytes
    path.write_bytes(data)
    assert _refusal(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on the value
def test_a_received_deflated_object_whose_counts_are_no_numbers():
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    plain = set_bytes(xa_dataset(record()), implicit=False, big_endian=False).replace(b"IS\x02\x003 ", b"IS\x02\x00x ")
    data = packer.compress(plain) + packer.flush()
    with pytest.raises(InputError, match=r"object 1: .*NumberOfFrames"):
        read_received(data, DeflatedExplicitVRLittleEndian, name="object 1", received_ns=0)


def test_deflated_garbage(tmp_path):
    dataset = xa_dataset(record())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "run.dcm", enforce_file_format=True)
    path = tmp_path / "run.dcm"
    start = _dataset_start(path)
    path.write_bytes(path.read_bytes()[:start] + b"\xff" * 500)
    assert "deflated" in _refusal(path)


def test_sequences_nested_thousands_deep(tmp_path):
    path = xa_file(tmp_path / "run.dcm")
    data = path.read_bytes()
    nested = struct.pack("<HH2sHI", 0x0009, 0x1001, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))
    path.write_bytes(data[:at] + nested * 5000 + data[at:])
    assert _refusal(path)


def test_geometry_in_a_damaged_sequence_is_a_reason_not_a_crash(tmp_path):
    def change(dataset):
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.12.1.1"
        dataset.PerFrameFunctionalGroupsSequence = Sequence([Dataset()])

    frame = open_run(changed_file(tmp_path / "run.dcm", change)).frame(1)
    assert frame.geometry is None
    assert "1 per-frame groups for 3 frames" in frame.geometry_reason


@pytest.mark.parametrize("length", [0, 1, 131, 132, 140, 200, 400, 700, 1000])
def test_files_cut_off_anywhere_in_the_header(tmp_path, length):
    path = xa_file(tmp_path / "run.dcm")
    path.write_bytes(path.read_bytes()[:length])
    assert _refusal(path)


@pytest.mark.filterwarnings("ignore")  # what pydicom remarks about damage is not under test
@pytest.mark.parametrize("compression", ["none", "rle", "jpeg2000"])
def test_random_damage_never_raises_anything_but_an_input_error(tmp_path, compression):
    path = xa_file(tmp_path / "run.dcm", compression=compression)
    whole, rng = path.read_bytes(), np.random.default_rng(7)
    for _ in range(80):
        data = bytearray(whole)
        for at in rng.integers(132, len(data), 4):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        with contextlib.suppress(InputError):  # anything else is a failure; its text is one line by construction
            run = open_run(path)
            for index in range(min(run.frame_count, 3)):
                assert run.frame(index).pixels.ndim == 2


def test_the_frames_of_a_sound_stream_are_untouched(tmp_path):
    """The checks above let real streams through."""
    stack = pixels()
    run = open_run(xa_file(tmp_path / "run.dcm", stack, compression="jpeg2000"))
    frames = list(generate_frames(pydicom.dcmread(run.path).PixelData, number_of_frames=3))
    assert stream_size(frames[0]).rows == 48
    np.testing.assert_array_equal(run.frame(0).pixels, stack[0])
