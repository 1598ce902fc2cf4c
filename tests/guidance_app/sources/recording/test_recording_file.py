"""Recordings that were cut off, damaged, forged or made by another program."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import zstandard
from mcap.writer import CompressionType, Writer

from calibration.errors import InputError
from engines.angiography.run import FrameDecodeError
from guidance_app.live.recording import recorder_file
from guidance_app.sources.recording.recording_file import MAGIC, RecordingReader
from guidance_app.sources.recording.recording_messages import ABOUT, FRAMES, PROFILE, SCHEMA, FrameCoder, decode_frame
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.uri import FileUri, open_source
from tests.guidance_app.live.recordings import frame_at, record, same

_FRAMES = 10


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> bytes:
    """Ten frames in several chunks."""
    path = tmp_path_factory.mktemp("recording") / "a.mcap"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder_file, "FLUSH_AFTER_S", 0.0)
        record(path, [frame_at(index, size=16) for index in range(_FRAMES)])
    return path.read_bytes()


def test_recording_cut_anywhere_gives_the_frames_before_the_cut_or_one_clear_line(recording, tmp_path):
    path = tmp_path / "cut.mcap"
    made = [frame_at(index, size=16) for index in range(_FRAMES)]
    counts = []
    for cut in [*range(0, 400, 7), *range(400, len(recording) - 1, 61), len(recording) - 1]:
        path.write_bytes(recording[:cut])
        run = _opened(path)
        if run is None:
            assert not counts, "what a shorter file gave, a longer one gives too"
            continue
        assert not run.reader.complete
        assert "not ended in order" in run.reader.notice
        assert all(same(run.frame(index), made[index]) for index in range(run.frame_count))
        counts.append(run.frame_count)
        run.close()
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == _FRAMES


def _opened(path: Path) -> RecordedRun | None:
    try:
        return RecordedRun(path)
    except InputError as error:
        told = str(error)
    assert path.name in told
    return None


def test_zeros_behind_the_last_whole_chunk_are_an_unfinished_piece(recording, tmp_path):
    """A power cut leaves the length of a file, and not yet its content."""
    whole = recording.index(b"\x0f" + struct.pack("<Q", 4))  # the record that ends the data
    (tmp_path / "a.mcap").write_bytes(recording[:whole] + bytes(5000))
    run = RecordedRun(tmp_path / "a.mcap")
    assert run.frame_count == _FRAMES
    assert "last 5000 bytes are an unfinished piece" in run.reader.notice
    run.close()


def test_flipped_bits_never_give_wrong_pixels(recording, tmp_path):
    path = tmp_path / "a.mcap"
    made = [frame_at(index, size=16) for index in range(_FRAMES)]
    noticed = 0
    places = np.random.default_rng(5).integers(len(MAGIC), len(recording), 150)
    for place in places:
        damaged = bytearray(recording)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        try:
            run = RecordedRun(path)
        except InputError:
            noticed += 1
            continue
        for index in range(run.frame_count):
            try:
                frame = run.frame(index)
            except FrameDecodeError:
                noticed += 1
            else:
                assert any(np.array_equal(frame.pixels, original.pixels) for original in made)
        run.close()
    assert noticed > 50


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no MCAP file"),
        (b"garbage" * 100, "no MCAP file"),
        (MAGIC, "holds no frames"),
        (MAGIC + bytes(100), "holds no frames"),
        (MAGIC + b"\x06" + struct.pack("<Q", 2**63), "no MCAP header"),
        (MAGIC + b"\x01" + struct.pack("<Q", 2**40), "no MCAP header"),
        (MAGIC + b"\x01" + struct.pack("<QI", 4, 2**31), "cut short"),
        (MAGIC + b"\x01" + struct.pack("<QI", 7, 3) + b"\xff\xfe\xfd", "cannot be read"),
    ],
)
def test_garbage_is_refused_in_one_line(tmp_path, content, said):
    (tmp_path / "a.mcap").write_bytes(content)
    with pytest.raises(InputError, match=said) as told:
        open_source(FileUri(path=tmp_path / "a.mcap"))
    assert "\n" not in str(told.value)
    assert "a.mcap" in str(told.value)


def _mcap(messages, *, profile=PROFILE, schema=SCHEMA, compression=CompressionType.NONE) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, compression=compression)
    writer.start(profile=profile)
    writer.add_metadata(ABOUT, {"schema": schema})
    channel = writer.register_channel(FRAMES, "guidance-frame", 0)
    for message in messages:
        writer.add_message(channel, 1, message, 1)
    writer.finish()
    return file.getvalue()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"profile": "ros2"}, "of 'ros2', expected one of 'guidance-app'"),
        ({"profile": ""}, "of another program"),
        ({"schema": "guidance-app/recording/9"}, "with the version that recorded it"),
        ({"compression": CompressionType.ZSTD}, "chunks are compressed"),
    ],
)
def test_recordings_of_others_are_refused_with_what_was_found(tmp_path, made, said):
    (tmp_path / "a.mcap").write_bytes(_mcap([FrameCoder().encode(frame_at(0))], **made))
    with pytest.raises(InputError, match=said):
        RecordingReader(tmp_path / "a.mcap")


def _forged(pixels: bytes, **changes) -> bytes:
    """A frame message whose description says something else."""
    data = FrameCoder().encode(frame_at(1))
    (length,) = struct.unpack_from("<I", data)
    header = {**json.loads(data[4 : 4 + length]), **changes}
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + pixels


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"", "cut short"),
        (struct.pack("<I", 2**31) + b"{}", "claims 2147483648 bytes"),
        (struct.pack("<I", 2) + b"{}", "index"),
        (_forged(b"", rows=8193), "rows"),
        (_forged(b"", rows=0), "0 rows"),
        (_forged(b"not zstd"), "damaged"),
        # The picture that the description promises is small, what would be unpacked is not.
        (_forged(zstandard.compress(bytes(64 * 1024**2)), rows=4, columns=4), "need 32 bytes, the file says 67108864"),
        # An unknown size is no size.
        (_forged(zstandard.ZstdCompressor(write_content_size=False).compress(bytes(32)), rows=4, columns=4), "damaged"),
        (_forged(zstandard.compress(bytes(32)), rows=4, columns=4), "checksum"),
        (_forged(b"", geometry={"primary_rad": 0}), "geometry"),
    ],
)
def test_forged_frames_are_refused_before_memory_is_taken(message, said):
    with pytest.raises(FrameDecodeError, match=said):
        decode_frame(message, "a.mcap: frame 0")


def test_one_damaged_frame_leaves_the_others(tmp_path):
    coder = FrameCoder()
    messages = [coder.encode(frame_at(0)), _forged(b"not zstd"), coder.encode(frame_at(2))]
    (tmp_path / "a.mcap").write_bytes(_mcap(messages))
    run = RecordedRun(tmp_path / "a.mcap")
    assert same(run.frame(0), frame_at(0))
    with pytest.raises(FrameDecodeError, match="frame 1"):
        run.frame(1)
    assert same(run.frame(2), frame_at(2))
    run.close()


def test_recording_is_known_by_its_content(recording, tmp_path):
    (tmp_path / "evening").write_bytes(recording)
    source = open_source(FileUri(path=tmp_path / "evening"))
    assert source.frame_count == _FRAMES
    assert source.geometry(1).sid_mm == frame_at(1).geometry.sid_mm
    source.run.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"sid_mm": 0.0}, "sid_mm"), ({"row_spacing_mm": -0.3}, "row_spacing_mm"), (None, "no geometry was recorded")],
)
def test_recorded_geometry_is_sound_or_said_to_be_missing(change, said):
    """A distance of zero would divide everything that is projected by it."""
    data = FrameCoder().encode(frame_at(1))
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    header["geometry"] = None if change is None else header["geometry"] | change
    text = json.dumps(header).encode()
    damaged = struct.pack("<I", len(text)) + text + data[4 + length :]
    if change is None:
        frame = decode_frame(damaged, "run.mcap: frame 1")
        assert frame.geometry is None
        assert said in frame.geometry_reason
        return
    with pytest.raises(FrameDecodeError, match=said):
        decode_frame(damaged, "run.mcap: frame 1")
