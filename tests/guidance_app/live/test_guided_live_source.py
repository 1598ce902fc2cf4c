"""Guidance on sources with a real peer: what a change, a fault or a silence does to the overlay, and who is told."""

import json
import multiprocessing
import threading
from contextlib import contextmanager

import pytest

from guidance_app.live.session.session import LiveSession
from tests.guidance_app.live.stand_ins import fake_recipe
from tests.guidance_app.live.window_stand_in import drive
from tests.guidance_app.sources.rigs import DicomRig, IgtlServerRig, Picture


@pytest.fixture(params=[DicomRig, IgtlServerRig], ids=["dicom", "igtl"])
def rig(request):
    made = request.param()
    yield made
    made.close()


def _kinds(session: LiveSession) -> list[str]:
    return [event.kind for event in session.events]


@contextmanager
def streaming(rig, size: int = 64):
    """Pictures go on coming, twenty a second."""
    ended = threading.Event()

    def send() -> None:
        value = 0
        while not ended.wait(0.05):
            value = value % 199 + 1
            rig.send([Picture(value=value, size=size)])

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def _is_valid(screen) -> bool:
    return screen.overlay_state == "valid"


def test_overlay_goes_with_a_change_a_fault_and_a_silence_and_comes_back(rig, tmp_path):
    with LiveSession(source=rig.source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        with streaming(rig):
            drive(session, until=_is_valid, limit_s=60.0)
        drive(session, until=lambda screen: screen.source_state in ("no_signal", "last_run") and not _is_valid(screen))
        rig.send([Picture(value=1, damaged=True)])
        drive(session, until=lambda _: "frame_corrupt" in _kinds(session))
        with streaming(rig):
            drive(session, until=lambda screen: _is_valid(screen) and "source_resumed" in _kinds(session))
        with streaming(rig, size=96):
            painted = drive(session, until=lambda screen: _is_large(screen) and _is_valid(screen))
        for screen in painted:
            if screen.overlay is not None and screen.frame is not None and screen.frame.geometry is not None:
                assert screen.overlay.geometry.same_view(screen.frame.geometry), "drawn on a picture of another size"
        assert "geometry_changed" in _kinds(session)
    lines = [json.loads(line) for line in (tmp_path / "frames.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(rig.source.received))
    assert [line["state"] for line in lines].count("corrupt") == 1
    for line in lines:
        if line["overlay"] == "valid":
            assert line["overlay_geometry"] == line["geometry"]
    assert multiprocessing.active_children() == []


def _is_large(screen) -> bool:
    return screen.frame is not None and screen.frame.shape_px == (96, 96)


def test_refused_client_is_an_event_of_the_run(tmp_path):
    from tests.guidance_app.sources.rigs import associate

    rig = DicomRig()
    try:
        associate(rig.source.port, called="OTHER")
        with LiveSession(source=rig.source, recipe=None, out=tmp_path) as session:
            drive(session, until=lambda _: "client_refused" in _kinds(session))
        events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        assert [event["kind"] for event in events] == ["client_refused"]
        assert "'OTHER'" in events[0]["text"]
    finally:
        rig.close()


def test_pose_is_published_while_it_is_accepted():
    import socket

    from tests.guidance_app.sources.igtl.test_igtl_source import read_message

    rig = IgtlServerRig()
    try:
        with LiveSession(source=rig.source, recipe=fake_recipe(), spare_engine=False) as session:
            with streaming(rig):
                drive(session, until=_is_valid, limit_s=60.0)
            assert isinstance(rig.peer, socket.socket)
            rig.peer.settimeout(10.0)
            seen = [read_message(rig.peer)]
            # Only the newest state is sent: without a look in between, the rejection may overtake the acceptance.
            while seen[-1][0] != "TRANSFORM":
                seen.append(read_message(rig.peer))
            session.commands.reject()
            drive(session, until=lambda screen: screen.guidance_state == "rejected")
            while seen[-1][2] != "rejected":
                seen.append(read_message(rig.peer))
        said = [name if kind == "STATUS" else kind for kind, _, name, _ in seen]
        assert said.index("accepted") + 1 == said.index("TRANSFORM")
        assert "TRANSFORM" not in said[said.index("rejected") :]
    finally:
        rig.close()
