"""What speaks for the pose on frames without contrast: bones, for a while, or nothing."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.angiography.frame import Frame
from engines.segmentation.segmentation import Segmentation
from guidance_app.live import guidance_state
from guidance_app.live.engine.step.confirm import Confirm, Confirmed
from guidance_app.live.engine.step.door import Door
from guidance_app.live.engine.step.judge import ColdStart, Judged, ReadyView, Tracked
from guidance_app.live.engine.step.see import Seen
from guidance_app.live.guidance_state import Situation
from tests.guidance_app.live.stand_ins import geometry, registration, view_of

_SHAPE = (256, 256)
_FRAME_NS = 66_000_000


@pytest.fixture(scope="module")
def bones() -> np.ndarray:
    random = np.random.default_rng(2)
    logs = cv2.GaussianBlur(random.normal(size=(400, 400)).astype(np.float32), (0, 0), 14) * 5
    for _ in range(20):
        ends = random.uniform(0, 400, (2, 2)).astype(int)
        cv2.line(logs, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 0.4, int(random.integers(5, 14)))
    return cv2.GaussianBlur(logs, (0, 0), 1.5)


class Run:
    """Frames of one view given to `Confirm` one after the other, each 66 ms after the last."""

    def __init__(self, bones: np.ndarray, *, bones_hold: bool = True) -> None:
        self.confirm = Confirm(bones_hold=bones_hold, pivot_lps_mm=np.zeros(3), threshold=0.5)
        self.view = replace(geometry(), shape_px=_SHAPE, principal_point_px=(127.5, 127.5))
        self.situation = guidance_state.started_from(registration(self.view), self.view)
        self._bones, self._door, self._index = bones, Door(), 0

    @property
    def mm_per_px(self) -> float:
        return self.view.isocentre_mm_per_px

    def pose_px(self) -> np.ndarray:
        """Where the model's middle is projected."""
        found = self.situation.registration
        assert found is not None
        return self.view.projection(found.isocentre_from_lps).project(np.zeros((1, 3)))[0][0]

    def frame(
        self,
        *,
        vessels: bool,
        shift_px: tuple[float, float] = (0.0, 0.0),
        blank: bool = False,
        searched: bool = False,
        share: float | None = None,
    ) -> Confirmed:
        """`share`: so much of the picture shows vessels; with `vessels=False` ones that contradict the pose."""
        matrix = np.array([[1.0, 0.0, shift_px[0] - 70.0], [0.0, 1.0, shift_px[1] - 70.0]])
        logs = cv2.warpAffine(self._bones, matrix, _SHAPE[::-1])
        noise = np.random.default_rng(self._index).normal(0, 0.01, _SHAPE)
        grey = np.full(_SHAPE, 120.0) if blank else 140 * np.exp(-0.5 * logs)
        frame = Frame(
            pixels=np.clip(grey * (1 + noise), 0, 255).astype(np.uint8), kind="fluoro", geometry=self.view,
            index=self._index, received_ns=1 + self._index * _FRAME_NS,
        )  # fmt: skip
        self._index += 1
        admitted = self._door.admit(frame, self.situation)
        maps = np.zeros((1, *_SHAPE), np.float32)
        seen = Seen(
            segmentation=Segmentation(
                classes=("vessel",), probabilities=maps, model="", backend="", field_of_view=None
            ),
            vessel_share=share or 0.0,
            shown=frame,
            view=None if share is None else view_of(frame),
            gated=None if share is None else view_of(frame),
        )  # fmt: skip
        cold_start = None
        if searched:
            assert admitted.key is not None
            cold_start = ColdStart(
                view=view_of(frame), frame=frame, key=admitted.key, past=(), previous=None,
                generation=admitted.situation.generation,
            )  # fmt: skip
        situation, tracked = admitted.situation, None
        if share is not None and not vessels:
            wrong = replace(registration(self.view), status="rejected")
            situation = guidance_state.checked(situation, wrong, self.view)
            tracked = Tracked(found=wrong, ready=ReadyView(view=view_of(frame)))
        judged = Judged(situation=situation, tracked=tracked, confirmed=vessels, cold_start=cold_start)
        confirmed = self.confirm.confirm(admitted, seen, judged)
        self.situation: Situation = confirmed.judged.situation
        return confirmed

    def kinds(self, count: int, **how) -> list[str]:
        return [found.evidence.kind if found.evidence else "" for found in (self.frame(**how) for _ in range(count))]


def test_vessels_that_fit_speak_for_themselves(bones):
    found = Run(bones).frame(vessels=True)
    assert found.evidence is not None
    assert (found.evidence.kind, found.evidence.age_s, found.evidence.added_error_mm) == ("vessel", 0.0, 0.0)


def test_bones_hold_a_head_for_a_minute_without_contrast(bones):
    run = Run(bones)
    run.frame(vessels=True)
    before = run.pose_px()
    assert set(run.kinds(60, vessels=False)) == {"anatomy"}
    last = run.frame(vessels=False).evidence
    assert last is not None
    assert last.age_s == pytest.approx(61 * 0.066, abs=0.01)
    assert last.added_error_mm < 1.0
    assert np.linalg.norm(run.pose_px() - before) < 0.3


def test_the_first_drops_of_a_bolus_do_not_count_against_bones_that_hold(bones):
    run = Run(bones)
    run.frame(vessels=True, share=0.1)
    assert set(run.kinds(20, vessels=False, share=0.05)) == {"anatomy"}
    assert run.situation.state == "accepted"


def test_a_full_tree_that_contradicts_the_pose_counts_though_bones_hold(bones):
    run = Run(bones)
    run.frame(vessels=True, share=0.1)
    run.kinds(guidance_state.MISSES_BEFORE_STALE, vessels=False, share=0.09)
    assert run.situation.state == "stale"


def test_the_pose_follows_a_small_move_of_the_patient(bones):
    run = Run(bones)
    run.frame(vessels=True)
    before = run.pose_px()
    for step in range(1, 9):
        found = run.frame(vessels=False, shift_px=(1.5 * step, -step))
        assert found.evidence is not None
        assert found.evidence.kind == "anatomy"
    assert run.pose_px() - before == pytest.approx((12.0, -8.0), abs=0.6)


def test_a_picture_that_slides_away_loses_the_right_to_be_drawn_on(bones):
    run = Run(bones)
    run.frame(vessels=True)
    states = []
    far_px = 15.0 / run.mm_per_px
    for step in range(40):
        shift = 3.0 * step
        run.frame(vessels=False, shift_px=(shift, 0.0))
        states.append((shift, run.situation.state))
        if run.situation.state == "stale":
            break
    shift, state = states[-1]
    assert state == "stale"
    assert shift <= far_px + 4 * 3.0
    assert run.situation.checked_geometry is None


def test_another_place_is_noticed_within_half_a_second(bones):
    run = Run(bones)
    run.frame(vessels=True)
    elsewhere = Run(np.ascontiguousarray(bones[::-1, ::-1]))
    run._bones = elsewhere._bones
    assert "stale" in [run.frame(vessels=False).judged.situation.state for _ in range(8)]


def test_a_heart_is_carried_not_held(bones):
    run = Run(bones, bones_hold=False)
    run.frame(vessels=True)
    kinds = run.kinds(12, vessels=False)
    # Half a second after the last vessels nothing has moved; then nothing is known of the heart.
    assert kinds[:7] == ["vessel"] * 7
    assert kinds[8:] == ["carried"] * 4


def test_vessels_that_slide_with_the_whole_picture_are_not_one_bad_mask(bones):
    run = Run(bones, bones_hold=False)
    run.frame(vessels=True, share=0.1)
    assert run.kinds(2, vessels=False, share=0.1) == ["vessel"] * 2  # nothing has moved: the mask may be at fault
    far_px = 8.0 / run.mm_per_px
    assert run.kinds(1, vessels=False, share=0.1, shift_px=(far_px, 0.0)) == ["carried"]


def test_a_swinging_heart_widens_the_error_of_what_is_carried(bones):
    run = Run(bones, bones_hold=False)
    found = run.situation.registration
    assert found is not None
    for step in range(20):
        moved = found.isocentre_from_lps.matrix.copy()
        moved[:3, 3] += (3.0 * np.sin(step), 0.0, 0.0)
        pose = replace(found.isocentre_from_lps, matrix=moved)
        run.situation = replace(run.situation, registration=replace(found, isocentre_from_lps=pose))
        run.frame(vessels=True)
    run.kinds(10, vessels=False)
    last = run.frame(vessels=False).evidence
    assert last is not None
    assert last.kind == "carried"
    assert last.added_error_mm > 3.0


def test_a_picture_without_bones_carries_the_pose_and_says_since_when(bones):
    run = Run(bones)
    run.frame(vessels=True)
    run.kinds(10, vessels=False, blank=True)
    last = run.frame(vessels=False, blank=True).evidence
    assert last is not None
    assert last.kind == "carried"
    assert last.age_s == pytest.approx(11 * 0.066, abs=0.01)


def test_a_pose_from_elsewhere_is_not_drawn_back_to_the_anchor(bones):
    run = Run(bones)
    run.frame(vessels=True)
    run.frame(vessels=False)
    found = run.situation.registration
    assert found is not None
    moved = found.isocentre_from_lps.matrix.copy()
    moved[:3, 3] += (9.0, 0.0, 0.0)
    new = replace(found, isocentre_from_lps=replace(found.isocentre_from_lps, matrix=moved))
    run.situation = replace(run.situation, registration=new, generation=run.situation.generation + 1)
    after = run.frame(vessels=False)
    assert after.evidence is not None
    assert after.evidence.kind == "carried"
    kept = run.situation.registration
    assert kept is not None
    assert np.array_equal(kept.isocentre_from_lps.matrix, moved)


def test_the_picture_that_a_search_was_begun_on_anchors_the_pose_that_it_finds(bones):
    run = Run(bones)
    accepted = run.situation
    run.situation = guidance_state.registration_started(guidance_state.saw_geometry(Situation(), run.view))
    run.frame(vessels=False, searched=True)
    run.frame(vessels=False)
    found = accepted.registration
    assert found is not None
    generation = run.situation.generation
    run.situation = guidance_state.registration_finished(run.situation, found, run.view, generation)
    assert run.situation.state == "accepted"
    assert run.kinds(5, vessels=False) == ["anatomy"] * 5
