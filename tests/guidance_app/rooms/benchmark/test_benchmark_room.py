"""The benchmark room: its figures are those of the file, and it never measures while somebody is guided."""

import csv
import json
from pathlib import Path

import cv2
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from guidance_app.live.latency import LatencyBook, report_of
from guidance_app.rooms.benchmark import place as place_module
from guidance_app.rooms.benchmark.measured_run import PERCENTILES, open_runs
from guidance_app.rooms.benchmark.room import BenchmarkRoom
from guidance_app.views import palette
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.benchmark.bench_to_do import fail, measure_a_stand_in, measure_for_ever


@pytest.fixture
def opened(window_with, tmp_path):
    class Here(BenchmarkRoom):
        def __init__(self, house):
            super().__init__(house, folder=tmp_path / "data")

    window = window_with(Here)
    window._set_case(load_case("coronary"))
    window.rooms[0].enter(window.case)
    return window, window.rooms[0].widget


def report(path: Path, scale: float = 1.0) -> Path:
    book = LatencyBook()
    for value in range(1, 101):
        book.add("segment", scale * value)
        book.painted(value * 10_000_000, value * 10_000_000 + round(3e6 * scale))
    counts = {"painted": 98, "superseded": 2, "dropped": 0, "corrupt": 0}
    report_of(book, counts, source="run1.dcm at 512x512", paced_fps=15.0, seconds=6.7).write(path)
    return path


def cells(table, row):
    return [table.item(row, column).text() for column in range(table.columnCount())]


def run(qtbot, place, slot, work, monkeypatch):
    monkeypatch.setattr(place_module, "measure_into", work)
    qtbot.mouseClick(place.buttons[f"run-{slot.lower()}"], Qt.MouseButton.LeftButton)
    assert place.job is not None
    return place.job


def test_table_and_plots_say_what_latency_json_of_the_same_run_says(opened, qtbot, monkeypatch, tmp_path):
    _, place = opened
    run(qtbot, place, "A", measure_a_stand_in, monkeypatch)
    qtbot.waitUntil(lambda: place.job is None, timeout=60_000)
    written = json.loads((tmp_path / "data" / "benchmark-a" / "latency.json").read_text())
    rows = {**written["stages_ms"], "overlay_age": written["overlay_age_ms"], "jitter": written["jitter_ms"]}
    shown = {cells(place.table, row)[0].replace(" ", "_"): cells(place.table, row)[1:] for row in
             range(place.table.rowCount())}  # fmt: skip
    assert {"segment", "paint", "ingest_to_paint", "ingest_to_overlay", "overlay_age", "jitter"} <= set(shown)
    for name, found in rows.items():
        if found["count"]:
            assert shown[name] == [f"{found[percentile]:.1f}" for percentile in PERCENTILES]
        else:
            assert name not in shown
    last = place.moments[-1]
    assert (last.frames, last.painted) == (written["frames"], written["painted"])
    assert (last.superseded, last.dropped) == (written["superseded"], written["dropped"])
    assert f"{written['painted']} painted" in place.lines["A"].text()
    (dropped,) = [line for line in place.plots._losses.listDataItems() if line.name() == "dropped (frames)"]
    assert dropped.getData()[1][-1] == written["dropped"]


def test_medians_of_the_plot_lie_within_what_the_whole_run_measured(opened, qtbot, monkeypatch, tmp_path):
    _, place = opened
    run(qtbot, place, "B", measure_a_stand_in, monkeypatch)
    qtbot.waitUntil(lambda: place.job is None, timeout=60_000)
    assert place.runs["A"] is None
    largest = json.loads((tmp_path / "data" / "benchmark-b" / "latency.json").read_text())["stages_ms"]
    medians = [one.stages_ms["ingest_to_paint"] for one in place.moments if "ingest_to_paint" in one.stages_ms]
    assert len(medians) >= 2
    assert all(0.0 < median <= largest["ingest_to_paint"]["max"] for median in medians)


def test_two_runs_stand_side_by_side_with_their_ratio(opened, tmp_path):
    _, place = opened
    place.open_file(report(tmp_path / "one.json"))
    place.open_file(report(tmp_path / "two.json", 2.0))
    headings = [place.table.horizontalHeaderItem(column).text() for column in range(place.table.columnCount())]
    assert headings == ["Stage (ms)", *(f"A {p}" for p in PERCENTILES), *(f"B {p}" for p in PERCENTILES), "B/A p50"]
    first = cells(place.table, 0)
    assert first[0] == "segment"
    assert (first[1], first[6], first[11]) == ("50.5", "101.0", "2.00")
    place.swap()
    assert cells(place.table, 0)[11] == "0.50"
    place.clear()
    assert place.table.rowCount() == 0


def test_a_comparison_fills_both(opened, tmp_path):
    _, place = opened
    content = json.loads(report(tmp_path / "one.json").read_text())
    arm = {key: content[key] for key in
           ("frames", "painted", "superseded", "dropped", "stages_ms", "overlay_age_ms", "jitter_ms")}  # fmt: skip
    arms = [{**arm, "name": name, "engine": "stand-in", "models_sha256": "0"} for name in ("onnx", "torch")]
    (tmp_path / "both.json").write_text(json.dumps({
        "schema": "guidance-app/latency-comparison/1", "machine": content["machine"], "source": "run",
        "paced_fps": 15.0, "seconds_per_arm": 10.0, "turns": "ABBA", "arms": arms, "b_over_a": {},
    }))  # fmt: skip
    assert place.open_file(tmp_path / "both.json") == "Opened both.json"
    assert [run.label for run in place.runs.values()] == ["onnx", "torch"]


def test_the_export_opens_again_and_every_file_carries_the_research_line(opened, tmp_path):
    _, place = opened
    place.open_file(report(tmp_path / "one.json"))
    place.open_file(report(tmp_path / "two.json", 2.0))
    (tmp_path / "out").mkdir()
    assert "5 files" in place.export(tmp_path / "out")
    (again,) = open_runs(tmp_path / "out" / "latency-a.json")
    assert again.rows["segment"].p50 == 50.5
    assert palette.RESEARCH_LINE in (tmp_path / "out" / "latency-b.json").read_text()
    with (tmp_path / "out" / "latency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["note"] for row in rows} == {palette.RESEARCH_LINE}
    segment = [row for row in rows if row["stage"] == "segment"]
    assert [(row["run"], row["p50_ms"], row["count"]) for row in segment] == [
        ("A", "50.5", "100"),
        ("B", "101.0", "100"),
    ]
    for name in ("latency.png", "benchmark.png"):
        assert cv2.imread(str(tmp_path / "out" / name)) is not None


def test_nothing_to_export_and_no_place_to_write_are_one_line(opened, tmp_path):
    _, place = opened
    assert place.export(tmp_path) == "Nothing has been measured or opened yet"
    place.open_file(report(tmp_path / "one.json"))
    (tmp_path / "file").write_text("")
    assert "cannot write here" in place.export(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "expected guidance-app/latency/1"),
        ('{"schema": "guidance-app/latency/2"}', "expected guidance-app/latency/1"),
    ],
)
def test_a_file_that_is_no_report_is_one_line(opened, tmp_path, content, said):
    _, place = opened
    (tmp_path / "bad.json").write_text(content)
    line = place.open_file(tmp_path / "bad.json")
    assert said in line
    assert "\n" not in line
    with pytest.raises(InputError, match="cannot be read"):
        open_runs(tmp_path / "none.json")


def test_a_cancelled_run_leaves_no_trace_and_the_earlier_figures(opened, qtbot, monkeypatch, tmp_path):
    _, place = opened
    place.open_file(report(tmp_path / "one.json"))
    job = run(qtbot, place, "A", measure_for_ever, monkeypatch)
    assert not place.buttons["run-b"].isEnabled()
    qtbot.waitUntil(lambda: job.state == "running", timeout=20_000)
    qtbot.mouseClick(place.buttons["cancel"], Qt.MouseButton.LeftButton)
    assert place.job is None
    assert place.runs["A"].label == "one"
    assert list((tmp_path / "data").iterdir()) == []
    assert place.buttons["run-b"].isEnabled()


def test_a_run_that_fails_says_why(opened, qtbot, monkeypatch):
    _, place = opened
    run(qtbot, place, "A", fail, monkeypatch)
    qtbot.waitUntil(lambda: place.job is None, timeout=30_000)
    assert "has no recording to play" in place.state.text()


def test_no_benchmark_while_live_guidance_runs_and_one_that_runs_ends(opened, qtbot, monkeypatch):
    window, place = opened
    job = run(qtbot, place, "A", measure_for_ever, monkeypatch)
    busy = property(lambda _window: "The live room guides on case 7: end the live source first")
    monkeypatch.setattr(GuidanceWindow, "guiding", busy)
    qtbot.waitUntil(lambda: job.is_over, timeout=20_000)
    assert job.state == "cancelled"
    assert any("live guidance began" in toast.text for toast in window.toasts.shown)
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert place.job is None
    assert "No benchmark while live guidance runs" in window.strip.message.text()
    assert "end the live source first" in place.state.text()


def test_without_a_case_nothing_is_measured(window_with, tmp_path, qtbot):
    class Here(BenchmarkRoom):
        def __init__(self, house):
            super().__init__(house, folder=tmp_path)

    window = window_with(Here)
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert "No case is open" in window.strip.message.text()


def test_the_research_line_is_on_the_screen(opened):
    _, place = opened
    assert palette.RESEARCH_LINE in [label.text() for label in place.findChildren(QLabel)]


@pytest.mark.slow
def test_the_command_itself_runs_as_a_job(opened, qtbot, tmp_path):
    _, place = opened
    place.fps.setCurrentText("7.5")
    place.pixels.setCurrentText("256")
    qtbot.mouseClick(place.buttons["run-a"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: place.job is None, timeout=200_000)
    written = json.loads((tmp_path / "data" / "benchmark-a" / "latency.json").read_text())
    assert place.moments[-1].painted == written["painted"] > 50
    assert place.runs["A"].rows["segment"].p50 == written["stages_ms"]["segment"]["p50"]
