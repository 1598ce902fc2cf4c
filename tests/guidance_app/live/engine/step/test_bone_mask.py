"""A head's bones are taken away where they lie as before the bolus, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.angiography.contrast_gate import Background
from engines.angiography.frame import Frame
from engines.registration.view import RegistrationView
from engines.segmentation.segmentation import Segmentation
from guidance_app.live import guidance_state
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.pipeline import Pipeline
from guidance_app.live.engine.step.bone_mask import BoneMask
from guidance_app.live.engine.step.confirm import Confirm
from guidance_app.live.engine.step.contrast_memory import ContrastMemory, learnt
from guidance_app.live.engine.step.door import Door, ViewKey
from guidance_app.live.engine.step.see import See, Seen
from guidance_app.live.guidance_state import Situation
from tests.guidance_app.live.engine.test_pipeline import MODEL, Registrar
from tests.guidance_app.live.stand_ins import geometry

_SIDE = 256
_VIEW = replace(geometry(), shape_px=(_SIDE, _SIDE), principal_point_px=(127.5, 127.5))
_VESSEL = (slice(100, 108), slice(30, 226))


def _bones(seed: int = 2) -> np.ndarray:
    random = np.random.default_rng(seed)
    logs = cv2.GaussianBlur(random.normal(size=(400, 400)).astype(np.float32), (0, 0), 14) * 5
    for _ in range(20):
        ends = random.uniform(0, 400, (2, 2)).astype(int)
        cv2.line(logs, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 0.4, int(random.integers(5, 14)))
    return cv2.GaussianBlur(logs, (0, 0), 1.5)


def _frame(index: int, filling: float, *, shift_px: float = 0.0, seed: int = 2) -> Frame:
    logs = cv2.warpAffine(_bones(seed), np.array([[1.0, 0.0, shift_px - 70.0], [0.0, 1.0, -70.0]]), (_SIDE, _SIDE))
    logs[_VESSEL] += 0.3 * filling
    noise = np.random.default_rng(index).normal(0, 0.004, logs.shape)
    pixels = np.clip(1200 * np.exp(-0.5 * logs) * (1 + noise), 0, 4095).astype(np.uint16)
    return Frame(
        pixels=pixels, bits_stored=12, kind="fluoro", geometry=_VIEW, index=index, source_id="run.dcm",
        frame_time_ms=333.0,
    )  # fmt: skip


def _bolus(seed: int = 2) -> tuple[Frame, ...]:
    return tuple(_frame(index, min(1.0, max(0.0, (index - 3) / 3)), seed=seed) for index in range(8))


@pytest.fixture(scope="module")
def background() -> Background:
    found = learnt(_bolus(), _bolus()[-1])
    assert found is not None
    return found


def _darkness(frame: Frame) -> np.ndarray:
    return np.median(frame.pixels) - frame.pixels.astype(np.float64)


@pytest.mark.parametrize("shift_px", [0.0, 4.0])
def test_bones_that_lie_still_or_have_moved_a_little_are_taken_away(background, shift_px):
    shown = BoneMask().subtracted(_frame(20, 1.0, shift_px=shift_px), background)
    assert shown.kind == "dsa"
    darkness = _darkness(shown)
    bones = darkness[140:240, 20:236]
    assert darkness[_VESSEL][2:-2, 20:-20].mean() > 8 * np.abs(bones).mean()


@pytest.mark.parametrize("moved", [{"seed": 4}, {"shift_px": 40.0}], ids=["other bones", "far away"])
def test_bones_that_lie_elsewhere_leave_the_frame_as_it_came(background, moved):
    frame = _frame(20, 1.0, **moved)
    assert BoneMask().subtracted(frame, background) is frame


def test_another_background_takes_the_place_of_the_one_before(background):
    mask = BoneMask()
    assert mask.subtracted(_frame(20, 1.0), background).kind == "dsa"
    there = learnt(_bolus(4), _bolus(4)[-1])
    assert there is not None
    assert mask.subtracted(_frame(20, 1.0), there).kind == "fluoro"
    assert mask.subtracted(_frame(20, 1.0, seed=4), there).kind == "dsa"


class _DarkIsVessel:
    """Calls whatever is darker than the middle of the picture by a certain share a vessel; remembers what it saw."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def segment(self, frame: Frame, *, key=None) -> Segmentation:  # noqa: ARG002 - the seam's signature
        self.kinds.append(frame.kind)
        vessel = _darkness(frame) > 0.02 * (1 << frame.bits_stored)
        return Segmentation(
            probabilities=vessel.astype(np.float32)[None], classes=("vessel",), model="test", backend="test"
        )


@pytest.mark.parametrize(("subtracts", "kind"), [(True, "dsa"), (False, "fluoro")])
def test_a_head_is_seen_without_bones_once_its_view_before_contrast_is_known(background, subtracts, kind):
    memory, network, door = ContrastMemory(), _DarkIsVessel(), Door()
    see = See(network, memory, threshold=0.5, subtracts=subtracts)
    for frame in _bolus():
        _, found = _looked(see, door, frame)
        assert found.shown is frame, "nothing was known"
    key, _ = _looked(see, door, _frame(8, 1.0))
    memory.keep(background, key)
    _, found = _looked(see, door, _frame(9, 1.0))
    assert network.kinds[-1] == found.shown.kind == kind
    assert [frame.kind for frame in memory.past(key)] == ["fluoro"] * 10, "remembered as they came"
    if subtracts:
        assert found.view is not None
        assert found.view.vessel[_VESSEL][2:-2].mean() > 0.95
        assert found.view.vessel[140:].mean() < 0.02


def _looked(see: See, door: Door, frame: Frame) -> tuple[ViewKey, Seen]:
    came = door.admit(frame, Situation())
    assert came.key is not None
    shown = see.shown(came)
    return came.key, see.weigh(came, shown, see.segment(came, shown))


def test_a_search_for_a_head_looks_at_the_picture_without_bones(background):
    class Looking(Registrar):
        view: RegistrationView | None = None

        def register(self, request, **options):
            self.view = request.view
            return super().register(request, **options)

    registrar, memory = Looking(), ContrastMemory()
    steps = Pipeline(
        segmenter=_DarkIsVessel(), registrar=registrar, model=ProjectedModel(MODEL), vessel_threshold=0.5,
        memory=memory, clock_ns=lambda: 0, subtracts=True,
        confirm=Confirm(bones_hold=True, pivot_lps_mm=np.zeros(3), threshold=0.5),
    )  # fmt: skip
    asked = guidance_state.person_asks(Situation())
    first = steps.step(_frame(0, 0.0), asked)
    assert first.cold_start is not None
    steps.keep(background, first.cold_start.key)
    second = steps.step(_frame(1, 1.0), asked)
    assert second.cold_start is not None
    steps.register(second.cold_start)
    assert registrar.view is not None
    contrast = registrar.view.contrast
    assert contrast is not None
    assert contrast[_VESSEL][2:-2, 20:-20].mean() > 8 * np.abs(contrast[140:240, 20:236]).mean()
    assert registrar.view.vessel[140:].mean() < 0.02
