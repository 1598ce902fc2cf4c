"""The same client against archives that others wrote; skipped where they are not installed."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guidance_app.pacs import client
from guidance_app.pacs.address import Endpoint, PacsAddress
from guidance_app.pacs.association import PacsError, PacsLimits
from guidance_app.pacs.retrieval import fetch_series
from tests.guidance_app.pacs.archive_stand_in import AET, CALLING, SERIES, STUDY, ct_slice, save

_LIMITS = PacsLimits(connect_s=10.0, answer_s=30.0)
_START_S = 60.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _running(command: list[str], address: PacsAddress, folder: Path) -> Iterator[PacsAddress]:
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            _until_it_answers(address, process, folder)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def _until_it_answers(address: PacsAddress, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return client.echo(address, _LIMITS)
        except PacsError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "log.txt").read_text(errors="replace")[-500:]
                raise AssertionError(f"the archive did not start: {said}") from error
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)  # ends at once where the archive does


def _orthanc(folder: Path, archive_port: int, listen_port: int) -> list[str]:
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc is not installed (apt-get install orthanc)")
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpServerEnabled": False,
        "DicomServerEnabled": True,
        "DicomAet": AET,
        "DicomCheckCalledAet": True,
        "DicomPort": archive_port,
        "DicomAlwaysAllowEcho": True,
        "DicomModalities": {
            "us": {
                "AET": CALLING,
                "Host": "127.0.0.1",
                "Port": listen_port,
                "AllowGet": True,
                "AllowMove": True,
                "AllowFind": True,
                "AllowStore": True,
            }
        },
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return [program, str(folder / "orthanc.json")]


def _dcmqrscp(folder: Path, archive_port: int, listen_port: int) -> list[str]:
    program = shutil.which("dcmqrscp")
    if program is None:
        pytest.skip("dcmqrscp is not installed (apt-get install dcmtk)")
    (folder / "storage").mkdir()
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {archive_port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nus = ({CALLING}, 127.0.0.1, {listen_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{AET} {folder / 'storage'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    return [program, "-c", str(folder / "dcmqrscp.cfg")]


@pytest.mark.parametrize("program", [_orthanc, _dcmqrscp], ids=["orthanc", "dcmqrscp"])
def test_a_series_goes_into_a_real_archive_and_comes_back(tmp_path, program: Callable[[Path, int, int], list[str]]):
    archive_port, listen_port = _free_port(), _free_port()
    place = tmp_path / "archive"
    place.mkdir()
    command = program(place, archive_port, listen_port)
    address = PacsAddress(host="127.0.0.1", port=archive_port, aet=AET, calling=CALLING)
    with _running(command, address, place):
        files = [save(ct_slice(index), tmp_path / f"{index}.dcm") for index in range(4)]
        assert client.store(address, files, limits=_LIMITS) == 4
        studies = client.find_studies(address, client.StudyQuery(patient_id="SECRET*"), _LIMITS)
        assert [study.study_uid for study in studies] == [STUDY]
        assert [series.series_uid for series in client.find_series(address, STUDY, limits=_LIMITS)] == [SERIES]
        by_get = fetch_series(address, STUDY, SERIES, tmp_path / "get", limits=_LIMITS)
        assert by_get.instances == 4
        by_move = PacsAddress(
            host=address.host,
            port=address.port,
            aet=AET,
            calling=CALLING,
            retrieve="move",
            listen=Endpoint(host="127.0.0.1", port=listen_port),
        )
        assert fetch_series(by_move, STUDY, SERIES, tmp_path / "move", limits=_LIMITS).instances == 4
