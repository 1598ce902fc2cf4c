"""What was as dark before the bolus is no vessel; what came with it is."""

from dataclasses import replace

import numpy as np
import pytest

from guidance_app.live.engine.contrast_memory import ContrastMemory
from tests.guidance_app.live.stand_ins import FakeRun, geometry

SIZE = 128
RIB = (slice(20, 28), slice(10, 118))
VESSEL = (slice(70, 76), slice(10, 118))


def frame(index: int, filling: float, view=None, kind="fluoro"):
    rng = np.random.default_rng(index)
    picture = np.full((SIZE, SIZE), 160.0)
    picture[RIB] -= 60.0
    picture[VESSEL] -= 70.0 * filling
    pixels = np.clip(picture + rng.normal(0.0, 2.0, picture.shape), 0, 255).astype(np.uint8)
    made = FakeRun(size=SIZE).frame(0)
    return replace(made, pixels=pixels, index=index, kind=kind, geometry=view or geometry(size=SIZE))


def bolus(frames: int = 14):
    return [frame(index, min(1.0, max(0.0, (index - 5) / 4))) for index in range(frames)]


@pytest.fixture
def memory() -> ContrastMemory:
    seen = ContrastMemory()
    for picture in bolus():
        seen.see(picture)
    return seen


def test_gate_opens_for_the_vessel_and_stays_shut_for_the_rib(memory):
    assert memory.gate(frame(20, 1.0)) is None, "nothing is known before the first cold start"
    assert memory.learn(memory.past()) is not None
    gate = memory.gate(frame(20, 1.0))
    assert gate is not None
    assert gate[VESSEL][1:-1, 2:-2].mean() > 0.95
    assert gate[RIB].mean() < 0.05
    assert gate[90:].mean() < 0.05


def test_exposure_that_changes_the_whole_picture_opens_nothing(memory):
    memory.learn(memory.past())
    darker = frame(21, 0.0)
    gate = memory.gate(replace(darker, pixels=(darker.pixels * 0.92).astype(np.uint8)))
    assert gate is not None
    assert gate.mean() < 0.05


def test_run_that_is_filled_throughout_says_nothing():
    memory = ContrastMemory()
    for index in range(10):
        memory.see(frame(index, 1.0))
    assert memory.learn(memory.past()) is None
    assert memory.gate(frame(20, 1.0)) is None


def test_changed_view_forgets(memory):
    past = memory.past()
    memory.learn(past)
    turned = geometry(30.0, size=SIZE)
    memory.see(frame(30, 1.0, view=turned))
    assert len(memory.past()) == 1
    assert memory.gate(frame(31, 1.0, view=turned)) is None
    memory.learn(past)
    assert memory.gate(frame(31, 1.0, view=turned)) is None, "a late answer belongs to the old view"


def test_subtracted_pictures_need_no_memory(memory):
    memory.learn(memory.past())
    assert memory.gate(frame(20, 1.0, kind="dsa")) is None


def test_memory_is_bounded_and_keeps_the_beginning():
    memory = ContrastMemory()
    for index in range(200):
        memory.see(frame(index, 0.0))
    past = memory.past()
    assert len(past) < 24
    assert past[0].index == 0
    assert past[-1].index > 150
