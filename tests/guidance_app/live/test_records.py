"""What a run writes down, and how it notices that a source is ill."""

import json
import threading
from dataclasses import replace

import pytest

from calibration.errors import InputError
from guidance_app.live import line_file
from guidance_app.live.latency import LatencyBook
from guidance_app.live.run_log import EventLog, FrameLog
from guidance_app.live.session.source_watch import SourceWatch
from guidance_app.sources.source import CorruptFrame
from tests.guidance_app.live.stand_ins import FakeRun, numbered

MS = 1_000_000
KEYS = ["index", "sop_instance_uid", "source_frame", "state", "overlay", "overlay_age_ms", "geometry",
        "overlay_geometry", "evidence", "evidence_age_s", "reason"]  # fmt: skip


def _frame(index: int):
    return numbered(FakeRun().frame(index % 10), index, index * 66 * MS)


def _painted(log: FrameLog, index: int) -> None:
    log.painted(index, overlay=None, state="hidden", age_ms=None, reason="test")


def _lines(path, log=None) -> list[dict]:
    if log is not None:
        log.settle()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_come_in_order_of_arrival_each_as_soon_as_its_fate_is_known(tmp_path):
    path = tmp_path / "frames.jsonl"
    log = FrameLog(path)
    for index in range(3):
        log.arrived(_frame(index))
    log.corrupt(CorruptFrame("frame 3 is cut short", index=3, source_frame=3))
    assert _lines(path, log) == []
    log.superseded(1)
    assert _lines(path, log) == [], "frame 0 is still open"
    _painted(log, 0)
    assert [line["state"] for line in _lines(path, log)] == ["painted", "superseded"]
    _painted(log, 2)
    assert [line["state"] for line in _lines(path, log)] == ["painted", "superseded", "painted", "corrupt"]
    log.close()
    assert [list(line) for line in _lines(path)] == [KEYS] * 4
    assert _lines(path)[0]["geometry"] == {"primary_deg": 0.0, "secondary_deg": 0.0, "sid_mm": 1000.0}


def test_frame_that_the_window_skipped_counts_as_superseded_and_one_never_painted_as_dropped(tmp_path):
    log = FrameLog(tmp_path / "frames.jsonl")
    for index in range(3):
        log.arrived(_frame(index))
    _painted(log, 1)
    log.close()
    assert [line["state"] for line in _lines(tmp_path / "frames.jsonl")] == ["superseded", "painted", "dropped"]
    assert log.counts == {"painted": 1, "superseded": 1, "dropped": 1, "corrupt": 0}


def test_events_are_on_disk_before_the_log_is_closed(tmp_path):
    log = EventLog(tmp_path / "new" / "events.jsonl")
    log.add("worker_died", "test", frame=4)
    (line,) = _lines(tmp_path / "new" / "events.jsonl", log)
    assert list(line) == ["t_ns", "kind", "frame", "text"]
    assert log.newest()[0].frame == 4
    log.close()


class _HangingDisk:
    """Takes nothing until it is let go; says when it was asked."""

    def __init__(self, path):
        self._file = path.open("wb", buffering=0)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def write(self, data):
        self.asked.set()
        assert self.let_go.wait(10.0)
        return self._file.write(bytes(data))

    def close(self):
        self._file.close()


def test_who_paints_never_waits_for_a_disk_that_hangs(tmp_path):
    log = FrameLog(tmp_path / "frames.jsonl")
    assert log._file is not None
    log._file._file.close()
    disk = log._file._file = _HangingDisk(tmp_path / "frames.jsonl")
    for index in range(50):  # comes back at all: a write in this thread would not
        log.arrived(_frame(index))
        _painted(log, index)
    assert disk.asked.wait(5.0), "the disk is asked while the run goes on"
    assert _lines(tmp_path / "frames.jsonl") == []
    disk.let_go.set()
    log.close()
    assert [line["index"] for line in _lines(tmp_path / "frames.jsonl")] == list(range(50))
    assert log.lost_lines == 0


def test_lines_that_a_hanging_disk_has_no_room_for_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(line_file, "_MOST_WAITING", 10)
    log = EventLog(tmp_path / "events.jsonl")
    assert log._file is not None
    log._file._file.close()
    disk = log._file._file = _HangingDisk(tmp_path / "events.jsonl")
    for number in range(15):
        log.add("source_stalled", str(number))
    assert log._file.lost == 5
    disk.let_go.set()
    log.close()
    assert [line["text"] for line in _lines(tmp_path / "events.jsonl")] == [str(number) for number in range(10)]


def test_frames_that_nothing_paints_do_not_pile_up_and_keep_their_lines(tmp_path):
    log = FrameLog(tmp_path / "frames.jsonl")
    for index in range(1000):
        log.arrived(_frame(index))
        assert log.open_frames <= 128
    log.corrupt(CorruptFrame("frame 1000 is cut short", index=1000, source_frame=0))
    _painted(log, 999)
    log.close()
    lines = _lines(tmp_path / "frames.jsonl")
    assert [line["index"] for line in lines] == list(range(1001))
    assert {line["state"] for line in lines[:999]} == {"superseded"}
    assert [line["state"] for line in lines[999:]] == ["painted", "corrupt"]


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another output folder"):
        EventLog(tmp_path / "file" / "events.jsonl")


def test_percentiles_are_those_of_the_durations():
    book = LatencyBook()
    for duration_ms in range(1, 101):
        book.add("segment", float(duration_ms))
    book.add("track", None)
    stages = book.percentiles()
    assert stages["segment"].p50 == pytest.approx(50.5)
    assert stages["segment"].p95 == pytest.approx(95.05)
    assert stages["segment"].max == 100
    assert stages["track"].count == 0
    assert stages["track"].p95 is None


# Sources that are ill -----------------------------------------------------------------------------------------------
def test_silence_is_a_stall_within_a_second_and_told_once():
    watch = SourceWatch()
    watch.frame(_frame(0), 0)
    assert watch.silence(600 * MS, paused=False) is None
    stalled = watch.silence(900 * MS, paused=False)
    assert stalled is not None
    assert stalled.state == "stalled"
    assert watch.silence(2000 * MS, paused=False) is None
    resumed = watch.frame(_frame(1), 2500 * MS)
    assert resumed is not None
    assert resumed.state == "flowing"


def test_pause_is_no_stall():
    watch = SourceWatch()
    watch.frame(_frame(0), 0)
    assert watch.silence(5000 * MS, paused=True) is None
    assert watch.silence(5500 * MS, paused=False) is None


def test_slow_series_is_no_stall():
    watch = SourceWatch()
    watch.frame(replace(_frame(0), frame_time_ms=1000.0), 0)
    assert watch.silence(1400 * MS, paused=False) is None
    assert watch.silence(1600 * MS, paused=False) is not None


def test_same_pixels_for_a_second_are_frozen_until_they_change():
    watch = SourceWatch()
    changes = [watch.frame(replace(_frame(0), index=index), index * 100 * MS) for index in range(12)]
    told = [change for change in changes if change is not None]
    assert [change.state for change in told] == ["frozen"]
    assert changes[10] is not None
    thawed = watch.frame(_frame(1), 1300 * MS)
    assert thawed is not None
    assert thawed.state == "flowing"
