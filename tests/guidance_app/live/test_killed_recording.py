"""kill -9 at any moment: at most the last second is lost, and every frame before it is exact."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.run import FrameDecodeError
from guidance_app.live.recording import recorder_file
from guidance_app.sources.recording.recording_source import RecordedRun
from tests.guidance_app.live.recordings import frame_at, record, same

_ROOT = Path(__file__).resolve().parents[3]


def _killed_after(path: Path, frames: int, extra_s: float) -> int:
    """Record until so many frames were handed over and a moment longer; returns when it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.guidance_app.live.recording_child", str(path)],
        cwd=_ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        while (line := process.stdout.readline()).strip() != str(frames):
            assert line[:1].isdigit(), line  # neither the end nor a complaint of the recorder
        end = time.monotonic() + extra_s
        while time.monotonic() < end:  # a moment that no frame and no flush is tied to
            pass
    finally:
        process.kill()
        killed_ns = time.monotonic_ns()
        process.wait()
        process.stdout.close()
    return killed_ns


def _lost_s(path: Path, killed_ns: int) -> float:
    """Checks every frame; returns how much of the recording is missing at its end."""
    run = RecordedRun(path)
    assert not run.reader.complete
    assert "not ended in order" in run.reader.notice
    made = [frame_at(index) for index in range(16)]
    for index in range(run.frame_count):
        frame = run.frame(index)
        assert frame.index == index
        assert np.array_equal(frame.pixels, made[index % 16].pixels)
    last_ns = run.frame(run.frame_count - 1).received_ns
    run.close()
    return (killed_ns - last_ns) / 1e9


def _frames(path: Path, content: bytes) -> int:
    """How many frames this much of a recording gives up to the first damaged one, which says so; none is ever wrong."""
    path.write_bytes(content)
    try:
        run = RecordedRun(path)
    except InputError:
        return 0
    for index in range(run.frame_count):
        try:
            assert same(run.frame(index), frame_at(index))
        except FrameDecodeError:
            run.close()
            return index
    run.close()
    return run.frame_count


def test_power_cut_at_random_offsets_leaves_every_earlier_frame_exact(tmp_path, monkeypatch):
    """The file ends anywhere; and pages behind its last sync may have come in any order, zeros where none came yet."""
    monkeypatch.setattr(recorder_file, "FLUSH_AFTER_S", 0.0)
    record(tmp_path / "whole.mcap", [frame_at(index) for index in range(12)])
    whole = (tmp_path / "whole.mcap").read_bytes()
    moment = np.random.default_rng(5)
    kept = []
    for _ in range(40):
        end = int(moment.integers(len(whole)))
        kept.append(_frames(tmp_path / "cut.mcap", whole[:end]))
        hole = int(moment.integers(end + 1)) // 4096 * 4096
        holed = whole[:hole] + bytes(min(4096, end - hole)) + whole[min(hole + 4096, end) : end]
        before = _frames(tmp_path / "cut.mcap", whole[:hole])
        assert before <= _frames(tmp_path / "holed.mcap", holed) <= kept[-1]
    assert min(kept) == 0
    assert max(kept) >= 10


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("seed", range(3))
def test_killed_recording_misses_at_most_its_last_second(tmp_path, seed):
    moment = np.random.default_rng(seed)
    killed_ns = _killed_after(tmp_path / "a.mcap", int(moment.integers(40, 90)), moment.uniform(0.0, 0.01))
    assert _lost_s(tmp_path / "a.mcap", killed_ns) < 1.0


@pytest.mark.slow  # a process is started and killed for every one of them
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_killed_at_thirty_random_moments(tmp_path, capsys):
    moment = np.random.default_rng(11)
    lost_s = []
    for turn in range(30):
        path = tmp_path / f"{turn}.mcap"
        killed_ns = _killed_after(path, int(moment.integers(40, 300)), moment.uniform(0.0, 0.05))
        lost_s.append(_lost_s(path, killed_ns))
    with capsys.disabled():
        print(
            f"\nlost at the end, s: median {np.median(lost_s):.2f}, largest {max(lost_s):.2f}, of {len(lost_s)} kills"
        )
    assert max(lost_s) < 1.0
