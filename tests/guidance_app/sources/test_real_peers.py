"""Programs that others wrote send to us, or we to them: what left one end is counted at the other, and none is lost."""

import gc
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyigtl
import pytest

from guidance_app.sources.capture.capture_source import CaptureSource
from guidance_app.sources.dicom.dicom_server import Admission
from guidance_app.sources.dicom.dicom_source import DicomSource
from guidance_app.sources.igtl.igtl_source import IgtlSource
from guidance_app.sources.live_uris import CaptureUri
from guidance_app.sources.source import FrameSource, SourceClosed, SourceTimeout
from tests.guidance_app.sources.rigs import AET, LOCAL, Picture, image_message, wait_for, write_video, xa_object

NEEDS_DCMTK = pytest.mark.skipif(not shutil.which("storescu"), reason="needs storescu and echoscu; install dcmtk")
_SUCCESS = "Received Store Response (Success)"


@contextmanager
def _scp(**options) -> Iterator[DicomSource]:
    admission = Admission(aet=AET, calling=options.pop("calling", ()))
    source = DicomSource(host=LOCAL, port=0, admission=admission, **options)
    source.notices = []
    source.on_notice(source.notices.append)
    try:
        yield source
    finally:
        source.close()


def _folder_of(folder: Path, numbers: range) -> Path:
    folder.mkdir()
    for number in numbers:
        made = xa_object(Picture(value=number % 256, size=32), number)
        made.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    return folder


def _storescu(source: DicomSource, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = ["storescu", "-v", "-aec", AET, *more, "+sd", LOCAL, str(source.port), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return probe.getsockname()[1]


def _arrivals(source: FrameSource, count: int, limit_s: float = 150.0) -> list[str]:
    """UIDs of the next `count` frames; a lost one would be a timeout, a skipped or damaged one an error."""
    end, uids = time.monotonic() + limit_s, []
    while len(uids) < count and time.monotonic() < end:
        try:
            uids.append(source.next_frame(1.0).sop_instance_uid)
        except SourceTimeout:
            continue
    return uids


@NEEDS_DCMTK
@pytest.mark.timeout(300)
def test_five_hundred_objects_in_a_row_are_counted_alike_at_both_ends(tmp_path):
    folder = _folder_of(tmp_path / "run", range(500))
    with _scp() as source:
        # A thread listens to the sender: it says more than a pipe holds, and would wait for somebody to hear it.
        with ThreadPoolExecutor(1) as listening:
            sender = _storescu(source, folder)
            heard = listening.submit(sender.communicate, timeout=200)
            uids = _arrivals(source, 500)
            said, _ = heard.result()
        assert sender.returncode == 0
        assert said.count(_SUCCESS) == 500 == source.received == len(set(uids))


@NEEDS_DCMTK
def test_associations_in_parallel_lose_nothing(tmp_path):
    folders = [_folder_of(tmp_path / str(part), range(50 * part, 50 * part + 50)) for part in range(4)]
    with _scp() as source:
        senders = [_storescu(source, folder, "-aet", f"ANGIO{part}") for part, folder in enumerate(folders)]
        uids = _arrivals(source, 200)
        said = "".join(sender.communicate(timeout=60)[0] for sender in senders)
        assert [sender.returncode for sender in senders] == [0] * 4
        assert said.count(_SUCCESS) == 200 == source.received == len(set(uids))


@NEEDS_DCMTK
def test_object_beyond_the_limit_is_refused_and_the_next_sender_served(tmp_path):
    (tmp_path / "large").mkdir()
    xa_object(Picture(value=1, size=1024), 1, frames=4).save_as(tmp_path / "large" / "a.dcm", enforce_file_format=True)
    with _scp(max_data_set_bytes=1024**2) as source:
        sender = _storescu(source, tmp_path / "large")
        said, _ = sender.communicate(timeout=60)
        assert sender.returncode != 0
        assert _SUCCESS not in said
        wait_for(lambda: any("a data set larger than 1 MiB" in notice.text for notice in source.notices))
        assert source.received == 0
        sender = _storescu(source, _folder_of(tmp_path / "small", range(3)))
        assert len(_arrivals(source, 3)) == 3
        assert sender.communicate(timeout=60)[0].count(_SUCCESS) == 3


@NEEDS_DCMTK
@pytest.mark.parametrize(
    ("called", "calling", "reason"),
    [("OTHER", "ANGIO", "Called AE Title Not Recognized"), (AET, "STRANGER", "Calling AE Title Not Recognized")],
)
def test_unknown_titles_are_refused_and_told(called, calling, reason):
    with _scp(calling=("ANGIO",)) as source:
        echo = ["echoscu", "-aec", called, "-aet", calling, LOCAL, str(source.port)]
        answer = subprocess.run(echo, timeout=30, check=False, capture_output=True, text=True)
        assert answer.returncode != 0
        assert reason in answer.stdout + answer.stderr
        wait_for(lambda: any(notice.kind == "client_refused" for notice in source.notices))
        welcome = ["echoscu", "-aec", AET, "-aet", "ANGIO", LOCAL, str(source.port)]
        assert subprocess.run(welcome, timeout=30, check=False).returncode == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyigtl drops sockets on a busy machine
def test_pictures_of_a_pyigtl_server_arrive_in_order_and_whole():
    pictures = [np.full((24, 32), value, dtype=np.uint8) for value in range(1, 101)]
    server = pyigtl.OpenIGTLinkServer(port=_free_port(), local_server=True)
    source = IgtlSource(host=LOCAL, port=server.port, listen=False)
    try:
        wait_for(server.is_connected)
        values = []
        for picture in pictures:
            server.send_message(image_message(picture), wait=True)
            values.append(int(source.next_frame(5.0).pixels[0, 0]))
        assert values == list(range(1, 101))
        assert source.received == 100
    finally:
        source.close()
        server.stop()
        gc.collect()


def test_every_picture_of_a_video_is_captured(tmp_path):
    path = tmp_path / "screen.avi"
    write_video(path, [np.full((48, 64), value, dtype=np.uint8) for value in range(10, 130)])
    source = CaptureSource(CaptureUri(device=path, fps=500))
    try:
        values = [int(source.next_frame(5.0).pixels[0, 0]) for _ in range(120)]
        with pytest.raises(SourceClosed):
            source.next_frame(5.0)
    finally:
        source.close()
    assert values == list(range(10, 130))
