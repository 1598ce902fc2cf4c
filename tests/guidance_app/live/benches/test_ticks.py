"""How late the window's ticks begin, and a benchmark of a busy window."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from guidance_app.cli.main import build_app
from guidance_app.live.benches.latency_bench import LatencyBench, bench_run, bench_session
from guidance_app.live.latency import LatencyBook, report_of
from guidance_app.live.recording.recorder import Recorder

COUNTS = {"painted": 1, "superseded": 0, "dropped": 0, "corrupt": 0}


def test_a_tick_is_late_by_what_it_began_after_its_time() -> None:
    book = LatencyBook()
    # (length, end): begins at 0, 16, 52 and 60 ms; the third 20 ms after its time, the last before it.
    for duration_ms, now_ms in ((4.0, 4.0), (4.0, 20.0), (2.0, 54.0), (1.0, 61.0)):
        book.ticked(duration_ms, every_ms=16.0, now_ms=now_ms)
    assert list(book.tick.kept_ms) == [4.0, 4.0, 2.0, 1.0]
    assert list(book.tick_late.kept_ms) == [0.0, 20.0, 0.0]
    report = report_of(book, COUNTS, source="run", paced_fps=15.0, seconds=1.0)
    assert report.tick_late_ms is not None
    assert report.tick_late_ms.max == 20.0


def test_without_a_window_no_tick_is_stated() -> None:
    report = report_of(LatencyBook(), COUNTS, source="run", paced_fps=15.0, seconds=1.0)
    assert (report.tick_ms, report.tick_late_ms) == (None, None)


def test_a_recording_goes_along_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    begin = Recorder.__init__

    def seen(self: Recorder, path: Path, *args: object) -> None:
        made.append(path)
        begin(self, path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Recorder, "__init__", seen)
    for record in (None, tmp_path / "run.mcap"):
        bench = LatencyBench(case="coronary", fps=15.0, seconds=1.0, size_px=64, record=record)
        bench_session(bench, *bench_run(bench)).stop()
    assert made == [tmp_path / "run.mcap"]


def test_busy_and_a_comparison_do_not_go_together() -> None:
    done = CliRunner().invoke(build_app(), ["bench", "latency", "--busy", "--compare", "onnx", "torch"])
    assert done.exit_code != 0
    assert "--busy with --compare" in str(done.exception or done.output)
