"""The render benchmark puts every renderer beside its peer, in the shape that CONTRACT states."""

from __future__ import annotations

import json

import pytest
import torch

from calibration.errors import InputError
from engines.evaluation.benchmarks.render_bench import run_render_bench


def test_reports_every_renderer_with_times_and_machine():
    pytest.importorskip("diffdrr")
    threads = torch.get_num_threads()
    said: list[str] = []
    report = run_render_bench(volumes=(12,), detectors=(8, 16), repeats=1, progress=said.append)
    assert report["schema"] == "guidance-app/bench-render/1"
    assert report["machine"]["cores"] >= 1
    assert {row["renderer"] for row in report["rows"]} == {"nanodrr", "slices", "diffdrr", "diffdrr-trilinear"}
    assert len(report["rows"]) == len(said) == 8
    for row in report["rows"]:
        assert set(row) == {"renderer", "volume", "detector", "forward_ms", "backward_ms"}
        assert row["volume"] == [12, 12, 12]
        assert row["forward_ms"] > 0
        assert row["backward_ms"] > 0
    assert torch.get_num_threads() == threads
    json.dumps(report, allow_nan=False)


def test_without_diffdrr_only_ours_is_measured(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    report = run_render_bench(volumes=(8,), detectors=(8,), repeats=1)
    assert [row["renderer"] for row in report["rows"]] == ["nanodrr", "slices"]


def test_unusable_requests_are_refused():
    with pytest.raises(InputError, match="nanodr"):
        run_render_bench(renderers=("nanodr",), volumes=(8,), detectors=(8,))
    with pytest.raises(InputError, match="at least 1"):
        run_render_bench(repeats=0)
