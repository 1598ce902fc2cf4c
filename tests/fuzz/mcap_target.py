"""Damaged recordings: read frame by frame, message by message, and exported."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tests.fuzz.damage import EDGES, Rng, damaged, one_of
from tests.fuzz.targets import Feed, require_sound
from tests.fuzz.text_damage import damaged_json

_CHUNK, _MESSAGE = 0x06, 0x05


@contextmanager
def mcap_feed(folder: Path) -> Iterator[Feed]:
    from guidance_app.sources.recording.recording_source import RecordedRun
    from guidance_app.sources.uri import shown_run

    whole = _recording(folder)

    def feed(rng: Rng, folder: Path, armed) -> None:
        path = folder / one_of(rng, ("run.mcap", "run.dcm"))
        path.write_bytes(_damaged_recording(whole, rng))
        with armed():
            shown_run(path) if path.suffix == ".mcap" else RecordedRun(path).close()
            run = RecordedRun(path)
            try:
                _read(run)
            finally:
                run.close()

    yield feed


@contextmanager
def export_feed(folder: Path) -> Iterator[Feed]:
    from engines.anatomy.cases.case import load_case
    from engines.anatomy.cases.case_creation import create_case
    from guidance_app.exports.export import export
    from tests.fuzz import samples

    samples.model_samples(folder)
    create_case(folder / "case", kind="coronary", centerlines=folder / "lines.vtp", case_id="case-1")
    case, whole = load_case(folder / "case"), _recording(folder)

    def feed(rng: Rng, folder: Path, armed) -> None:
        path = folder / "run.mcap"
        path.write_bytes(_damaged_recording(whole, rng))
        # Painting pictures needs a window system's library and a second a case; the table takes the same way in.
        with armed():
            export(path, case, [one_of(rng, ("csv", "spatial-registration"))], folder / "out")

    yield feed


def _read(run) -> None:
    from calibration.errors import InputError

    failed: InputError | None = None
    for index in range(min(run.frame_count, 12)):
        try:
            require_sound(run.frame(index))
            run.gap_ns(index)
        except InputError as error:
            failed = error
        with suppress(InputError):
            run.geometry(index)
    for topic in run.reader.topics:
        run.reader.times_ns(topic)
        for message in run.reader.messages(topic):
            assert isinstance(message, dict)
    run.place_of("1.2.3", 1)
    if failed is not None:
        raise failed


def _recording(folder: Path) -> bytes:
    """Frames of both depths, poses and words, as the recorder writes them."""
    from guidance_app.live.guidance import GuidanceResult, Overlay, StageTimes
    from guidance_app.live.recording.recorder import Recorder
    from tests.guidance_app.live.recordings import frame_at
    from tests.guidance_app.live.stand_ins import registration

    path = folder / "whole.mcap"
    recorder = Recorder(path, {"case": "test"})
    recorder.begin(_fail)
    for index in range(8):
        frame = frame_at(index, size=16, dtype=("uint8", "uint16")[index % 2])
        recorder.frame(frame)
        if frame.geometry is not None:
            overlay = Overlay(frame_index=index, geometry=frame.geometry, centerlines=(), outline=(), halo_px=0.0,
                              generation=1)  # fmt: skip
            result = GuidanceResult(
                frame_index=index, state="accepted", reason="", overlay=overlay, vessel_outline=(), confidence=0.9,
                expected_error_mm=1.0, depth_sigma_mm=5.0, times=StageTimes(segment=1.0, track=1.0, render=1.0),
                generation=1,
            )  # fmt: skip
            recorder.guided(result, registration(frame.geometry), used=True)
    recorder.end()
    return path.read_bytes()


def _fail(text: str) -> None:
    raise AssertionError(text)


def _damaged_recording(whole: bytes, rng: Rng) -> bytes:
    kind = rng.random()
    if kind < 0.35:
        return damaged(whole, rng)
    places = _records(whole, 8, len(whole))
    changed = bytearray(whole)
    if kind < 0.55:  # lengths and kinds of records
        at = one_of(rng, places)[0]
        if rng.random() < 0.7:
            changed[at + 1 : at + 9] = struct.pack("<Q", one_of(rng, EDGES))
        else:
            changed[at] = int(rng.integers(256))
        return bytes(changed)
    frames = [
        (at, end) for at, end in places if whole[at] == _MESSAGE and whole[at + 9 + 22 + 4 :].startswith(b'{"index"')
    ]
    at, end = one_of(rng, frames)
    begin = at + 9 + 22
    (length,) = struct.unpack_from("<I", whole, begin)
    if kind < 0.75:  # the description of a frame, of the same length as before
        text = whole[begin + 4 : begin + 4 + length].decode("utf-8", "replace")
        with suppress(ValueError):
            new = damaged_json(text, rng)[:length].ljust(length)
            changed[begin + 4 : begin + 4 + length] = new
        return bytes(changed)
    # Pixels that inflate to more than the picture: the stated size is changed, or a bomb put in its place.
    import zstandard

    if rng.random() < 0.5:
        changed[begin + 4 + length : end] = damaged(bytes(changed[begin + 4 + length : end]), rng)[
            : end - begin - 4 - length
        ]
        return bytes(changed)
    bomb = zstandard.ZstdCompressor(level=1, write_content_size=rng.random() < 0.5).compress(bytes(200 * 1024**2))
    with suppress(ValueError):
        header = json.loads(whole[begin + 4 : begin + 4 + length])
        sides = (8192, 8192), (65535, 65535), (1, 1), (16, 32)
        header["rows"], header["columns"] = one_of(rng, sides)
        text = json.dumps(header).encode()
        message = whole[at + 9 : begin] + struct.pack("<I", len(text)) + text + bomb
        record = struct.pack("<BQ", _MESSAGE, len(message)) + message
        channel = next(whole[a:b] for a, b in places if whole[a] == 0x04)
        chunk = struct.pack("<QQQII", 0, 0, 0, 0, 0) + struct.pack("<Q", len(channel + record)) + channel + record
        first = next(a for a, _ in places if whole[a] == _CHUNK)
        return whole[:first] + struct.pack("<BQ", _CHUNK, len(chunk)) + chunk
    return bytes(changed)


def _records(data: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """(begin, end) of every record, those inside chunks too."""
    found = []
    while at + 9 <= end:
        code, length = struct.unpack_from("<BQ", data, at)
        if at + 9 + length > end:
            break
        found.append((at, at + 9 + length))
        if code == _CHUNK:
            (name,) = struct.unpack_from("<I", data, at + 9 + 28)
            found.extend(_records(data, at + 9 + 32 + name + 8, at + 9 + length))
        at += 9 + length
    return found


def noise(rng: Rng, count: int) -> bytes:
    return rng.integers(256, size=count, dtype=np.uint8).tobytes()
