"""`live` on a network source and on a capture file, as a user runs it: logs, an orderly end, a free port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engines.anatomy.cases.case import write_case
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.vessel_model import Branch, CenterlineTree
from guidance_app.cli.main import build_app
from guidance_app.sources.dicom.dicom_source import SUCCESS
from tests.guidance_app.sources.rigs import LOCAL, Picture, associate, image_bytes, store, write_video, xa_object

COMMAND = [sys.executable, "-c", "from guidance_app.cli.main import main; main()"]


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    branch = Branch(points_mm=np.array([[-20.0, 0, 0], [20.0, 0, 0], [25.0, 0, 10]]), radius_mm=np.full(3, 1.5))
    save_centerlines(folder / "centerlines.vtp", CenterlineTree(branches=(branch,)))
    write_case(
        folder, case_id="test", kind="coronary", frame_of_reference_uid="", files={"centerlines": "centerlines.vtp"}
    )
    return folder


@pytest.fixture
def start(case, tmp_path):
    running = []

    def _start(source: str, *more: str) -> subprocess.Popen[str]:
        options = ["--case", str(case), "--source", source, "--headless", "--out", str(tmp_path / "out"), *more]
        running.append(
            subprocess.Popen(
                [*COMMAND, "live", *options],
                env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return running[-1]

    yield _start
    for process in running:
        process.kill()
        process.communicate()


def _free_port() -> int:
    with socket.create_server((LOCAL, 0)) as found:
        return found.getsockname()[1]


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _until(process: subprocess.Popen[str], what) -> None:
    end = time.monotonic() + 120.0
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOCAL, port), timeout=1.0).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_on_dicom_logs_every_frame_and_ends_in_order(start, tmp_path, number):
    port, out = _free_port(), tmp_path / "out"
    process = start(f"dicom://{LOCAL}:{port}?aet=GUIDE")
    _until(process, lambda: _answers(port))
    assert associate(port, called="OTHER").is_rejected
    association = associate(port)
    sent = [Picture(value=10), Picture(value=20, damaged=True), Picture(value=30, size=96), Picture(value=40)]
    statuses = [store(association, xa_object(picture, index)) for index, picture in enumerate(sent)]
    association.release()
    assert [status == SUCCESS for status in statuses] == [True, False, True, True]
    _until(process, lambda: len(_lines(out / "frames.jsonl")) >= 3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    lines = _lines(out / "frames.jsonl")
    assert [line["index"] for line in lines] == [0, 1, 2, 3]
    assert [line["state"] == "corrupt" for line in lines] == [False, True, False, False]
    assert lines[0]["geometry"] == {"primary_deg": 30.0, "secondary_deg": -10.0, "sid_mm": 1000.0}
    kinds = [event["kind"] for event in _lines(out / "events.jsonl")]
    assert {"client_refused", "frame_corrupt", "geometry_changed"} <= set(kinds)
    assert json.loads((out / "latency.json").read_text())["frames"] == 4
    socket.create_server((LOCAL, port)).close()


def test_run_on_openigtlink_ends_when_its_time_is_up(start, tmp_path):
    port, out = _free_port(), tmp_path / "out"
    process = start(f"igtl://{LOCAL}:{port}?listen=1", "--duration", "4")
    _until(process, lambda: _answers(port))
    with socket.create_connection((LOCAL, port)) as peer:
        for value in (1, 2, 3):
            peer.sendall(image_bytes(Picture(value=value)))
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert [line["index"] for line in _lines(out / "frames.jsonl")] == [0, 1, 2]
    socket.create_server((LOCAL, port)).close()


def test_run_on_a_captured_video_ends_with_the_video(start, tmp_path):
    write_video(tmp_path / "capture.avi", [np.full((64, 64), value, np.uint8) for value in range(1, 9)])
    process = start(f"capture:{tmp_path / 'capture.avi'}")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    lines = _lines(tmp_path / "out" / "frames.jsonl")
    assert [line["index"] for line in lines] == list(range(8))
    assert all(line["geometry"] is None and line["overlay"] == "hidden" for line in lines)


def test_taken_port_ends_the_run_with_one_line_and_leaves_nothing(start, tmp_path):
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        process = start(f"dicom://{LOCAL}:{port}?aet=GUIDE")
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.startswith(f"error: dicom://{LOCAL}:{port}: cannot listen here")
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("qapp")  # held while pictures are painted
def test_nothing_of_the_patient_is_kept_by_a_run_its_recording_or_its_exports(start, case, tmp_path):
    port, out, recording = _free_port(), tmp_path / "out", tmp_path / "out" / "run.mcap"
    process = start(f"dicom://{LOCAL}:{port}?aet=GUIDE", "--record", str(recording))
    _until(process, lambda: _answers(port))
    association = associate(port)
    for index, picture in enumerate([Picture(value=10), Picture(value=20, damaged=True), Picture(value=30)]):
        sent = xa_object(picture, index)
        sent.PatientName, sent.PatientID, sent.PatientBirthDate = "PLANTED^JANE", "PLANTED-4711", "19700102"
        sent.AccessionNumber, sent.StudyDescription, sent.OperatorsName = "PLANTEDACC", "PLANTED study", "PLANTED^OP"
        sent.ImageComments = sent.DerivationDescription = "PLANTED was here"
        store(association, sent)
    association.release()
    _until(process, lambda: len(_lines(out / "frames.jsonl")) >= 3)
    process.send_signal(signal.SIGTERM)
    said = "".join(process.communicate(timeout=60))
    assert process.returncode == 0, said
    formats = [part for name in ("mp4", "png", "secondary-capture", "csv") for part in ("--format", name)]
    arguments = ["export", str(recording), "--case", str(case), *formats, "--out", str(out / "exports")]
    build_app()(arguments, standalone_mode=False)
    files = [file for file in out.rglob("*") if file.is_file()]
    assert {".jsonl", ".json", ".mcap", ".mp4", ".png", ".dcm", ".csv"} <= {file.suffix for file in files}
    for name, content in [("output", said.encode()), *((file.name, file.read_bytes()) for file in files)]:
        for secret in (b"PLANTED", b"19700102"):
            assert secret not in content, f"{name} carries {secret!r}"
