"""Recording: lossless, never in the way, and honest about what it loses."""

import errno
import itertools
import json
import threading
from dataclasses import replace

import mcap.reader
import pytest

from calibration.errors import InputError
from guidance_app.live.recording import recorder_file
from guidance_app.live.recording.recorder import Recorder
from guidance_app.live.recording.recorder_file import RecordingFile
from guidance_app.live.run_log import EventLog
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource
from guidance_app.sources.recording.recording_messages import ACTIONS, EVENTS, GUIDANCE, REGISTRATIONS, SCREEN
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.source import CorruptFrame
from tests.guidance_app.live.recordings import frame_at, record, same
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.live.window_stand_in import drive


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_pixel_and_every_word_comes_back(tmp_path, dtype):
    frames = [frame_at(index, dtype=dtype) for index in range(7)]
    assert record(tmp_path / "a.mcap", frames) == []
    run = RecordedRun(tmp_path / "a.mcap")
    assert run.reader.complete
    assert run.reader.notice == ""
    assert run.reader.about["case"] == "test"
    assert all(same(run.frame(index), frame) for index, frame in enumerate(frames))
    run.close()


def test_other_mcap_readers_find_every_message_and_every_checksum_right(tmp_path):
    record(tmp_path / "a.mcap", [frame_at(index) for index in range(5)])
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = mcap.reader.make_reader(file, validate_crcs=True)
        assert len(list(reader.iter_messages(topics=["/frames"]))) == 5
        summary = reader.get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == 5


def test_recording_never_overwrites_and_leaves_nothing_if_the_run_never_begins(tmp_path):
    (tmp_path / "old.mcap").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        Recorder(tmp_path / "old.mcap", {})
    assert (tmp_path / "old.mcap").read_text() == "precious"
    recorder = Recorder(tmp_path / "new.mcap", {})
    recorder.end()
    recorder.end()
    assert not (tmp_path / "new.mcap").exists()


def test_recording_into_a_place_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be recorded to"):
        Recorder(tmp_path / "file" / "a.mcap", {})


def test_frame_that_could_not_be_decoded_keeps_its_place(tmp_path):
    recorder = Recorder(tmp_path / "a.mcap", {})
    recorder.begin(pytest.fail)
    recorder.frame(frame_at(0))
    recorder.corrupt(CorruptFrame("frame 9 is cut short", index=1, source_frame=9, sop_instance_uid="1.2"))
    recorder.frame(frame_at(2))
    recorder.end()
    source = SaturatedFileSource(RecordedRun(tmp_path / "a.mcap"))
    source.acknowledge(source.next_frame(1.0).index)
    with pytest.raises(CorruptFrame, match="frame 9 is cut short") as told:
        source.next_frame(1.0)
    assert (told.value.index, told.value.source_frame, told.value.sop_instance_uid) == (1, 9, "1.2")
    assert source.next_frame(1.0).index == 2
    source.run.close()


class _Stalled:
    """A disk that takes nothing until it is let go."""

    def __init__(self, monkeypatch):
        self.let_go = threading.Event()
        self.reached = threading.Event()
        plain = RecordingFile.add

        def add(file, *arguments):
            self.reached.set()
            assert self.let_go.wait(20.0)
            plain(file, *arguments)

        monkeypatch.setattr(RecordingFile, "add", add)


def test_slow_disk_loses_frames_with_one_event_and_never_holds_up_the_caller(tmp_path, monkeypatch):
    disk = _Stalled(monkeypatch)
    told = []
    recorder = Recorder(tmp_path / "a.mcap", {}, queue_bytes=5 * (frame_at(0).pixels.nbytes + 2048))
    recorder.begin(told.append)
    for index in range(20):
        recorder.frame(frame_at(index))  # comes back, or the test would hang
    assert len(told) == 1
    assert "frames from 5 on are missing" in told[0]
    assert "too slow" in recorder.fault
    disk.let_go.set()
    recorder.end()
    assert (recorder.report.frames, recorder.report.lost_frames) == (5, 15)
    run = RecordedRun(tmp_path / "a.mcap")
    assert all(same(run.frame(index), frame_at(index)) for index in range(5))
    run.close()


def test_each_stretch_of_lost_frames_is_told_once(tmp_path, monkeypatch):
    disk = _Stalled(monkeypatch)
    told = []
    recorder = Recorder(tmp_path / "a.mcap", {}, queue_bytes=2 * (frame_at(0).pixels.nbytes + 2048))
    recorder.begin(told.append)
    for index in range(6):
        recorder.frame(frame_at(index))
    disk.let_go.set()
    numbers = itertools.count(6)
    while not recorder.report.frames > 2:  # until the queue has drained and takes frames again
        recorder.frame(frame_at(next(numbers)))
    disk.let_go.clear()
    for _ in range(6):
        recorder.frame(frame_at(next(numbers)))
    assert len(told) >= 2
    disk.let_go.set()
    recorder.end()
    assert len(told) < recorder.report.lost_frames


def _fill_disk_after(monkeypatch, room: int) -> None:
    """Like a disk with so many bytes left: the last write is cut short."""
    plain = recorder_file._WholeWrites.write

    def write(self, data: bytes) -> int:
        left = max(0, room - self.tell())
        if len(data) > left:
            plain(self, data[:left])
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(self, data)

    monkeypatch.setattr(recorder_file._WholeWrites, "write", write)


@pytest.mark.parametrize("room", [1500, 20_000, 47_000])
def test_full_disk_ends_the_recording_once_and_keeps_what_came_before(tmp_path, monkeypatch, room):
    monkeypatch.setattr(recorder_file, "FLUSH_AFTER_S", 0.0)
    _fill_disk_after(monkeypatch, room)
    told = []
    recorder = Recorder(tmp_path / "a.mcap", {})
    recorder.begin(told.append)
    for index in range(40):
        recorder.frame(frame_at(index))
    recorder.end()
    assert len(told) == 1
    assert "recording stopped (No space left on device)" in told[0]
    assert (tmp_path / "a.mcap").stat().st_size <= room
    if room == 1500:  # not even one frame
        with pytest.raises(InputError, match="holds no frames"):
            RecordedRun(tmp_path / "a.mcap")
        return
    run = RecordedRun(tmp_path / "a.mcap")
    assert not run.reader.complete
    assert 0 < run.frame_count < 40
    assert run.frame_count == recorder.report.frames
    assert all(same(run.frame(index), frame_at(index)) for index in range(run.frame_count))
    run.close()


def test_full_disk_under_a_guided_run_is_one_event_and_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_file, "FLUSH_AFTER_S", 0.0)
    _fill_disk_after(monkeypatch, 4000)
    recorder = Recorder(tmp_path / "a.mcap", {})
    source = SaturatedFileSource(FakeRun(frame_count=10))
    with LiveSession(
        source=source, recipe=fake_recipe(), out=tmp_path / "out", spare_engine=False, witnesses=[recorder]
    ) as session:
        painted = drive(session, limit_s=90.0)
    events = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events].count("recorder_full") == 1
    assert "recording stopped" in painted[-1].banner, "a person sees it"
    lines = [json.loads(line) for line in (tmp_path / "out" / "frames.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["painted"] * 10
    assert lines[-1]["overlay"] == "valid", "guidance does not depend on the recording"


def test_recorded_run_replays_with_the_same_frames_and_tells_what_happened(tmp_path):
    recorder = Recorder(tmp_path / "a.mcap", {})
    source = SaturatedFileSource(FakeRun(frame_count=8, damaged=frozenset({5}), geometries={3: None}))
    with LiveSession(
        source=source, recipe=fake_recipe(), out=tmp_path / "live", spare_engine=False, witnesses=[recorder]
    ) as session:
        drive(session, limit_s=90.0)
        session.commands.request_registration()
    run = RecordedRun(tmp_path / "a.mcap")
    assert run.frame_count == 8
    assert [m["action"] for m in run.reader.messages(ACTIONS)] == ["request_registration"]
    assert "registration_accepted" in [m["kind"] for m in run.reader.messages(EVENTS)]
    assert {m["frame"] for m in run.reader.messages(SCREEN)} >= {0, 7}
    assert {m["frame"] for m in run.reader.messages(GUIDANCE)} == {0, 1, 2, 3, 4, 6, 7}
    assert all(m["stages_ms"]["segment"] == 1.0 for m in run.reader.messages(GUIDANCE))
    assert [m for m in run.reader.messages(REGISTRATIONS) if not m["cold_start"]]
    with LiveSession(
        source=SaturatedFileSource(run), recipe=fake_recipe(), out=tmp_path / "replay", spare_engine=False
    ) as session:
        drive(session, limit_s=90.0)
    run.close()
    assert _what_came(tmp_path / "replay") == _what_came(tmp_path / "live")


def _what_came(folder):
    keys = ("index", "sop_instance_uid", "source_frame", "state", "geometry")
    lines = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    return [[line[key] for key in keys] for line in lines]


class _Clock:
    """Time that only passes when somebody looks."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        self.now_ns += 20_000_000
        return self.now_ns


def test_replay_keeps_the_times_at_which_the_frames_came(tmp_path):
    gaps_ms = [30, 200, 5, 5, 90]
    stamps = [10_000 + sum(gaps_ms[:index]) for index in range(len(gaps_ms) + 1)]
    frames = [replace(frame_at(index), received_ns=ms * 1_000_000) for index, ms in enumerate(stamps)]
    record(tmp_path / "a.mcap", frames)
    source = PacedFileSource(RecordedRun(tmp_path / "a.mcap"), clock_ns=_Clock())
    arrived = [source.next_frame(5.0) for _ in frames]
    took_ms = [(after.received_ns - before.received_ns) / 1e6 for before, after in itertools.pairwise(arrived)]
    assert took_ms == gaps_ms
    assert all(
        same(replace(a, received_ns=b.received_ns, decode_ms=b.decode_ms), b)
        for a, b in zip(arrived, frames, strict=True)
    )
    source.run.close()


def test_replay_at_another_rate_is_even(tmp_path):
    record(tmp_path / "a.mcap", [frame_at(index) for index in range(4)])
    source = PacedFileSource(RecordedRun(tmp_path / "a.mcap"), fps=100, clock_ns=_Clock())
    stamps = [source.next_frame(5.0).received_ns for _ in range(4)]
    assert {after - before for before, after in itertools.pairwise(stamps)} == {10_000_000}
    source.run.close()


def test_pose_is_found_where_its_frame_lies_in_the_recording(tmp_path):
    record(tmp_path / "a.mcap", [frame_at(index) for index in range(2, 9)])
    run = RecordedRun(tmp_path / "a.mcap")
    assert run.place_of("1.2.3", 3) == 1
    assert run.place_of("1.2.3", 0) == 2
    assert run.place_of("9.9", 0) is None
    run.close()


class _FullDisk:
    """Takes half of the first line, then nothing until there is room."""

    def __init__(self, path):
        self._file = path.open("wb", buffering=0)
        self.room = 10

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self._file.write(bytes(data[: self.room]))
        self.room -= taken
        return taken

    def close(self):
        self._file.close()


def test_logs_of_a_run_outlast_a_full_disk(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    assert log._file is not None
    log._file._file.close()
    disk = log._file._file = _FullDisk(tmp_path / "events.jsonl")
    log.add("source_stalled", "one")
    log.add("source_resumed", "two")
    assert not log._file.settle(timeout_s=0.2)
    disk.room = 10_000
    log.add("recorder_full", "three")
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == ["one", "two", "three"]
