"""Which of its two ways a warm step takes, and when both."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from guidance_app.live.engine import case_registrar
from guidance_app.live.engine.case_registrar import CaseRegistrar
from guidance_app.live.engine.step.judge import ReadyView
from tests.guidance_app.live.stand_ins import FakeRun, geometry, registration, view_of

POSE = registration(geometry(), "accepted")


class Ways:
    """Stands in for both ways: what each says of the frames, and which was asked."""

    def __init__(self, monkeypatch, *, thick: bool) -> None:
        self.lines, self.rendering = "accepted", "accepted"
        self.asked = ""
        self.registrar = CaseRegistrar("case", VesselModel(centerlines=CenterlineTree(branches=())), inference="")
        followed = SimpleNamespace(prepared=SimpleNamespace(has_thick=thick))
        monkeypatch.setattr(self.registrar, "_model_for", lambda _: followed)
        monkeypatch.setattr(self.registrar, "_tracker_for", lambda _: object())
        monkeypatch.setattr(case_registrar, "track", self._track)
        monkeypatch.setattr(case_registrar, "track_filled", self._track_filled)

    def steps(self, count: int) -> str:
        """The ways that so many frames asked, a word a frame: l, r or lr."""
        ready = ReadyView(view=view_of(FakeRun().frame(3)), features=object(), darkening=lambda: None)  # type: ignore[arg-type]
        words = []
        for _ in range(count):
            self.asked = ""
            self.registrar.track(ready, POSE)
            words.append(self.asked)
        return " ".join(words)

    def _track(self, *_, **__):
        self.asked += "l"
        return replace(POSE, status=self.lines)

    def _track_filled(self, *_, **__):
        self.asked += "r"
        return replace(POSE, status=self.rendering)


@pytest.fixture
def ways(monkeypatch):
    return lambda *, thick=True: Ways(monkeypatch, thick=thick)


def test_centerlines_alone_follow_a_filled_tree(ways):
    assert ways().steps(4) == "l l l l"


def test_after_two_doubts_rendering_goes_on_alone_and_centerlines_are_asked_again(ways):
    both = ways()
    both.lines = "caution"
    assert both.steps(9) == "lr lr r r r r lr r r"
    both.lines = "accepted"
    assert both.steps(5) == "r r l l l"


def test_rendering_that_doubts_does_not_go_on_alone(ways):
    both = ways()
    both.lines = "caution"
    both.steps(3)
    both.rendering = "caution"
    assert both.steps(2) == "rl rl"


def test_thin_vessels_are_asked_both_ways(ways):
    both = ways(thick=False)
    both.lines = "caution"
    assert both.steps(4) == "lr lr lr lr"
