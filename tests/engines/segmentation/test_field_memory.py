from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame
from engines.segmentation import field_memory
from engines.segmentation.field_memory import FieldMemory
from engines.segmentation.segmenter import load_segmenter
from tests.engines.angiography.xa_samples import view

_SIDE = 256
_FRAME = Frame(pixels=np.zeros((512, 512), np.uint8), kind="fluoro", source_id="run1")


def _picture(opening: np.ndarray | None, *, seed: int = 0, vessel: bool = False) -> np.ndarray:
    """A grainy picture behind blades; with a vessel, a dark line runs across it and over the blades' edge."""
    row, column = np.mgrid[:_SIDE, :_SIDE]
    picture = 120 + 25 * np.sin(row / 70) * np.cos(column / 50)
    picture += np.random.default_rng(seed).normal(0, 4, picture.shape)
    if vessel:
        cv2.line(picture, (0, 60), (255, 200), 50.0, 9)
    return (picture if opening is None else np.where(opening, picture, 8.0)).astype(np.float32)


def _rectangle(left: int, top: int = 18) -> np.ndarray:
    opening = np.zeros((_SIDE, _SIDE), bool)
    opening[top:235, left:] = True
    return opening


def _circle(radius: int) -> np.ndarray:
    row, column = np.mgrid[:_SIDE, :_SIDE]
    return (row - 130) ** 2 + (column - 120) ** 2 < radius**2


def _looked_at(memory: FieldMemory, picture: np.ndarray, frame: Frame = _FRAME) -> np.ndarray | None:
    memory.expect(frame)
    return memory.find(picture)


@pytest.mark.parametrize("opening", [_rectangle(30), _circle(125), None], ids=["rectangle", "circle", "open"])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_run_is_searched_once_while_contrast_comes_and_goes(opening, inverted):
    memory = FieldMemory()
    pictures = [_picture(opening, seed=seed, vessel=seed in (2, 3)) for seed in range(6)]
    found = [_looked_at(memory, 255 - picture if inverted else picture) for picture in pictures]
    # Without blades, a dark vessel that reaches the border might be a blade, so it causes new searches.
    assert memory.searches == (3 if opening is None else 1)
    expected = find_field_of_view(255 - pictures[0] if inverted else pictures[0])
    for field in found:
        assert (field is None) == (opening is None)
        assert field is None or np.array_equal(field, expected)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_rectangle(30), _rectangle(38)),
        (_rectangle(38), _rectangle(30)),
        (_rectangle(30), _rectangle(30, top=26)),
        (_circle(120), _circle(112)),
        (_circle(112), _circle(120)),
        (None, _rectangle(12, top=0)),
        (_rectangle(30), None),
        (_circle(120), _rectangle(30)),
    ],
    ids=["in", "out", "another blade in", "iris in", "iris out", "appears", "opens", "another shape"],
)
def test_blades_that_moved_are_searched_for_in_the_same_frame(before, after):
    memory = FieldMemory()
    _looked_at(memory, _picture(before))
    moved = _picture(after, seed=1)
    field, expected = _looked_at(memory, moved), find_field_of_view(moved)
    assert memory.searches == 2
    assert (field is None) == (expected is None) == (after is None)
    assert field is None or np.array_equal(field, expected)


@pytest.mark.parametrize(
    "other",
    [
        replace(_FRAME, source_id="run2"),
        replace(_FRAME, pixels=np.zeros((512, 400), np.uint8)),
        replace(_FRAME, kind="dsa"),
        replace(_FRAME, geometry=view(42.0)),
    ],
    ids=["source", "size", "kind", "geometry"],
)
def test_another_view_is_searched_anew(other):
    memory = FieldMemory()
    for frame in (replace(_FRAME, geometry=view()), other):
        _looked_at(memory, _picture(_rectangle(30)), frame)
    assert memory.searches == 2


def test_no_field_is_kept_for_ever(monkeypatch):
    monkeypatch.setattr(field_memory, "_LONGEST_FRAMES", 3)
    memory = FieldMemory()
    for seed in range(9):
        _looked_at(memory, _picture(_rectangle(30), seed=seed))
    assert memory.searches == 3


def test_a_flat_picture_between_two_others_does_no_harm():
    memory = FieldMemory()
    for picture in (_picture(_circle(120)), np.full((_SIDE, _SIDE), 7, np.float32), _picture(_circle(120))):
        field = _looked_at(memory, picture)
    assert field is not None
    assert memory.searches == 3


def test_a_run_gets_the_masks_that_its_frames_get_alone():
    segmenter = load_segmenter("coronary", "onnx")
    run = segmenter.for_run()
    assert (run.name, run.backend, run.classes) == (segmenter.name, segmenter.backend, segmenter.classes)
    for seed in range(3):
        picture = cv2.resize(_picture(_circle(120), seed=seed, vessel=seed > 0), (300, 300))
        frame = Frame(pixels=np.clip(picture, 0, 255).astype(np.uint8), kind="fluoro")
        alone, together = segmenter.segment(frame), run.segment(frame)
        assert (alone.field_of_view == together.field_of_view).mean() > 0.99
        agreeing = (alone.vessel() >= segmenter.threshold) == (together.vessel() >= segmenter.threshold)
        assert agreeing.mean() > 0.998
