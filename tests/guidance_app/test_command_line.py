"""Errors reach a person as one line, with a non-zero exit."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calibration.errors import InputError
from guidance_app.cli import main as program


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["guidance-app", *arguments])
    with pytest.raises(SystemExit) as leave:
        program.main()
    return int(leave.value.code or 0), capsys.readouterr().err


def test_help_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, capsys, "--help") == (0, "")


@pytest.mark.parametrize("arguments", [("nosuch",), ("doctor", "--bad"), ()])
def test_wrong_usage_is_one_line_that_names_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, text = _run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert text.count("\n") == 1
    assert "--help" in text


@pytest.mark.parametrize(
    ("raised", "expected_code", "expected_text"),
    [
        (InputError("IM1.dcm: no SID;\n enter it"), 1, "error: IM1.dcm: no SID; enter it\n"),
        (RuntimeError("boom"), 70, "error: defect in the program"),
    ],
)
def test_an_error_inside_a_command_becomes_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: Exception,
    expected_code: int,
    expected_text: str,
) -> None:
    def _fails() -> None:
        raise raised

    monkeypatch.setattr("guidance_app.doctor.examine", _fails)
    code, text = _run(monkeypatch, capsys, "doctor")
    assert code == expected_code
    assert text.startswith(expected_text)
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "latency"),
        ("bench", "soak"),
        ("bench", "render"),
        ("bench", "segment"),
        ("bench", "faults"),
        ("calibrate", "check"),
        ("evaluate", "segmentation", "--cases", "coronary"),
        ("evaluate", "deformation", "coronary"),
        ("evaluate", "zero-touch", "--cases", "coronary"),
    ],
)
@pytest.mark.parametrize("place", ["folder", "file/figures.json"])
def test_figures_that_cannot_be_written_are_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: tuple[str, ...],
    place: str,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    code, text = _run(monkeypatch, capsys, *command, "--json", str(tmp_path / place))
    assert code == 1
    assert text.startswith(f"error: {tmp_path / place.split('/')[0]}")
    assert text.count("\n") == 1


def test_json_is_alone_on_the_output_and_progress_beside_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bench(*, progress: Callable[[str], None], **_: object) -> dict[str, str]:
        progress("one renderer done")
        return {"schema": "guidance-app/bench-render/1"}

    monkeypatch.setattr("engines.evaluation.benchmarks.render_bench.run_render_bench", bench)
    monkeypatch.setattr("sys.argv", ["guidance-app", "bench", "render"])
    with pytest.raises(SystemExit) as leave:
        program.main()
    said = capsys.readouterr()
    assert leave.value.code == 0
    assert json.loads(said.out) == {"schema": "guidance-app/bench-render/1"}
    assert said.err == "one renderer done\n"


_TERMINATED = """
import signal, sys
from pathlib import Path
import guidance_app.doctor
from calibration.store import write_atomically
from guidance_app.cli.main import main

folder, sys.argv[1:] = sys.argv[1], ["doctor"]
guidance_app.doctor.examine = lambda: write_atomically(
    Path(folder) / "result.json", lambda _: signal.raise_signal(signal.SIGTERM)
)
main()
"""


def test_a_terminated_command_cleans_up_behind_itself(tmp_path: Path) -> None:
    # In a process of its own: a signal must not reach the one that runs the tests.
    done = subprocess.run(
        [sys.executable, "-c", _TERMINATED, str(tmp_path)], timeout=120, capture_output=True, text=True, check=False
    )
    assert done.returncode == 143, done.stderr
    assert list(tmp_path.iterdir()) == []
