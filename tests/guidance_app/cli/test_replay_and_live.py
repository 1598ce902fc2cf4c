"""`replay` and `live` as a user meets them: one-line errors, and an orderly end with everything written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engines.anatomy.cases.case import write_case
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.vessel_model import Branch, CenterlineTree

COMMAND = [sys.executable, "-c", "from guidance_app.cli.main import main; main()"]


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    """A line for a vessel, and a run of small pictures without geometry."""
    import cv2

    folder = tmp_path_factory.mktemp("case")
    branch = Branch(points_mm=np.array([[-20.0, 0, 0], [20.0, 0, 0], [25.0, 0, 10]]), radius_mm=np.full(3, 1.5))
    save_centerlines(folder / "centerlines.vtp", CenterlineTree(branches=(branch,)))
    write_case(
        folder, case_id="test", kind="coronary", frame_of_reference_uid="", files={"centerlines": "centerlines.vtp"}
    )
    (folder / "run").mkdir()
    noise = np.random.default_rng(0)
    for index in range(6):
        cv2.imwrite(str(folder / "run" / f"{index:03d}.png"), noise.integers(0, 255, (64, 64), dtype=np.uint8))
    return folder


def _environment() -> dict[str, str]:
    return {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], env=_environment(), capture_output=True, text=True, timeout=120, check=False
    )


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # ended; whether the system has reaped it is not ours to say
    except psutil.NoSuchProcess:
        return True


def test_replay_leaves_its_three_files_and_says_how_it_went(case, tmp_path):
    done = _run("replay", "--case", case, "--xa", case / "run", "--headless", "--saturate", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "6 frames: 6 painted" in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "out" / "frames.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["painted"] * 6
    assert all(line["overlay"] == "hidden" and line["geometry"] is None and line["reason"] for line in lines)
    report = json.loads((tmp_path / "out" / "latency.json").read_text())
    assert report["schema"] == "guidance-app/latency/1"
    assert report["frames"] == report["painted"] == 6
    assert report["machine"]["cores"] >= 1
    assert report["stages_ms"]["segment"]["count"] >= 6
    events = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events].count("geometry_missing") == 1


def test_recorded_replay_replays_with_the_same_frames_and_is_never_overwritten(case, tmp_path):
    recording = tmp_path / "a.mcap"
    first = ["replay", "--case", case, "--xa", case / "run", "--headless", "--saturate", "--record", recording]
    done = _run(*first, "--out", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    assert f"6 frames recorded in {recording}" in done.stdout
    again = _run(
        "replay", "--case", case, "--xa", recording, "--headless", "--saturate", "--out", tmp_path / "again"
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "no poses to compare with" in again.stdout
    logs = [(tmp_path / name / "frames.jsonl").read_text().splitlines() for name in ("first", "again")]
    keys = ("index", "sop_instance_uid", "source_frame", "geometry")
    first_lines, again_lines = ([[json.loads(line)[key] for key in keys] for line in lines] for lines in logs)
    assert len(first_lines) == 6
    assert first_lines == again_lines
    content = recording.read_bytes()
    refused = _run(*first, "--out", tmp_path / "refused")
    assert refused.returncode == 1
    assert "exists already" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert recording.read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_run_in_order(case, tmp_path, number):
    out = tmp_path / "out"
    source = f"file:{case / 'run'}?fps=10&loop=1"
    process = subprocess.Popen(
        [*COMMAND, "live", "--case", str(case), "--source", source, "--headless", "--out", str(out)],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        frames = out / "frames.jsonl"
        end = time.monotonic() + 60.0
        while not (frames.exists() and frames.read_text().count("\n") > 3):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: the engine must leave the end to its owner
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "leaked" not in errors
    assert json.loads((out / "latency.json").read_text())["frames"] > 3
    assert json.loads(frames.read_text().splitlines()[-1])["state"]
    end = time.monotonic() + 10.0
    while not all(_is_gone(child) for child in children):
        assert time.monotonic() < end, f"still there: {children}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["live", "--source", "igtl://"], "is no address"),
        (["live", "--source", "dicom://127.0.0.1:11112"], "names no AE title"),
        (["live", "--source", "capture:97", "--headless"], "no device /dev/video97"),
        (["live", "--source", "file:CASE/run", "--duration", "0"], "above 0"),
        (["live", "--source", "file:CASE/run", "--duration", "inf"], "above 0"),
        (["replay", "--xa", "CASE/run", "--fps", "3", "--saturate"], "has no pace"),
        (["replay", "--xa", "CASE/missing.dcm", "--headless"], "missing.dcm"),
        (["replay", "--xa", "CASE/run.mcap", "--headless"], "run.mcap"),
        (["replay", "--xa", "CASE/run", "--headless", "--pose", "CASE/case.json"], "case.json"),
        (["replay", "--xa", "CASE/run", "--headless", "--fps", "0"], "above 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(case, arguments, said, tmp_path, capsys):
    from guidance_app.cli import main as program

    filled = [argument.replace("CASE", str(case)) for argument in arguments]
    sys_argv = ["guidance-app", filled[0], "--case", str(case), *filled[1:], "--out", str(tmp_path / "out")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys_argv)
        with pytest.raises(SystemExit) as ended:
            program.main()
    errors = capsys.readouterr().err
    assert ended.value.code == 1
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert said in errors
    assert not (tmp_path / "out").exists(), "nothing is left by a run that never began"


def test_replay_that_leaves_files_ends_with_its_run_on_a_display_too(case, tmp_path):
    done = _run("replay", "--case", case, "--xa", case / "run", "--fps", "10", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "frames.jsonl").read_text().splitlines()) == 6
    assert (tmp_path / "out" / "latency.json").is_file()
