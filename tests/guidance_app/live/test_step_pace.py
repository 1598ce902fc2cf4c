"""A step that would take too long leaves the motion out, and the engine says so."""

import pytest

from engines.anatomy.cases.case import load_case
from guidance_app.live.engine import case_pipeline
from guidance_app.live.engine.case_pipeline import make_case_pipeline


@pytest.mark.parametrize(("limit_ms", "rigid"), [(0.0, True), (1e9, False)])
def test_motion_is_followed_only_where_the_machine_keeps_pace(monkeypatch, limit_ms, rigid):
    monkeypatch.setattr(case_pipeline, "_STEP_MS", limit_ms)
    pipeline = make_case_pipeline(load_case("coronary").folder, "onnx")
    assert ("overlay rigid" in pipeline.description) is rigid
