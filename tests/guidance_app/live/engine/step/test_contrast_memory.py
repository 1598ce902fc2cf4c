"""What was as dark before the bolus is no vessel; what came with it is."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from guidance_app.live.engine.step import contrast_memory
from guidance_app.live.engine.step.contrast_memory import ContrastMemory
from guidance_app.live.engine.step.door import ViewKey
from tests.guidance_app.live.stand_ins import FakeRun, geometry

SIZE = 128
HERE = ViewKey(geometry=geometry(size=SIZE), shape_px=(SIZE, SIZE))
TURNED = ViewKey(geometry=geometry(30.0, size=SIZE), shape_px=(SIZE, SIZE))
RIB = (slice(20, 28), slice(10, 118))
VESSEL = (slice(70, 76), slice(10, 118))


def frame(index: int, filling: float, view=HERE, kind="fluoro"):
    rng = np.random.default_rng(index)
    picture = np.full((SIZE, SIZE), 160.0)
    picture[RIB] -= 60.0
    picture[VESSEL] -= 70.0 * filling
    pixels = np.clip(picture + rng.normal(0.0, 2.0, picture.shape), 0, 255).astype(np.uint8)
    made = FakeRun(size=SIZE).frame(0)
    return replace(made, pixels=pixels, index=index, kind=kind, geometry=view.geometry)


def bolus(frames: int = 14):
    return [frame(index, min(1.0, max(0.0, (index - 5) / 4))) for index in range(frames)]


@pytest.fixture
def memory() -> ContrastMemory:
    seen = ContrastMemory()
    for picture in bolus():
        seen.see(picture, HERE)
    return seen


def gate_of(memory: ContrastMemory, picture, key):
    background = memory.background(picture, key)
    return None if background is None else background.gate(picture)


def _learn(memory: ContrastMemory):
    return memory.learn(memory.past(HERE), frame(13, 1.0), HERE)


def test_gate_opens_for_the_vessel_and_stays_shut_for_the_rib(memory):
    assert gate_of(memory, frame(20, 1.0), HERE) is None, "nothing is known before the first cold start"
    assert _learn(memory) is not None
    gate = gate_of(memory, frame(20, 1.0), HERE)
    assert gate is not None
    assert gate[VESSEL][1:-1, 2:-2].mean() > 0.95
    assert gate[RIB].mean() < 0.05
    assert gate[90:].mean() < 0.05


def test_exposure_that_changes_the_whole_picture_opens_nothing(memory):
    _learn(memory)
    darker = frame(21, 0.0)
    gate = gate_of(memory, replace(darker, pixels=(darker.pixels * 0.92).astype(np.uint8)), HERE)
    assert gate is not None
    assert gate.mean() < 0.05


def test_run_that_is_filled_throughout_says_nothing():
    memory = ContrastMemory()
    for index in range(10):
        memory.see(frame(index, 1.0), HERE)
    assert _learn(memory) is None
    assert gate_of(memory, frame(20, 1.0), HERE) is None


def test_changed_view_forgets(memory):
    past = memory.past(HERE)
    _learn(memory)
    memory.see(frame(30, 1.0, TURNED), TURNED)
    assert len(memory.past(TURNED)) == 1
    assert memory.past(HERE) == ()
    assert gate_of(memory, frame(31, 1.0, TURNED), TURNED) is None
    assert memory.learn(past, frame(13, 1.0), HERE) is not None, "the cold start that asked still needs it"
    assert gate_of(memory, frame(31, 1.0, TURNED), TURNED) is None, "a late answer belongs to the old view"


def test_a_background_erases_nothing_on_another_view_even_before_that_view_was_seen(memory):
    _learn(memory)
    assert gate_of(memory, frame(31, 1.0, TURNED), TURNED) is None


def test_view_that_changes_while_its_background_is_being_learnt_takes_nothing_along(memory, monkeypatch):
    """Two threads: the cold start has found the background and is about to keep it; the step sees another view."""
    found = contrast_memory.background_of

    def found_late(*arguments):
        background = found(*arguments)
        step = threading.Thread(target=memory.see, args=(frame(30, 1.0, TURNED), TURNED))
        step.start()
        step.join(timeout=5.0)
        assert not step.is_alive(), "the step waited for the cold start"
        return background

    monkeypatch.setattr(contrast_memory, "background_of", found_late)
    assert _learn(memory) is not None
    assert gate_of(memory, frame(31, 1.0, TURNED), TURNED) is None
    assert gate_of(memory, frame(31, 1.0), HERE) is None


def test_subtracted_pictures_need_no_memory(memory):
    _learn(memory)
    subtracted = frame(20, 1.0, kind="dsa")
    assert gate_of(memory, subtracted, HERE) is None
    assert memory.learn(memory.past(HERE), subtracted, HERE) is None, "its vessels would count as old shadows"


def test_memory_is_bounded_and_keeps_the_beginning():
    memory = ContrastMemory()
    for index in range(200):
        memory.see(frame(index, 0.0), HERE)
    past = memory.past(HERE)
    assert len(past) < 24
    assert past[0].index == 0
    assert past[-1].index > 150
