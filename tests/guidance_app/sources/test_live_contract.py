"""One contract for every kind of source, each with its real other end."""

import socket
import threading
import time

import numpy as np
import pytest

from guidance_app.live.session.session import LiveSession
from guidance_app.sources import arrivals
from guidance_app.sources.source import CorruptFrame, FrameSource, SkippedFrame, SourceClosed, SourceTimeout
from tests.guidance_app.live.window_stand_in import drive
from tests.guidance_app.sources.rigs import (
    LOCAL,
    NOT_CAPTURED,
    RIGS,
    SENT_TO,
    THREADED,
    Picture,
    Rig,
    image_bytes,
    pictures,
    wait_for,
)


@pytest.fixture
def rig_of(tmp_path):
    rigs: list[Rig] = []
    before = set(threading.enumerate())  # stand-ins of other tests may take seconds to end

    def make(kind: str, sent: list[Picture]) -> Rig:
        rigs.append(RIGS[kind](sent, tmp_path))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()
    new = set(threading.enumerate()) - before
    left = [thread.name for thread in new if thread.name.startswith(("guidance", "AcceptorThread"))]
    assert left == []


def read(source: FrameSource, count: int) -> list:
    """The next arrivals, errors among them."""
    arrived = []
    while len(arrived) < count:
        try:
            arrived.append(source.next_frame(10.0))
        except (CorruptFrame, SkippedFrame) as told:
            arrived.append(told)
    return arrived


@pytest.mark.parametrize("kind", RIGS)
def test_frames_come_in_order_numbered_and_stamped(rig_of, kind):
    sent = pictures(10, 20, 30, 40)
    rig = rig_of(kind, sent)
    assert isinstance(rig.source, FrameSource)
    before_ns = time.monotonic_ns()
    rig.send(sent)
    frames = read(rig.source, 4)
    assert [int(frame.pixels[5, 5]) for frame in frames] == [10, 20, 30, 40]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    stamps = [frame.received_ns for frame in frames]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= time.monotonic_ns()
    if kind in SENT_TO:
        assert before_ns < stamps[0]
    assert all(frame.decode_ms >= 0 and frame.source_id for frame in frames)
    if kind != "file":
        assert not any(frame.pixels.flags.writeable for frame in frames), (
            "nobody may draw on a picture that others read"
        )
    assert len({frame.sop_instance_uid for frame in frames}) == (4 if kind == "dicom" else 1)


@pytest.mark.parametrize("kind", SENT_TO)
def test_silence_is_a_timeout_and_the_source_stays_open(rig_of, kind):
    rig = rig_of(kind, [])
    for _ in range(2):
        with pytest.raises(SourceTimeout):
            rig.source.next_frame(0.01)
    rig.send(pictures(7))
    assert read(rig.source, 1)[0].index == 0


@pytest.mark.parametrize("kind", ["file", "capture"])
def test_end_of_a_file_closes_its_source(rig_of, kind):
    rig = rig_of(kind, pictures(1, 2))
    read(rig.source, 2)
    for _ in range(2):
        with pytest.raises(SourceClosed, match="end of the"):
            rig.source.next_frame(5.0)


@pytest.mark.parametrize("kind", RIGS)
def test_close_wakes_the_reader_and_leaves_no_port_and_no_thread(rig_of, kind):
    rig = rig_of(kind, pictures(1))
    rig.send(pictures(1))
    read(rig.source, 1)
    ended = []

    def wait() -> None:
        try:
            rig.source.next_frame(30.0)
        except SourceClosed:
            ended.append(True)

    reader = threading.Thread(target=wait)
    reader.start()
    rig.source.close()
    rig.source.close()
    reader.join(5.0)
    assert ended == [True]
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("guidance")] == []
    with pytest.raises(SourceClosed):
        rig.source.next_frame(0.0)
    if kind in ("dicom", "igtl server"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOCAL, rig.source.port), timeout=1.0)  # type: ignore[attr-defined]
        socket.create_server((LOCAL, rig.source.port)).close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", NOT_CAPTURED)
def test_geometry_is_the_stated_one_or_none_with_the_reason(rig_of, kind):
    sent = [Picture(value=1), Picture(value=2, known_geometry=False), Picture(value=3)]
    rig = rig_of(kind, sent)
    rig.send(sent)
    known, unknown, again = read(rig.source, 3)
    assert known.geometry.sid_mm == 1000.0
    assert known.geometry.sod_mm == 700.0
    assert known.geometry.shape_px == (64, 64)
    if kind != "file":
        assert np.rad2deg(known.geometry.primary_rad) == pytest.approx(30.0)
        assert np.rad2deg(known.geometry.secondary_rad) == pytest.approx(-10.0)
    assert unknown.geometry is None
    assert "DistanceSourceToDetector" in unknown.geometry_reason
    assert again.geometry.same_view(known.geometry)


def test_captured_picture_has_no_geometry_and_says_why(rig_of):
    rig = rig_of("capture", pictures(1))
    (frame,) = read(rig.source, 1)
    assert frame.geometry is None
    assert "calibration" in frame.geometry_reason


@pytest.mark.parametrize("kind", NOT_CAPTURED)
def test_bad_frame_is_told_in_its_place_and_the_stream_goes_on(rig_of, kind):
    sent = [Picture(value=1), Picture(value=2, damaged=True), Picture(value=3)]
    rig = rig_of(kind, sent)
    rig.send(sent)
    good, bad, after = read(rig.source, 3)
    assert isinstance(bad, CorruptFrame)
    assert (good.index, bad.index, after.index) == (0, 1, 2)
    assert int(after.pixels[0, 0]) == 3
    assert "\n" not in str(bad)


@pytest.mark.parametrize("kind", SENT_TO)
def test_size_may_change_in_the_stream(rig_of, kind):
    sent = [Picture(value=1, size=64), Picture(value=2, size=96)]
    rig = rig_of(kind, sent)
    rig.send(sent)
    small, large = read(rig.source, 2)
    assert (small.shape_px, large.shape_px) == ((64, 64), (96, 96))
    assert large.geometry.shape_px == (96, 96)
    assert not large.geometry.same_view(small.geometry)


@pytest.mark.parametrize("kind", THREADED)
def test_reader_that_falls_behind_gets_the_newest_and_every_frame_is_accounted_for(rig_of, kind, monkeypatch):
    monkeypatch.setattr(arrivals, "MAX_WAITING_FRAMES", 8)
    sent = pictures(*range(1, 13))
    rig = rig_of(kind, sent)
    rig.send(sent)
    wait_for(lambda: rig.source.received == 12)  # type: ignore[attr-defined]
    arrived_ones = read(rig.source, 12)
    assert [item.index for item in arrived_ones] == list(range(12))
    assert [isinstance(item, SkippedFrame) for item in arrived_ones] == [True] * 4 + [False] * 8
    assert int(arrived_ones[-1].pixels[0, 0]) == 12
    with pytest.raises((SourceTimeout, SourceClosed)):
        rig.source.next_frame(0.0)


@pytest.mark.parametrize("kind", SENT_TO)
def test_session_tells_of_stall_resumption_and_a_picture_that_stands_still(rig_of, kind):
    rig = rig_of(kind, [])
    kinds = lambda: [event.kind for event in session.events]  # noqa: E731
    # Nothing comes between two runs that are sent whole: that is no lost signal.
    quiet = "last_run" if kind == "dicom" else "no_signal"
    with LiveSession(source=rig.source, recipe=None) as session:
        rig.send(pictures(1, 2))
        drive(session, until=lambda screen: screen.frame is not None and screen.source_state == quiet)
        last = session.screen().frame
        assert last is not None
        rig.send(pictures(3))
        drive(session, until=lambda _: "source_resumed" in kinds())
        standing = threading.Event()

        def keep_sending() -> None:
            while not standing.wait(0.05):
                rig.send(pictures(9))

        sender = threading.Thread(target=keep_sending)
        sender.start()
        try:
            drive(session, until=lambda _: "source_frozen" in kinds())
        finally:
            standing.set()
            sender.join()
    assert kinds().index("source_stalled") < kinds().index("source_resumed") < kinds().index("source_frozen")


@pytest.mark.parametrize("kind", ["igtl server", "igtl client"])
def test_stream_goes_on_after_the_peer_has_gone_and_come_back(rig_of, kind):
    rig = rig_of(kind, [])
    notices = []
    rig.source.on_notice(lambda notice: notices.append(notice.kind))
    rig.send(pictures(1))
    assert read(rig.source, 1)[0].index == 0
    rig.hang_up()
    wait_for(lambda: "source_disconnected" in notices)
    rig.send(pictures(2))
    (frame,) = read(rig.source, 1)
    assert (frame.index, int(frame.pixels[0, 0])) == (1, 2)


def test_message_cut_off_by_the_peer_costs_that_picture_alone(rig_of):
    rig = rig_of("igtl server", [])
    rig.send(pictures(1))
    assert int(read(rig.source, 1)[0].pixels[0, 0]) == 1
    rig.peer.sendall(image_bytes(Picture(value=2))[:500])
    rig.hang_up()
    rig.send(pictures(3))
    (after,) = read(rig.source, 1)
    assert (after.index, int(after.pixels[0, 0])) == (1, 3)
