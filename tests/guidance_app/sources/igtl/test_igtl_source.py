"""OpenIGTLink against pyigtl, and against messages that lie."""

import gc
import socket
import struct

import numpy as np
import pyigtl
import pytest

from calibration.errors import InputError
from guidance_app.sources.igtl.igtl_source import POSE_DEVICE, STATE_DEVICE, IgtlSource
from guidance_app.sources.igtl.igtl_wire import MAX_BODY_BYTES
from guidance_app.sources.source import CorruptFrame, GuidanceNews
from tests.guidance_app.sources.rigs import (
    LOCAL,
    METADATA,
    IgtlServerRig,
    Picture,
    image_bytes,
    image_message,
    message_bytes,
    pictures,
    wait_for,
)


@pytest.fixture
def rig():
    opened = IgtlServerRig()
    opened.notices = []
    opened.source.on_notice(opened.notices.append)
    opened.send([])  # connects
    yield opened
    opened.close()


def told(rig, kind: str) -> list[str]:
    return [notice.text for notice in rig.notices if notice.kind == kind]


def after_sending(rig, data: bytes):
    rig.peer.sendall(data)
    return rig.source.next_frame(10.0)


# Pictures ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (np.array([[0, 255]], np.uint8), [0, 255]),
        (np.array([[0, 4095]], np.uint16), [0, 4095]),
        (np.array([[-32768, 0]], np.int16), [0, 32768]),
        (np.array([[0, 4095]], np.int16), [0, 4095]),
        (np.array([[-128, 127]], np.int8), [0, 255]),
    ],
    ids=["u8", "u16", "i16", "i16 without signs", "i8"],
)
def test_whole_numbers_of_every_kind_become_grey(rig, stored, shown):
    picture = np.repeat(stored, 3, axis=0)
    frame = after_sending(rig, image_message(picture).pack())
    assert frame.pixels.tolist() == [shown] * 3
    assert frame.pixels.dtype.isnative
    assert frame.bits_stored == stored.itemsize * 8


def test_big_endian_picture_is_turned_round(rig):
    body = _image_header(scalar=5, endian=1, size=(2, 3, 1)) + np.arange(6, dtype=">u2").tobytes()
    frame = after_sending(rig, message_bytes("IMAGE", body))
    assert frame.pixels.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert frame.pixels.dtype.isnative


def test_colour_becomes_luminance(rig):
    colour = np.zeros((1, 4, 6, 3), np.uint8)
    colour[..., 1] = 100
    frame = after_sending(rig, image_message(colour).pack())
    assert frame.shape_px == (4, 6)
    assert int(frame.pixels[0, 0]) == 59


def test_plain_array_of_pyigtl_keeps_its_rows_and_columns(rig):
    plain = np.arange(12, dtype=np.uint8).reshape(3, 4)
    message = pyigtl.ImageMessage(plain, device_name="XA")
    np.testing.assert_array_equal(after_sending(rig, message.pack()).pixels, plain)


def test_stated_bits_and_frame_time_are_taken(rig):
    metadata = METADATA | {"BitsStored": "12", "FrameTime": "40"}
    frame = after_sending(rig, image_message(np.zeros((8, 8), np.uint16), metadata).pack())
    assert (frame.bits_stored, frame.frame_time_ms) == (12, 40.0)


@pytest.mark.parametrize(("least", "shown"), [(0, (2048.0, 12)), (-1, (32768.0 + 2048.0, 16))])
def test_window_of_signed_numbers_follows_their_pixels(rig, least, shown):
    metadata = METADATA | {"BitsStored": "12", "WindowCenter": "2048", "WindowWidth": "4096"}
    frame = after_sending(rig, image_message(np.full((8, 8), least, np.int16), metadata).pack())
    assert (frame.window_center, frame.bits_stored) == shown


@pytest.mark.parametrize("stated", ["1e9", "0", "-40", "nan", "1e-9", "soon"])
def test_frame_time_that_cannot_be_is_measured_instead(rig, stated):
    """Believed, it would make a source that has fallen silent look like a slow one."""
    metadata = METADATA | {"FrameTime": stated}
    frame = after_sending(rig, image_message(np.zeros((8, 8), np.uint16), metadata).pack())
    assert 0 < frame.frame_time_ms <= 450.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"DistanceSourceToDetector": "far"}, "DistanceSourceToDetector is 'far'"),
        ({"DistanceSourceToDetector": "nan"}, "DistanceSourceToDetector is 'nan'"),
        ({"DistanceSourceToDetector": "1.0"}, "DistanceSourceToDetector"),
        ({"PositionerPrimaryAngle": "400"}, "PositionerPrimaryAngle"),
        ({"ImagerPixelSpacing": ""}, "ImagerPixelSpacing"),
        ({"DistanceSourceToPatient": "1200"}, "DistanceSourceToPatient"),
    ],
)
def test_geometry_that_cannot_be_is_none_with_the_reason(rig, change, said):
    frame = after_sending(rig, image_message(np.zeros((8, 8), np.uint8), METADATA | change).pack())
    assert frame.geometry is None
    assert said in frame.geometry_reason


@pytest.mark.parametrize("spacing", ["0.3\\0.4", "0.3, 0.4", "[0.3 0.4]"])
def test_two_spacings_are_row_then_column(rig, spacing):
    metadata = METADATA | {"ImagerPixelSpacing": spacing}
    frame = after_sending(rig, image_message(np.zeros((8, 8), np.uint8), metadata).pack())
    assert (frame.geometry.row_spacing_mm, frame.geometry.column_spacing_mm) == (0.3, 0.4)


def test_first_header_version_has_no_geometry(rig):
    message = image_message(np.zeros((8, 8), np.uint8), None)
    message.header_version = 1
    frame = after_sending(rig, message.pack())
    assert frame.geometry is None
    assert "states no geometry" in frame.geometry_reason


# Messages that lie ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [2**64 - 1, 2**40, MAX_BODY_BYTES + 1])
def test_message_beyond_the_limit_ends_the_connection_before_memory_is_taken(rig, size):
    rig.peer.sendall(message_bytes("IMAGE", size=size))
    wait_for(lambda: told(rig, "client_refused"))
    assert f"a message of {size} bytes" in told(rig, "client_refused")[0]
    rig.hang_up()
    rig.send(pictures(5))
    assert int(rig.source.next_frame(10.0).pixels[0, 0]) == 5


def test_header_that_is_none_ends_the_connection(rig):
    rig.peer.sendall(b"GET / HTTP/1.1\r\nHost: somewhere with a long name.example\r\n\r\n")
    wait_for(lambda: told(rig, "client_refused"))


def _image_header(*, components=1, scalar=3, endian=2, size=(4, 4, 1), first=(0, 0, 0), part=None) -> bytes:
    return struct.pack(">HBBBBHHH", 1, components, scalar, endian, 2, *size) + struct.pack(
        ">12f6H", *[0.0] * 12, *first, *(size if part is None else part)
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (_image_header(size=(60000, 60000, 1)), "accepted are 1 to 8192"),
        (_image_header(size=(4, 4, 4)) + bytes(64), "a volume"),
        (_image_header() + bytes(3), "states 16 bytes of pixels and holds 3"),
        (_image_header(scalar=11) + bytes(128), "numbers of type 11"),
        (_image_header(components=200) + bytes(16), "200 components"),
        (b"short", "cut off"),
        (_image_header(part=(4, 2, 1)) + bytes(8), "updates the part 4 x 2 x 1 at 0, 0, 0 of 4 x 4 x 1"),
        (_image_header(first=(0, 2, 0), part=(4, 2, 1)) + bytes(16), "updates the part 4 x 2 x 1 at 0, 2, 0"),
    ],
    ids=["huge", "volume", "short", "float", "components", "cut-off", "part", "part-of-full-length"],
)
def test_damaged_image_costs_that_picture_alone(rig, body, said):
    rig.peer.sendall(message_bytes("IMAGE", body))
    with pytest.raises(CorruptFrame, match=said):
        rig.source.next_frame(10.0)
    rig.send(pictures(6))
    assert rig.source.next_frame(10.0).index == 1


def test_metadata_that_claim_more_than_is_there_cost_that_picture_alone(rig):
    lying = struct.pack(">HHII", 12, 60000, 2**31, 0) + _image_header() + bytes(16)
    rig.peer.sendall(message_bytes("IMAGE", lying, version=2))
    with pytest.raises(CorruptFrame):
        rig.source.next_frame(10.0)


def test_other_types_are_ignored_with_one_event_each(rig):
    for _ in range(3):
        rig.peer.sendall(message_bytes("STRING", b"\0" * 70000) + message_bytes("POINT"))
    assert after_sending(rig, image_bytes(Picture(value=1))).index == 0
    ignored = told(rig, "message_ignored")
    assert len(ignored) == 2
    assert "STRING" in ignored[0]


def test_pictures_of_a_second_peer_are_not_mixed_in(rig):
    rig.send(pictures(1))
    rig.source.next_frame(10.0)
    with socket.create_connection((LOCAL, rig.source.port)) as second:
        second.sendall(image_bytes(Picture(value=99)))
        wait_for(lambda: told(rig, "message_ignored"))
        rig.send(pictures(2))
        assert int(rig.source.next_frame(10.0).pixels[0, 0]) == 2


def test_taken_port_is_an_error_that_names_it(rig):
    with pytest.raises(InputError, match=rf"igtl://127.0.0.1:{rig.source.port}: cannot listen here .*in use"):
        IgtlSource(host=LOCAL, port=rig.source.port, listen=True)


# What goes out -------------------------------------------------------------------------------------------------------
POSE = np.array([[0, 1, 0, 5], [0, 0, -1, -3], [-1, 0, 0, 700], [0, 0, 0, 1]], dtype=np.float64)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyigtl drops sockets on a busy machine
def test_pyigtl_client_sends_pictures_and_follows_the_pose():
    source = IgtlSource(host=LOCAL, port=0, listen=True)
    client = pyigtl.OpenIGTLinkClient(LOCAL, source.port)
    try:
        client.send_message(image_message(np.full((16, 16), 77, np.uint8)), wait=False)
        frame = source.next_frame(10.0)
        assert int(frame.pixels[0, 0]) == 77
        assert frame.geometry.sid_mm == 1000.0
        source.publish(GuidanceNews(state="accepted", reason="", camera_from_lps_mm=POSE))
        pose = client.wait_for_message(POSE_DEVICE, timeout=10)
        np.testing.assert_allclose(pose.matrix, POSE)
    finally:
        client.stop()
        source.close()
        gc.collect()


def read_message(peer: socket.socket) -> tuple[str, str, str, int]:
    """(type, device, name, code) of the next message."""
    head = _exactly(peer, 58)
    _, kind, device, _, _, size, _ = struct.unpack(">H12s20sIIQQ", head)
    body = _exactly(peer, size)
    code, _, name = struct.unpack(">Hq20s", body[:30]) if kind.startswith(b"STATUS") else (0, 0, b"")
    kind_text, device_text, name_text = (text.rstrip(b"\0").decode() for text in (kind, device, name))
    return kind_text, device_text, name_text, code


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = peer.recv(size - len(data))
        assert piece
        data += piece
    return data


def test_state_goes_out_on_change_and_to_whoever_connects_later(rig):
    rig.peer.settimeout(10.0)
    rig.source.publish(GuidanceNews(state="stale", reason="the view changed", camera_from_lps_mm=None))
    assert read_message(rig.peer) == ("STATUS", STATE_DEVICE, "stale", 13)
    rig.source.publish(GuidanceNews(state="accepted", reason="", camera_from_lps_mm=POSE))
    assert read_message(rig.peer) == ("STATUS", STATE_DEVICE, "accepted", 1)
    assert read_message(rig.peer)[:2] == ("TRANSFORM", POSE_DEVICE)
    with socket.create_connection((LOCAL, rig.source.port), timeout=10.0) as late:
        assert read_message(late)[2] == "accepted"
