"""Between judging and placing: what this frame's own picture says for the pose.

Vessels speak first. Where none are filled, the bones are compared with those of the picture on which vessels last
fitted: they follow small moves of patient and table, and notice large ones. A pose that nothing speaks for is carried.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from calibration.pose import RigidPose
from engines.angiography.anatomy_anchor import NOWHERE, AnatomyAnchor, InPlaneMove, anchor_of
from engines.angiography.frame import Frame
from engines.registration.tracking.anatomy_follow import followed_in_plane
from guidance_app.live import guidance_state
from guidance_app.live.engine.step.door import Admitted, ViewKey
from guidance_app.live.engine.step.judge import Judged
from guidance_app.live.engine.step.see import Seen
from guidance_app.live.evidence import LIMITS, Evidence

_ANCHORED_EVERY_S = 1.0
_HOLDS = 0.95  # of the agreement that still pictures reach; simulated heads turned by 2 degrees reach 0.97
_DIFFERS = 0.8  # below it the picture shows another place
_LEAST_STILL = 0.6  # two still pictures that agree less are noise, and hold nothing
_STILL_SHARE = 0.2  # of the newest pair in what still pictures reach
_THIN = 0.6  # of the vessels seen when they last fitted; a bolus that is still arriving shows a jet, and no anatomy
_FOLLOWED_MM = 15.0
_FOLLOWED_RAD = math.radians(6.0)
_DIFFERS_FOR_S = 0.4
_ELSEWHERE_MM = 5.0  # with vessels that contradict the pose, so far a slide is believed at any agreement
# What a turn out of the plane leaves between bones and vessels: fitted by eye to simulated heads turned by 1 to 6
# degrees, where the median error was 5 to 6 mm times the root of what the agreement lacks.
_ERROR_MM = 6.0
_DRIFT_MM_PER_S = 0.3  # of a pose that nothing speaks for
_REMEMBERED_BEATS = 45  # frames of the heart's own motion


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Confirmed:
    """`judged`, with the pose moved as the bones were; `evidence` is None where there is no pose to speak for."""

    judged: Judged
    evidence: Evidence | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moment:
    """When a picture was taken, as far as it tells."""

    received_ns: int
    index: int
    frame_time_ms: float

    @classmethod
    def of(cls, frame: Frame) -> _Moment:
        return cls(received_ns=frame.received_ns, index=frame.index, frame_time_ms=frame.frame_time_ms or 0.0)

    def seconds_since(self, earlier: _Moment) -> float:
        """The larger of what passed in the room and in the recording: a replay may be quicker than the run was."""
        nominal_s = max(0, self.index - earlier.index) * self.frame_time_ms / 1e3
        return max((self.received_ns - earlier.received_ns) / 1e9, nominal_s, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """The picture that a search from scratch was begun on; the pose that it finds fits the vessels of this one."""

    frame: Frame
    seen: Seen
    key: ViewKey
    generation: int


@dataclass(slots=True, kw_only=True, eq=False)
class _Anchored:
    """A picture on which vessels fitted, and the pose that they fitted."""

    anchor: AnatomyAnchor | None
    pose: RigidPose
    key: ViewKey
    since: _Moment


class Confirm:
    """For one thread. What it remembers may be lost (a restarted engine): the pose is then carried until vessels fill.

    Args:
        bones_hold: whether the vessels lie where the bones do. A head, a pelvis, an aorta along the spine; no heart.
        pivot_lps_mm: middle of the model.
        threshold: probability from which a pixel counts as vessel.
    """

    def __init__(self, *, bones_hold: bool, pivot_lps_mm: Float[np.ndarray, " 3"], threshold: float) -> None:
        self._bones_hold = bones_hold
        self._pivot_mm = pivot_lps_mm
        self._threshold = threshold
        self._anchored: _Anchored | None = None
        self._asked: _Asked | None = None
        self._still = 1.0
        self._vessels_at: _Moment | None = None
        self._spoken_at: _Moment | None = None
        self._differs_since: _Moment | None = None
        self._added_mm = 0.0
        self._generation = 0
        self._left: RigidPose | None = None  # as it was handed on
        self._beats: deque[np.ndarray] = deque(maxlen=_REMEMBERED_BEATS)
        self._full_share = 0.0

    def confirm(self, admitted: Admitted, seen: Seen, judged: Judged) -> Confirmed:
        """Weigh the picture; moves the pose with the bones, or takes its right to be drawn where they have gone."""
        if self._mistook_bones(admitted, seen, judged):
            # As a picture that shows no vessel: nothing of it speaks against the pose, and nothing can be searched on.
            judged = Judged(situation=guidance_state.saw_vessel(admitted.situation, 0.0))
            seen = replace(seen, vessel_share=0.0, view=None, gated=None)
        situation, key, now = judged.situation, admitted.key, _Moment.of(admitted.frame)
        asked = self._asked
        if judged.cold_start is not None and key is not None:
            generation = judged.cold_start.generation
            self._asked = _Asked(frame=admitted.frame, seen=seen, key=key, generation=generation)
        if key is None or situation.registration is None or situation.state not in ("accepted", "proposed"):
            return Confirmed(judged=judged, evidence=None)
        pose = situation.registration.isocentre_from_lps
        if (self._anchored is not None and self._anchored.key is not key) or self._came_from_elsewhere(judged, pose):
            self._forget()
        if asked is not None and asked.key is key and situation.generation == asked.generation + 1:
            # The search's answer has come: its own picture is the first that spoke for the pose.
            if self._anchored is None and not judged.confirmed:
                self._fitted(asked.frame, asked.seen, pose, key, _Moment.of(asked.frame))
            if judged.cold_start is None:
                self._asked = None
        # A pose that comes in was found to fit somewhere; from now on pictures must speak for it.
        self._spoken_at = self._spoken_at or now
        self._generation, self._left = situation.generation, pose
        if judged.confirmed:
            self._fitted(admitted.frame, seen, pose, key, now)
            return Confirmed(judged=judged, evidence=Evidence(kind="vessel", age_s=0.0))
        move = self._compared(admitted.frame, seen)
        if seen.view is None and self._has_left(move, now, key):
            self._forget()
            left = guidance_state.anatomy_left(situation)
            return Confirmed(judged=replace(judged, situation=left), evidence=None)
        if not self._holds(move, key):
            contradicted = judged.tracked is not None and judged.tracked.found.status == "rejected"
            moved = contradicted and self._shows_elsewhere(move, key)
            return Confirmed(judged=judged, evidence=self._without_bones(now, moved=moved))
        assert self._anchored is not None
        geometry = key.geometry
        pose = followed_in_plane(self._anchored.pose, geometry, move, self._pivot_mm)
        self._left = pose
        situation = replace(situation, registration=replace(situation.registration, isocentre_from_lps=pose))
        judged = replace(judged, situation=situation)
        if not self._bones_hold:
            return Confirmed(judged=judged, evidence=self._without_bones(now, moved=_length_mm(move, key) > 1.0))
        if seen.view is not None and seen.vessel_share < _THIN * self._full_share:
            # Against bones that hold, so little contrast does not count.
            before = admitted.situation
            judged = replace(judged, situation=replace(situation, misses=before.misses, doubts=before.doubts))
        self._spoken_at = now
        self._added_mm = _ERROR_MM * math.sqrt(max(0.0, 1.0 - move.agreement / self._still))
        assert self._vessels_at is not None, "an anchor is set where vessels fit"
        age_s = now.seconds_since(self._vessels_at)
        return Confirmed(judged=judged, evidence=Evidence(kind="anatomy", age_s=age_s, added_error_mm=self._added_mm))

    def _mistook_bones(self, admitted: Admitted, seen: Seen, judged: Judged) -> bool:
        """What was taken for vessels is no darker than it was on the anchor's picture: bones, a wire that lay there."""
        if seen.view is None or judged.confirmed or admitted.frame.kind == "dsa" or admitted.key is None:
            return False
        if admitted.situation.state not in ("accepted", "proposed"):
            return False
        if self._anchored is None or self._anchored.anchor is None or self._anchored.key is not admitted.key:
            return False
        self._compared(admitted.frame, seen)
        vessel = seen.segmentation.vessel() >= self._threshold
        return self._anchored.anchor.shows_new_contrast(admitted.frame, vessel) is False

    def _came_from_elsewhere(self, judged: Judged, pose: RigidPose) -> bool:
        """A cold start or a person has set another pose since: the anchor's no longer counts."""
        if self._left is None or judged.situation.generation == self._generation:
            return False
        return judged.confirmed or not np.array_equal(pose.matrix, self._left.matrix)

    def _fitted(self, frame: Frame, seen: Seen, pose: RigidPose, key: ViewKey, now: _Moment) -> None:
        """Vessels fit: from here on bones are compared with this picture's."""
        self._vessels_at = self._spoken_at = now
        self._differs_since, self._added_mm = None, 0.0
        self._full_share = max(self._full_share, seen.vessel_share)
        self._beats.append((key.geometry.camera_from_isocentre() @ pose).apply(self._pivot_mm[None])[0, :2])
        if self._anchored is not None and now.seconds_since(self._anchored.since) < _ANCHORED_EVERY_S:
            return
        field = seen.segmentation.field_of_view
        if self._anchored is not None and self._anchored.anchor is not None:
            # Both show the patient in place: so much do pictures of this dose agree.
            agreement = self._anchored.anchor.compare(frame, field).agreement
            self._still += _STILL_SHARE * (min(agreement, 1.0) - self._still)
        anchor = anchor_of(frame, field, seen.segmentation.vessel() >= self._threshold)
        self._anchored = _Anchored(anchor=anchor, pose=pose, key=key, since=now)

    def _compared(self, frame: Frame, seen: Seen) -> InPlaneMove:
        if self._anchored is None or self._anchored.anchor is None or self._still < _LEAST_STILL:
            return NOWHERE
        return self._anchored.anchor.compare(frame, seen.segmentation.field_of_view)

    def _holds(self, move: InPlaneMove, key: ViewKey) -> bool:
        near = _length_mm(move, key) <= _FOLLOWED_MM and abs(move.turn_rad) <= _FOLLOWED_RAD
        return near and move.agreement >= _HOLDS * self._still

    def _shows_elsewhere(self, move: InPlaneMove, key: ViewKey) -> bool:
        """The whole picture has moved or changed with the vessels: no bad mask, but a table or a patient on the way."""
        if move is NOWHERE:
            return False
        return _length_mm(move, key) > _ELSEWHERE_MM or move.agreement < _DIFFERS * self._still

    def _has_left(self, move: InPlaneMove, now: _Moment, key: ViewKey) -> bool:
        """Whether patient or table have moved away: plainly and far, or another picture for a while."""
        if move is NOWHERE:
            return False
        if move.agreement >= _HOLDS * self._still:
            self._differs_since = None
            return not self._holds(move, key)
        if move.agreement >= _DIFFERS * self._still:
            return False
        self._differs_since = self._differs_since or now
        return now.seconds_since(self._differs_since) >= _DIFFERS_FOR_S

    def _without_bones(self, now: _Moment, *, moved: bool) -> Evidence:
        """Vessels of a moment ago still speak if nothing has moved since; else the pose is carried."""
        since_vessels_s = math.inf if self._vessels_at is None else now.seconds_since(self._vessels_at)
        if since_vessels_s <= LIMITS.vessel_s and not moved:
            return Evidence(kind="vessel", age_s=since_vessels_s)
        age_s = 0.0 if self._spoken_at is None else now.seconds_since(self._spoken_at)
        drift_mm = _DRIFT_MM_PER_S * min(age_s, LIMITS.carried_s)
        added_mm = math.hypot(self._added_mm, drift_mm, 0.0 if self._bones_hold else self._heart_mm())
        return Evidence(kind="carried", age_s=age_s, added_error_mm=added_mm)

    def _heart_mm(self) -> float:
        """How far the followed pose has swung across the beam while vessels were seen: two standard deviations."""
        if len(self._beats) < 2:
            return 0.0
        return 2.0 * float(np.sqrt(np.stack(self._beats).var(axis=0).sum()))

    def _forget(self) -> None:
        self._anchored, self._differs_since, self._added_mm, self._still = None, None, 0.0, 1.0
        self._vessels_at = self._spoken_at = None
        self._full_share = 0.0
        self._beats.clear()


def _length_mm(move: InPlaneMove, key: ViewKey) -> float:
    """Of the move, in the isocentre plane."""
    return move.length_px * key.geometry.isocentre_mm_per_px
