"""The storage SCP against peers that behave, and against those that do not."""

import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_items import AbstractSyntaxSubItem
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from calibration.errors import InputError
from guidance_app.pacs.closing import CLOSED_SURELY
from guidance_app.sources.dicom.dicom_limits import MAX_PDU_BYTES
from guidance_app.sources.dicom.dicom_server import MAX_PEERS, PDU_BYTES, Admission
from guidance_app.sources.dicom.dicom_source import SUCCESS, DicomSource
from guidance_app.sources.dicom.received_run import ReceivedRun
from guidance_app.sources.live_uris import DicomUri
from guidance_app.sources.open_live import open_live
from guidance_app.sources.source import CorruptFrame, SourceTimeout
from tests.guidance_app.sources.rigs import AET, LOCAL, Picture, associate, pictures, store, wait_for, xa_object

XA = "1.2.840.10008.5.1.4.1.1.12.1"
WORD_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"
COLOUR_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.4"
EXPLICIT = str(ExplicitVRLittleEndian)
NEEDS_DCMTK = pytest.mark.skipif(not shutil.which("storescu"), reason="needs storescu and echoscu; install dcmtk")


@pytest.fixture
def scp():
    opened = []

    def make(**options) -> DicomSource:
        admission = Admission(aet=AET, calling=options.pop("calling", ()), peers=options.pop("peers", ()))
        opened.append(DicomSource(host=LOCAL, port=0, admission=admission, **options))
        opened[-1].notices = []
        opened[-1].on_notice(opened[-1].notices.append)
        return opened[-1]

    yield make
    for source in opened:
        source.close()


def refusals(source) -> str:
    return "; ".join(notice.text for notice in source.notices if notice.kind == "client_refused")


def send(source, made, sop_class=XA, syntax=EXPLICIT) -> int:
    association = associate(source.port, contexts=[(sop_class, syntax)])
    assert association.is_established
    try:
        return store(association, made)
    finally:
        association.release()


def is_open(source) -> bool:
    """Whether a well-behaved peer is served."""
    association = associate(source.port)
    if not association.is_established:
        return False
    association.release()
    return send(source, xa_object(Picture(value=9), 999)) == SUCCESS


def test_a_request_without_an_abstract_syntax_is_rejected_and_told(scp):
    source = scp()
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title, asked.called_ae_title = "A", AET
    context = build_context("1.2.840.10008.1.1")
    context.context_id = 1
    asked.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3"
    asked.user_information = [length, implementation]
    request = A_ASSOCIATE_RQ()
    request.from_primitive(asked)
    items = request.presentation_context[0].abstract_transfer_syntax_sub_items
    items[:] = [item for item in items if not isinstance(item, AbstractSyntaxSubItem)]
    with socket.create_connection((LOCAL, source.port), timeout=10.0) as peer:
        peer.sendall(request.encode())
        assert peer.recv(64)[:1] == b"\x03"  # A-ASSOCIATE-RJ, PS3.8 table 9-21
    wait_for(lambda: "a damaged request" in refusals(source))
    assert associate(source.port).is_established


# Who may send --------------------------------------------------------------------------------------------------------
def test_other_called_title_is_refused_and_told(scp):
    source = scp()
    association = associate(source.port, called="SOMEBODY")
    assert association.is_rejected
    wait_for(lambda: "'SOMEBODY'" in refusals(source))
    assert "'GUIDE'" in refusals(source)


def test_only_listed_callers_are_served(scp):
    source = scp(calling=("ANGIO1", "ANGIO2"))
    assert associate(source.port, calling="STRANGER").is_rejected
    wait_for(lambda: "not on the list of callers" in refusals(source))
    welcome = associate(source.port, calling="ANGIO2")
    assert store(welcome, xa_object(Picture(value=1), 1)) == SUCCESS
    welcome.release()


def test_only_listed_addresses_are_served(scp):
    source = scp(peers=("10.11.12.13",))
    assert not associate(source.port).is_established
    wait_for(lambda: "127.0.0.1: its address is not on the list" in refusals(source))


def test_taken_port_is_an_error_that_names_it(scp):
    source = scp()
    with pytest.raises(
        InputError, match=rf"dicom://127.0.0.1:{source.port}: cannot listen here .*in use.*choose another"
    ):
        DicomSource(host=LOCAL, port=source.port, admission=Admission(aet=AET))


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")
def test_tls_serves_tls_and_refuses_plain_talk(tmp_path):
    from pynetdicom.ae import ApplicationEntity

    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    source = open_live(DicomUri(host=LOCAL, port=0, aet=AET, tls_cert=certificate, tls_key=key))
    assert isinstance(source, DicomSource)
    notices = []
    source.on_notice(notices.append)
    try:
        assert not associate(source.port).is_established
        wait_for(lambda: any("no TLS connection" in notice.text for notice in notices))
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        ae = ApplicationEntity(ae_title="RIG")
        ae.add_requested_context(XA, EXPLICIT)
        association = ae.associate(
            LOCAL, source.port, ae_title=AET, tls_args=(context, "localhost"), evt_handlers=[CLOSED_SURELY]
        )
        assert association.is_established
        assert store(association, xa_object(Picture(value=5), 1)) == SUCCESS
        association.release()
        assert int(source.next_frame(5.0).pixels[0, 0]) == 5
    finally:
        source.close()


def test_unusable_certificate_is_named(tmp_path):
    (tmp_path / "cert.pem").write_text("nothing")
    uri = DicomUri(host=LOCAL, port=0, aet=AET, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "none.pem")
    with pytest.raises(InputError, match=r"none\.pem: cannot be used for TLS"):
        open_live(uri)


# What is sent --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
     RLELossless, JPEG2000Lossless],
    ids=lambda syntax: syntax.name.split()[0],
)  # fmt: skip
def test_every_transfer_syntax_arrives_as_the_same_picture(scp, syntax):
    source = scp()
    shown = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    made = xa_object(Picture(value=0), 1)
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made["PixelData"].VR = "OW"
    made.PixelData = shown.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
    if syntax.is_encapsulated:
        made.compress(syntax, shown, generate_instance_uid=False)
    made.file_meta.TransferSyntaxUID = syntax
    assert send(source, made, syntax=str(syntax)) == SUCCESS
    np.testing.assert_array_equal(source.next_frame(5.0).pixels, shown)


def test_run_that_comes_while_another_is_played_keeps_its_pace_after_it(scp):
    source = scp()
    association = associate(source.port)
    for number in (1, 2, 3):
        assert store(association, xa_object(Picture(value=number), number, frames=8)) == SUCCESS
    association.release()
    frames = [source.next_frame(10.0) for _ in range(24)]
    assert [int(frame.pixels[0, 0]) for frame in frames] == [1] * 8 + [2] * 8 + [3] * 8
    steps_ms = np.diff([frame.received_ns for frame in frames]) / 1e6
    assert steps_ms.min() > 19.9, "a run of 20 ms a frame was hurried"


def test_a_frame_that_breaks_whatever_reads_it_ends_neither_its_run_nor_the_next(scp, monkeypatch):
    def frame(self, index: int):
        if index == 1:
            raise ZeroDivisionError
        return self.first

    monkeypatch.setattr(ReceivedRun, "frame", frame)
    source = scp()
    assert send(source, xa_object(Picture(value=3), 1, frames=3)) == SUCCESS
    assert source.next_frame(5.0).index == 0
    with pytest.raises(CorruptFrame, match="ZeroDivisionError"):
        source.next_frame(5.0)
    assert source.next_frame(5.0).index == 2
    assert send(source, xa_object(Picture(value=4), 2)) == SUCCESS
    assert source.next_frame(5.0).index == 3


def test_multi_frame_object_is_played_at_its_pace_and_counted_exactly(scp):
    source = scp()
    assert send(source, xa_object(Picture(value=3), 1, frames=6)) == SUCCESS
    frames = [source.next_frame(5.0) for _ in range(6)]
    assert [frame.source_frame for frame in frames] == list(range(6))
    assert np.diff([frame.received_ns for frame in frames]) == pytest.approx([20e6] * 5)
    assert source.received == 6
    with pytest.raises(SourceTimeout):
        source.next_frame(0.05)


def test_object_that_comes_during_another_is_played_after_it(scp):
    source = scp()
    send(source, xa_object(Picture(value=1), 1, frames=5))
    send(source, xa_object(Picture(value=2), 2))
    values = [int(source.next_frame(5.0).pixels[0, 0]) for _ in range(6)]
    assert values == [1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(("sop_class", "colour"), [(WORD_CAPTURE, False), (COLOUR_CAPTURE, True)])
def test_secondary_capture_is_shown_without_geometry(scp, sop_class, colour):
    source = scp()
    made = xa_object(Picture(value=100), 1, frames=2)
    made.SOPClassUID = sop_class
    if colour:
        made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
        made.PixelData = bytes([0, 100, 0]) * (64 * 64 * 2)
    assert send(source, made, sop_class) == SUCCESS
    frames = [source.next_frame(5.0) for _ in range(2)]
    assert int(frames[1].pixels[0, 0]) == (59 if colour else 100)
    assert frames[0].geometry is None
    assert "secondary capture" in frames[0].geometry_reason


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on the UID
def test_path_for_a_uid_makes_no_file_and_no_uid(scp, tmp_path, monkeypatch):
    from pynetdicom.dsutils import encode

    monkeypatch.chdir(tmp_path)
    source = scp()

    def with_a_path(made, *how, **more) -> bytes | None:
        made.SOPInstanceUID = "../../evil"
        return encode(made, *how, **more)

    monkeypatch.setattr("pynetdicom.association.encode", with_a_path)
    assert send(source, xa_object(Picture(value=1), 1)) == SUCCESS
    assert source.next_frame(5.0).sop_instance_uid == ""
    assert list(tmp_path.iterdir()) == []


# What is refused -----------------------------------------------------------------------------------------------------
def _change(**values):
    def change(made) -> None:
        for keyword, value in values.items():
            setattr(made, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_change(Rows=60000, Columns=60000), "accepted are 1 to 8192"),
        (_change(Rows=8192, Columns=8192, NumberOfFrames=100000), "GiB"),
        (_change(NumberOfFrames=50), "holds 1 of the 50 frames"),
        (_change(NumberOfFrames=-3), "Number of Frames is -3"),
        (_change(BitsAllocated=32), "accepted are 8 or 16 bits"),
        (_change(PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"),
        (lambda made: delattr(made, "PixelData"), "no pixel data"),
        (lambda made: delattr(made, "Rows"), "no Rows"),
    ],
    ids=["rows", "bytes", "cut-off", "negative", "depth", "palette", "no-pixels", "no-rows"],
)
def test_object_that_cannot_be_understood_gets_a_c000_status_and_is_told(scp, change, said):
    source = scp()
    made = xa_object(Picture(value=1), 1)
    change(made)
    status = send(source, made)
    assert status >> 12 == 0xC
    with pytest.raises(CorruptFrame, match="object 1 from RIG") as told:
        source.next_frame(5.0)
    assert said in str(told.value)
    assert is_open(source)
    assert source.next_frame(5.0).index == 1


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on the garbage
@pytest.mark.parametrize("garbage", [b"\0" * 5000, bytes(range(256)) * 40], ids=["zeros", "bytes"])
def test_garbage_for_a_data_set_gets_a_c000_status(scp, garbage, monkeypatch):
    source = scp()
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_, **__: garbage)
    assert send(source, xa_object(Picture(value=1), 1)) >> 12 == 0xC
    with pytest.raises(CorruptFrame, match="object 1"):
        source.next_frame(5.0)


def test_data_set_beyond_the_limit_ends_the_association(scp):
    source = scp(max_data_set_bytes=1024**2)
    association = associate(source.port)
    assert store(association, xa_object(Picture(value=1, size=1024), 1, frames=4)) != SUCCESS
    wait_for(lambda: not association.is_established)
    wait_for(lambda: "a data set larger than 1 MiB" in refusals(source))
    assert is_open(source)


def test_data_sets_without_end_from_many_peers_do_not_add_up(scp):
    from tests.fuzz.scp_target import associate_request, command, fragment

    source = scp(max_data_set_bytes=1024**2)
    peers = [socket.create_connection((LOCAL, source.port), timeout=10.0) for _ in range(4)]
    try:
        with contextlib.suppress(OSError):  # one of them is ended
            for peer in peers:
                peer.sendall(associate_request())
                assert peer.recv(65536)
                peer.sendall(command(b""))
            for _ in range(40):
                for peer in peers:
                    peer.sendall(fragment(bytes(16_000), last=False, is_command=False))
        wait_for(lambda: "more than 2 MiB are on their way from all peers" in refusals(source))
    finally:
        for peer in peers:
            peer.close()
    wait_for(lambda: is_open(source), 30.0)


def test_pdu_beyond_the_limit_is_never_taken_into_memory(scp):
    source = scp()
    with socket.create_connection((LOCAL, source.port)) as hostile:
        hostile.sendall(struct.pack(">BBI", 1, 0, 0xFFFFFFF0) + b"\0" * 1000)
        hostile.settimeout(10.0)
        with contextlib.suppress(ConnectionResetError):
            while hostile.recv(4096):
                pass
    wait_for(lambda: f"accepted are {MAX_PDU_BYTES}" in refusals(source))
    assert is_open(source)


@pytest.mark.parametrize("after", [b"", b"\x07\0\0\0\0\x04\0\0\0\0", b"\xff" * 64], ids=["silence", "abort", "garbage"])
def test_peer_that_breaks_off_before_our_answer_takes_no_place_and_no_thread(scp, after):
    """Found by fuzzing: pynetdicom's thread ends with a traceback where its answer comes too late."""
    from tests.fuzz.scp_target import associate_request

    source = scp()
    for _ in range(2 * MAX_PEERS):
        with socket.create_connection((LOCAL, source.port)) as peer:
            peer.sendall(associate_request() + after)
    wait_for(lambda: is_open(source), 30.0)


def test_large_but_finite_pdus_are_offered(scp):
    source = scp()
    association = associate(source.port)
    assert association.acceptor.maximum_length == PDU_BYTES
    association.release()


def test_peer_that_says_nothing_does_not_hold_up_the_end(scp):
    source = scp()
    with socket.create_connection((LOCAL, source.port)) as silent:
        silent.sendall(struct.pack(">BBI", 1, 0, 200))
        began_s = time.monotonic()
        source.close()
        assert time.monotonic() - began_s < 5.0


# A real peer ---------------------------------------------------------------------------------------------------------
@NEEDS_DCMTK
def test_echo_is_answered_and_an_unknown_title_refused_by_dcmtk(scp):
    source = scp()
    echo = ["echoscu", "-aec", AET, LOCAL, str(source.port)]
    assert subprocess.run(echo, timeout=30, check=False).returncode == 0
    wrong = ["echoscu", "-aec", "WRONG", LOCAL, str(source.port)]
    answer = subprocess.run(wrong, timeout=30, check=False, capture_output=True, text=True)
    assert answer.returncode != 0
    assert "Called AE Title Not Recognized" in answer.stdout + answer.stderr


@NEEDS_DCMTK
def test_none_of_many_objects_from_storescu_is_lost(scp, tmp_path: Path):
    source = scp()
    for number, picture in enumerate(pictures(*range(1, 41))):
        xa_object(picture, number).save_as(tmp_path / f"{number:03d}.dcm", enforce_file_format=True)
    sent = subprocess.run(
        ["storescu", "-v", "-aec", AET, "+sd", LOCAL, str(source.port), str(tmp_path)],
        timeout=120, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    assert (sent.stdout + sent.stderr).count("Received Store Response (Success)") == 40
    arrived = [source.next_frame(5.0) for _ in range(40)]
    assert source.received == 40
    assert sorted(int(frame.pixels[0, 0]) for frame in arrived) == list(range(1, 41))
    assert len({frame.sop_instance_uid for frame in arrived}) == 40
