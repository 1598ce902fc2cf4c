"""`bench window`: its figures, and a real run of it where there is an X server."""

from __future__ import annotations

import pytest

from guidance_app.window.timing.window_bench import _line, run_window_bench


def test_percentiles_count_what_happened_and_tell_what_did_not() -> None:
    line = _line("hide", [10.0, 20.0, None, 30.0], [1.0, 3.0])
    assert (line["count"], line["missed"]) == (4, 1)
    assert line["p50_ms"] == pytest.approx(20.0)
    assert line["p95_ms"] == pytest.approx(29.0)
    assert (line["cpu_s"], line["goal_ms"]) == (2.0, 50.0)
    assert _line("step_overlay", [None])["p50_ms"] is None


@pytest.mark.slow
@pytest.mark.display
def test_a_real_window_is_timed_from_its_start_to_the_last_key() -> None:
    report = run_window_bench("coronary", starts=1, presses=2)
    lines = {line["name"]: line for line in report["lines"]}
    assert lines["window"]["p50_ms"] < lines["picture"]["p50_ms"] < lines["overlay"]["p50_ms"]
    for name in ("hide", "invert", "fainter", "stronger", "step", "step_overlay", "change_picture", "change_overlay"):
        assert lines[name]["missed"] == 0
        assert lines[name]["p50_ms"] > 0.0
    assert lines["step"]["p50_ms"] <= lines["step_overlay"]["p50_ms"]
