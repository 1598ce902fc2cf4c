"""What long runs are measured by: durations in a bounded room, growth, two arms in turns, and the picture of it all."""

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.inference.model_files import BUNDLED_MODELS
from guidance_app.live.benches import latency_bench, latency_comparison, soak_bench
from guidance_app.live.benches.latency_bench import LatencyBench, run_latency_bench
from guidance_app.live.benches.latency_comparison import Arm, parse_arm, run_comparison
from guidance_app.live.benches.latency_plot import plot, write_plot
from guidance_app.live.benches.soak_bench import growth, run_soak_bench
from guidance_app.live.latency import Durations, LatencyBook
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.live.window_stand_in import drive


def test_durations_of_hours_stay_in_their_room_and_keep_their_percentiles():
    durations = Durations()
    for value in np.random.default_rng(0).permutation(120_000):
        durations.add(value / 1200)
    found = durations.percentiles()
    assert len(durations.kept_ms) == 50_000
    assert (found.count, found.max) == (120_000, 99.999)
    assert found.p50 == pytest.approx(50.0, abs=0.5)
    assert found.p99 == pytest.approx(99.0, abs=0.2)


def test_jitter_is_how_unevenly_even_arrivals_are_painted():
    book = LatencyBook()
    for arrived_ms, painted_ms in ((0, 10), (50, 60), (100, 125), (150, 160)):
        book.painted(arrived_ms * 1_000_000, painted_ms * 1_000_000)
    assert list(book.jitter.kept_ms) == [0.0, 15.0, 15.0]
    assert book.percentiles()["ingest_to_paint"].max == 25.0


def test_growth_leaves_the_warm_up_out():
    steady = growth([300.0, 310.0] + [400.0] * 8)
    assert steady.share == 0.0
    assert growth([100.0 + 10 * step for step in range(10)]).share == pytest.approx(60.0 / 125.0)


def _stages(scale: float):
    book = LatencyBook()
    for value in range(1, 101):
        book.add("segment", scale * value)
        book.painted(value * 10_000_000, value * 10_000_000 + round(1e6 * scale))
    return {**book.percentiles(), "jitter": book.jitter.percentiles()}


def test_plot_shows_both_arms_in_their_colours(tmp_path):
    picture = plot("run", [("A: one", _stages(1.0)), ("B: other", _stages(2.0))], "machine")
    for colour in ((178, 94, 20), (30, 100, 210)):
        assert np.count_nonzero((picture == colour).all(axis=-1)) > 500
    write_plot(tmp_path / "plot.png", "run", [("A", _stages(1.0))], "machine")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="ends in"):
        write_plot(tmp_path / "plot.jpg", "run", [("A", _stages(1.0))], "machine")


def test_arm_is_a_backend_or_a_folder_of_networks_or_both(tmp_path):
    assert parse_arm("onnx", "auto") == Arm(name="onnx", backend="onnx", models=BUNDLED_MODELS)
    (tmp_path / "manifest.json").write_text("{}")
    assert parse_arm(str(tmp_path), "torch").backend == "torch"
    assert parse_arm(f"{tmp_path}@onnx", "auto") == Arm(name=f"{tmp_path}@onnx", backend="onnx", models=tmp_path)
    with pytest.raises(InputError, match="expected a backend"):
        parse_arm("onnxx", "auto")


def _show(session, _case, limit_s) -> None:
    with session:
        drive(session, limit_s=limit_s)


def test_two_arms_take_turns_on_the_same_recording(monkeypatch):
    slow_s = {"onnx": 0.0, "torch": 0.03}
    played = []

    def session(bench, _case, run) -> LiveSession:
        played.append(bench.backend)
        recipe = fake_recipe(step_s=slow_s[bench.backend])
        return LiveSession(
            source=PacedFileSource(run, fps=bench.fps, loop=True), recipe=recipe, run_for_s=bench.seconds,
            spare_engine=False,
        )  # fmt: skip

    monkeypatch.setattr(latency_comparison, "bench_run", lambda _bench: (None, FakeRun()))
    monkeypatch.setattr(latency_comparison, "bench_session", session)
    bench = LatencyBench(case="test", fps=20.0, seconds=1.0, size_px=64)
    found = run_comparison(bench, (parse_arm("onnx", "auto"), parse_arm("torch", "auto")), _show)
    assert played == ["onnx", "torch", "torch", "onnx"]
    assert [arm.engine for arm in found.arms] == ["stand-in", "stand-in"]
    assert all(arm.stages_ms["segment"].count > 0 for arm in found.arms)
    assert found.b_over_a["segment"] == 1.0
    # Which of them is faster is up to the machine, which may be busy.
    first, second = (arm.stages_ms["ingest_to_overlay"].p50 for arm in found.arms)
    assert found.b_over_a["ingest_to_overlay"] == round(second / first, 3)
    assert len(found.arms[0].models_sha256) == 64


def test_soak_counts_what_the_run_holds_and_finds_it_steady(monkeypatch):
    monkeypatch.setattr(soak_bench, "bench_run", lambda _bench: (load_case("coronary"), FakeRun()))
    monkeypatch.setattr(soak_bench, "case_recipe", lambda *_, **__: fake_recipe())
    bench = LatencyBench(case="test", fps=20.0, seconds=5.0, size_px=64)
    found = run_soak_bench(bench, saturated=True, show=_show)
    assert (found.dropped, found.superseded, found.engines_lost) == (0, 0, 0)
    assert found.painted > 50
    assert found.engine == "stand-in"
    assert found.window_mib.warm > 50
    assert found.engine_mib.warm > 20
    assert found.shared_memories.last == found.shared_memories.warm >= 1
    assert found.threads.last <= found.threads.warm
    assert found.files.last <= found.files.warm


def test_bench_that_registers_from_nothing_again_and_again_counts_how_often_it_did(monkeypatch):
    def session(bench, _case, run) -> LiveSession:
        return LiveSession(
            source=PacedFileSource(run, fps=bench.fps, loop=True), recipe=fake_recipe(), run_for_s=bench.seconds,
            spare_engine=False,
        )  # fmt: skip

    monkeypatch.setattr(latency_bench, "bench_run", lambda _bench: (None, FakeRun()))
    monkeypatch.setattr(latency_bench, "bench_session", session)
    asked = LatencyBench(case="test", fps=20.0, seconds=3.0, size_px=64, cold_every_s=0.5)
    report = run_latency_bench(asked, _show)
    assert report.cold_starts is not None
    assert report.cold_starts >= 2


def test_bench_without_an_engine_measures_nothing(monkeypatch):
    def session(bench, _case, run) -> LiveSession:
        return LiveSession(source=PacedFileSource(run, fps=bench.fps), recipe=None, run_for_s=bench.seconds)

    monkeypatch.setattr(latency_bench, "bench_run", lambda _bench: (None, FakeRun()))
    monkeypatch.setattr(latency_bench, "bench_session", session)
    with pytest.raises(InputError, match="engine never answered"):
        run_latency_bench(LatencyBench(case="test", fps=20.0, seconds=0.2, size_px=64), _show)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"backend": "onnxx"}, "no backend is called"),
        ({"fps": float("nan")}, "--fps"),
        ({"seconds": -1.0}, "--seconds"),
        ({"cold_every_s": 0.0}, "--cold"),
    ],
)
def test_bench_refuses_what_it_cannot_measure(changed, said):
    asked = {"case": "coronary", "fps": 15.0, "seconds": 1.0, "size_px": 64, **changed}
    with pytest.raises(InputError, match=said):
        latency_bench.bench_run(LatencyBench(**asked))


def test_soak_too_short_to_say_anything_is_refused(monkeypatch):
    monkeypatch.setattr(soak_bench, "bench_run", lambda _bench: (None, FakeRun()))
    monkeypatch.setattr(soak_bench, "case_recipe", lambda *_, **__: fake_recipe())
    with pytest.raises(InputError, match="too short"):
        run_soak_bench(
            LatencyBench(case="test", fps=20.0, seconds=0.5, size_px=64), saturated=True, show=_show
        )  # fmt: skip
