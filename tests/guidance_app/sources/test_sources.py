"""One contract for every source of frames, and what file sources offer beside it."""

import threading
import time
from pathlib import Path

import pytest

from calibration.errors import InputError
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource
from guidance_app.sources.live_uris import CaptureUri, DicomUri, IgtlUri
from guidance_app.sources.source import (
    Acknowledged,
    CorruptFrame,
    FrameSource,
    Playback,
    Recorded,
    SourceClosed,
    SourceTimeout,
)
from guidance_app.sources.uri import FileUri, open_source, parse_source_uri, shown_run
from tests.guidance_app.live.stand_ins import FakeRun

SOURCES = {
    "paced": lambda run: PacedFileSource(run, fps=200),
    "saturated": SaturatedFileSource,
}


@pytest.fixture(params=SOURCES)
def make(request):
    opened = []

    def _make(**run):
        source = SOURCES[request.param](FakeRun(**run))
        opened.append(source)
        return source

    yield _make
    for source in opened:
        source.close()


def _next(source: FrameSource):
    """The next frame, shown at once to sources that wait for that."""
    frame = source.next_frame(2.0)
    if isinstance(source, Acknowledged):
        source.acknowledge(frame.index)
    return frame


def test_source_keeps_the_seam(make):
    source = make()
    assert isinstance(source, FrameSource)
    assert isinstance(source, Recorded)
    assert source.source_id == "run.dcm"


def test_frames_come_in_order_numbered_and_stamped_then_the_source_is_closed(make):
    source = make(frame_count=4)
    frames = [_next(source) for _ in range(4)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.source_frame for frame in frames] == [0, 1, 2, 3]
    stamps = [frame.received_ns for frame in frames]
    assert stamps == sorted(stamps)
    assert 0 < stamps[0] <= stamps[-1] <= time.monotonic_ns()
    assert all(frame.decode_ms >= 0 for frame in frames)
    for _ in range(2):
        with pytest.raises(SourceClosed):
            source.next_frame(0.1)


def test_damaged_frame_is_told_once_and_takes_its_number(make):
    source = make(frame_count=4, damaged=frozenset({1}))
    assert _next(source).index == 0
    with pytest.raises(CorruptFrame) as told:
        source.next_frame(2.0)
    assert (told.value.index, told.value.source_frame) == (1, 1)
    assert "frame 1" in str(told.value)
    after = _next(source)
    assert (after.index, after.source_frame) == (2, 2)


def test_run_of_damaged_frames_only_ends(make):
    source = make(frame_count=2, damaged=frozenset({0, 1}))
    for _ in range(2):
        with pytest.raises(CorruptFrame):
            source.next_frame(2.0)
    with pytest.raises(SourceClosed):
        source.next_frame(2.0)


def test_close_from_another_thread_wakes_the_reader_and_may_be_repeated(make):
    source = make(frame_count=1)
    _next(source) if not isinstance(source, Acknowledged) else source.next_frame(2.0)
    ended = []

    def read() -> None:
        try:
            source.next_frame(10.0)
        except SourceClosed:
            ended.append(True)

    reader = threading.Thread(target=read)
    reader.start()
    source.close()
    source.close()
    reader.join(timeout=5.0)
    assert ended == [True]


def test_run_without_frames_is_refused(make):
    with pytest.raises(InputError, match="no frames"):
        make(frame_count=0)


# Pace, on a clock of the test's own ----------------------------------------------------------------------------------
class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def passes_ms(self, duration_ms: float) -> None:
        self.now_ns += round(duration_ms * 1e6)


def paced(clock: Clock, **options) -> PacedFileSource:
    return PacedFileSource(FakeRun(), fps=10, clock_ns=clock, **options)


def test_frame_is_not_there_before_its_time():
    clock = Clock()
    source = paced(clock)
    source.next_frame(0.0)
    clock.passes_ms(99)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)
    clock.passes_ms(1)
    assert source.next_frame(0.0).source_frame == 1


def test_late_reader_gets_the_time_the_frame_was_due():
    clock = Clock()
    source = paced(clock)
    first = source.next_frame(0.0)
    clock.passes_ms(250)
    late = [source.next_frame(0.0).received_ns - first.received_ns for _ in range(2)]
    assert late == [100_000_000, 200_000_000]


def test_clock_starts_anew_after_more_than_a_second():
    clock = Clock()
    source = paced(clock)
    source.next_frame(0.0)
    clock.passes_ms(5000)
    assert source.next_frame(0.0).received_ns == clock.now_ns
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)


def test_own_frame_time_is_the_pace_when_no_rate_is_given():
    assert PacedFileSource(FakeRun(frame_time_ms=40.0)).fps == pytest.approx(25.0)
    assert PacedFileSource(FakeRun(frame_time_ms=None)).fps == pytest.approx(15.0)


def test_loop_begins_again_while_numbers_run_on():
    clock = Clock()
    source = PacedFileSource(FakeRun(frame_count=2), fps=10, loop=True, clock_ns=clock)
    seen = []
    for _ in range(5):
        frame = source.next_frame(0.0)
        seen.append((frame.index, frame.source_frame))
        clock.passes_ms(100)
    assert seen == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)]


@pytest.mark.parametrize("make_looping", [lambda run: PacedFileSource(run, fps=1000.0, loop=True),
                                          lambda run: SaturatedFileSource(run, loop=True)])  # fmt: skip
def test_loop_of_damaged_frames_only_ends_with_an_error_after_one_round(make_looping):
    source = make_looping(FakeRun(frame_count=3, damaged=frozenset({0, 1, 2})))
    for _ in range(3):
        with pytest.raises(CorruptFrame):
            source.next_frame(2.0)
    with pytest.raises(InputError, match="not one of its 3 frames"):
        source.next_frame(2.0)


def test_loop_with_one_good_frame_goes_on():
    source = SaturatedFileSource(FakeRun(frame_count=3, damaged=frozenset({0, 2})), loop=True)
    shown = []
    for _ in range(12):
        try:
            shown.append(_next(source).index)
        except CorruptFrame:
            continue
    assert shown == [1, 4, 7, 10]


def test_pause_step_seek_and_resume():
    clock = Clock()
    source = paced(clock)
    assert isinstance(source, Playback)
    source.next_frame(0.0)
    source.pause()
    clock.passes_ms(500)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)
    source.step(1)
    assert source.next_frame(0.0).source_frame == 1
    source.step(-1)
    assert source.next_frame(0.0).source_frame == 0
    source.step(-1)
    assert source.next_frame(0.0).source_frame == 0, "steps stop at the first frame"
    source.seek(99)
    assert source.next_frame(0.0).source_frame == 9, "and at the last"
    assert source.paused
    source.seek(5)
    assert source.next_frame(0.0).source_frame == 5
    source.resume()
    assert source.next_frame(0.0).source_frame == 6
    assert source.position == 6


def test_two_quick_steps_go_two_frames():
    source = paced(Clock())
    source.next_frame(0.0)
    source.step(1)
    source.step(1)
    assert source.next_frame(0.0).source_frame == 2


def test_held_at_the_end_it_pauses_and_plays_again_from_the_start():
    clock = Clock()
    source = PacedFileSource(FakeRun(frame_count=2), fps=10, hold_at_end=True, clock_ns=clock)
    for _ in range(2):
        source.next_frame(0.0)
        clock.passes_ms(100)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)
    assert source.paused
    source.resume()
    assert source.next_frame(0.0).source_frame == 0


def test_slower_than_its_own_pace():
    clock = Clock()
    source = paced(clock)  # 100 ms from frame to frame
    source.next_frame(0.0)
    source.play_at(0.5)
    source.next_frame(0.0)
    clock.passes_ms(150)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)
    clock.passes_ms(60)
    assert source.next_frame(0.0).source_frame == 2
    with pytest.raises(InputError, match="times the pace"):
        source.play_at(0.0)


def test_a_stretch_is_played_again_and_again():
    clock = Clock()
    source = paced(clock, hold_at_end=True)
    source.repeat((6, 4))

    def played(count: int) -> list[int]:
        frames = []
        for _ in range(count):
            frames.append(source.next_frame(0.0).source_frame)
            clock.passes_ms(100)
        return frames

    assert played(5) == [4, 5, 6, 4, 5]
    source.repeat(None)
    assert played(4) == [6, 7, 8, 9]
    source.repeat((8, 99))
    source.seek(8)
    source.resume()
    assert played(4) == [8, 9, 8, 9]


def test_saturated_source_waits_until_the_frame_was_shown():
    source = SaturatedFileSource(FakeRun())
    frame = source.next_frame(0.1)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.02)
    source.acknowledge(frame.index)
    assert source.next_frame(0.1).index == 1


# Every frame with its overlay -----------------------------------------------------------------------------------------
def test_every_frame_waits_for_its_overlay_and_then_keeps_the_pace():
    clock = Clock()
    source = paced(clock, every_frame=True)
    first = source.next_frame(0.0)
    clock.passes_ms(250)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)
    source.answered(first.index)
    second = source.next_frame(0.0)
    assert second.received_ns == clock.now_ns, "what was waited for is no delay of the picture"
    source.answered(second.index)
    clock.passes_ms(99)
    with pytest.raises(SourceTimeout):
        source.next_frame(0.0)
    clock.passes_ms(1)
    assert source.next_frame(0.0).source_frame == 2


def test_a_step_waits_for_no_overlay_and_neither_does_a_run_as_it_was_live():
    clock = Clock()
    source = paced(clock, every_frame=True)
    source.next_frame(0.0)
    source.step(1)
    assert source.next_frame(0.0).source_frame == 1
    source.resume()
    source.every_frame = False
    assert source.next_frame(0.0).source_frame == 2


def test_an_engine_that_never_answers_does_not_stop_the_pictures():
    clock = Clock()
    source = paced(clock, every_frame=True)
    source.next_frame(0.0)
    clock.passes_ms(5100)
    assert source.next_frame(0.0).source_frame == 1


# URIs ----------------------------------------------------------------------------------------------------------------
def test_plain_path_and_file_uri_are_read(tmp_path):
    assert parse_source_uri("run.dcm").path.name == "run.dcm"
    assert parse_source_uri(f"file:{tmp_path}/a%20b.dcm?fps=7.5&loop=1") == FileUri(
        path=tmp_path / "a b.dcm", fps=7.5, loop=True
    )


def test_live_uris_are_read():
    assert parse_source_uri("dicom://:11112?aet=GUIDE&calling=A,B&peer=10.0.0.1") == DicomUri(
        host="127.0.0.1", port=11112, aet="GUIDE", calling=("A", "B"), peers=("10.0.0.1",)
    )
    assert parse_source_uri("igtl://0.0.0.0?listen=1") == IgtlUri(host="0.0.0.0", port=18944, listen=True)
    assert parse_source_uri("capture:0?size=640x480") == CaptureUri(device=0, size=(640, 480))
    assert parse_source_uri("capture:/dev/video1") == CaptureUri(device=Path("/dev/video1"))


def test_file_whose_name_looks_like_options_is_found(tmp_path):
    odd = tmp_path / "run 100%25 #1?fps=3.dcm"
    odd.touch()
    assert parse_source_uri(f"file:{odd}") == FileUri(path=odd)
    assert parse_source_uri(f"file:{tmp_path}/missing?fps=3") == FileUri(path=tmp_path / "missing", fps=3.0)


@pytest.mark.parametrize("open_listener", ["dicom://{}:11112?aet=GUIDE", "igtl://{}:18944?listen=1"])
def test_address_of_another_machine_is_told_apart_from_a_taken_port(open_listener):
    with pytest.raises(InputError, match=r"cannot listen here.*an address of this machine"):
        open_source(parse_source_uri(open_listener.format("192.0.2.7")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dicom://127.0.0.1:11112", "names no AE title"),
        ("dicom://127.0.0.1?aet=GUIDE", "names no port"),
        ("dicom://127.0.0.1:99999?aet=GUIDE", "no number from 0 to 65535"),
        ("dicom://127.0.0.1:11112?aet=SEVENTEEN_LETTERS", "no AE title"),
        ("dicom://127.0.0.1:11112?aet=GUIDE&calling=", "admits nobody"),
        ("dicom://127.0.0.1:11112?aet=GUIDE&tls_key=a.pem", "both tls_cert and tls_key"),
        ("dicom://127.0.0.1:11112?aet=GUIDE&calls=A", "did you mean calling"),
        ("dicom:GUIDE", "is no address"),
        ("igtl://127.0.0.1:18944?listen=yes", "0 or 1"),
        ("igtl://", "is no address"),
        ("capture:", "names no device"),
        ("capture:0?size=big", "WIDTHxHEIGHT"),
        ("fil:run.dcm", "did you mean file:"),
        ("file:run.dcm?fpz=3", "did you mean fps"),
        ("file:run.dcm?fps=fast", "above 0"),
        ("file:run.dcm?fps=0", "above 0"),
        ("file:run.dcm?fps=nan", "above 0"),
        ("file:run.dcm?loop=yes", "0 or 1"),
        ("file:", "names no file"),
        ("", "the source URI is empty"),
        ("rtsp://127.0.0.1/x", "dicom://"),
    ],
)
def test_bad_uri_is_refused_with_the_way_out(text, said):
    with pytest.raises(InputError, match=said):
        parse_source_uri(text)


def test_missing_recording_is_refused_plainly(tmp_path):
    with pytest.raises(InputError, match=r"case\.mcap: cannot be opened"):
        shown_run(tmp_path / "case.mcap")
