import time
from itertools import pairwise

import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.evaluation.benchmarks import segment_bench
from engines.evaluation.benchmarks.segment_bench import run_segment_bench
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
from engines.evaluation.segmentation.pooled_dice import pooled_dice
from engines.inference.probe import Choice


@pytest.fixture(autouse=True)
def _chosen(monkeypatch):
    """`auto` is replaced, so that nothing is measured here."""
    choice = Choice(key="k", name="openvino", threads=1, best_ms={"openvino": 1.0}, left_out={})
    monkeypatch.setattr(segment_bench, "choose", lambda *_, **__: choice)


def test_figures_are_those_of_the_contract():
    real = LabelledPicture(
        name="a", frame=Frame(pixels=np.zeros((32, 32), np.uint8), kind="fluoro"), mask=np.ones((32, 32), bool)
    )
    figures = run_segment_bench(
        backends=["openvino", "tensorrt"], sizes=[64], rounds=2, pictures=2, threads=1, labelled=[real],
        labelled_name="one",
    )  # fmt: skip
    assert figures["schema"] == "guidance-app/bench-segment/1"
    assert figures["machine"]["cores"] >= 1
    assert figures["data"]
    assert "remembered" in figures["timed_on"]
    (row,) = figures["sizes"]
    assert (row["size"], row["auto"]) == ([64, 64], "openvino")
    names = [entry["name"] for entry in row["backends"]]
    assert names[:2] == ["torch", "openvino"]
    for entry in row["backends"]:
        assert 0 < entry["median_ms"] <= entry["p99_ms"]
        assert 0 < entry["network_ms"] <= entry["median_ms"] * 1.5
        assert entry["alone_ms"] > 0
        assert 0 < entry["dice"] <= 1
        # An exact runtime loses nothing, and a black frame finds none of a vessel that fills it.
        assert abs(entry["dice_lost_points"]) < 0.1
        assert entry["dice_real"] == 0
        assert entry["threads"] == 1
        others = {other["name"]: other["median_ms"] / entry["median_ms"] for other in row["backends"]}
        del others[entry["name"]]
        assert entry["speedup_over"] == pytest.approx(others, abs=0.02)
        assert entry["speedup"] == entry["speedup_over"].get("torch", 1.0)
    assert row["backends"][0]["speedup"] == 1.0
    assert set(figures["load"]) == {"before", "after"}


def _log_of_runs(monkeypatch) -> list[str]:
    """The names of the networks that run, in order."""
    log: list[str] = []
    run = segment_bench._Timed.run

    def logged(self, batch):
        log.append(self.name)
        return run(self, batch)

    monkeypatch.setattr(segment_bench._Timed, "run", logged)
    return log


def test_runtimes_work_one_at_a_time_in_few_blocks(monkeypatch):
    log = _log_of_runs(monkeypatch)
    run_segment_bench(backends=["onnx"], sizes=[64], rounds=24, pictures=2, threads=1)
    changes = sum(a != b for a, b in pairwise(log))
    # Dice, four blocks of the run, frames alone: twice each; in turns frame by frame it would be above 60.
    assert changes <= 2 * (1 + 4 + 1)


def test_each_runtime_gets_the_threads_that_are_fastest_for_it(monkeypatch):
    counts: list[tuple[str, int]] = []
    load = segment_bench.load

    def _slow_on_many(runtime, files, *, threads):
        counts.append((runtime.name, threads))
        backend = load(runtime, files, threads=1)
        if runtime.name == "torch" and threads > 1:
            run, waits = backend.run, iter(np.linspace(0.2, 0.3, 1000))
            backend.run = lambda batch: (_spin(next(waits)), run(batch))[1]
        return backend

    monkeypatch.setattr(segment_bench, "load", _slow_on_many)
    monkeypatch.setattr(segment_bench, "thread_count", lambda _: 2)
    figures = run_segment_bench(backends=["torch"], sizes=[64], rounds=1, pictures=1)
    assert counts == [("torch", 2), ("torch", 1), ("torch", 1)]
    (entry,) = figures["sizes"][0]["backends"]
    assert entry["threads"] == 1


def _spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_a_system_without_a_load_average_says_none(monkeypatch):
    def _refuses():
        raise OSError("unobtainable")

    monkeypatch.setattr(segment_bench.os, "getloadavg", _refuses)
    figures = run_segment_bench(backends=["torch"], sizes=[32], rounds=1, pictures=1, threads=1)
    assert figures["load"] == {"before": None, "after": None}


def test_a_runtime_that_does_not_run_is_named_with_its_reason(monkeypatch):
    monkeypatch.setattr(segment_bench, "why_not", lambda r, _: "no such luck" if r.name == "openvino" else None)
    figures = run_segment_bench(backends=["openvino"], sizes=[32], rounds=1, pictures=1, threads=1)
    assert figures["left_out"] == [{"name": "openvino", "reason": "no such luck"}]
    assert [entry["name"] for entry in figures["sizes"][0]["backends"]] == ["torch"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "coronay"}, "did you mean 'coronary'"),
        ({"backends": ["onx"]}, "did you mean 'onnx'"),
        ({"sizes": [0]}, "at least 1"),
        ({"rounds": 0}, "at least 1"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        run_segment_bench(**options)


def test_pooled_dice_counts_pixels_of_all_pictures():
    ones, none = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    assert pooled_dice([(ones, ones)]) == 1
    assert pooled_dice([(ones, none)]) == 0
    assert pooled_dice([(none, none)]) == 1
    assert pooled_dice([(ones, ones), (none, ones)]) == pytest.approx(2 / 3)
