"""Second stage: check the pose against what was seen, update guidance's state, decide on a search from scratch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from engines.registration.features.image_features import PreparedView
from engines.registration.registration import Registration
from engines.registration.tracking.pose_after_move import places_after_move
from engines.registration.view import RegistrationView
from guidance_app.live import guidance_state
from guidance_app.live.engine.step.door import Admitted, ViewKey
from guidance_app.live.engine.step.see import MIN_VESSEL_SHARE, Darkening, Seen
from guidance_app.live.guidance_state import Situation

_STILL_FILLING = 1.15  # growth over the watched frames that says the bolus is still arriving
_WATCHED_MS = 200.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColdStart:
    """A picture to register from scratch, and the generation that its answer belongs to.

    `frame` is that picture, `key` its view and `past` what came before it in that view (all for `ContrastMemory`);
    `shown` is the picture as its vessels were sought, see `Seen`; None where that is `frame`.
    """

    view: RegistrationView
    frame: Frame
    key: ViewKey
    past: tuple[Frame, ...]
    shown: Frame | None = None
    previous: Registration | None
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyView:
    """A view with its features, found once for all that match them.

    `features` is None where nothing needs them, as in tests. `darkening` is that of `Seen`.
    """

    view: RegistrationView
    features: PreparedView | None = None
    darkening: Darkening | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracked:
    """One warm step: what the tracker found, on which features."""

    found: Registration
    ready: ReadyView


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """The state after this frame.

    Args:
        tracked: None where there was no pose to check, or no vessels to check it on.
        confirmed: the situation's registration is the one that this frame's warm step found.
        cold_start: work that must not hold up the next frame.
    """

    situation: Situation
    tracked: Tracked | None = None
    confirmed: bool = False
    cold_start: ColdStart | None = None


class Tracks(Protocol):
    """Warm steps of one case's model."""

    def prepare(self, view: RegistrationView) -> ReadyView: ...

    def likeliest(self, ready: ReadyView, places: tuple[Registration, ...]) -> tuple[Registration, ...]:
        """Which of several places are worth a warm step."""
        ...

    def track(self, ready: ReadyView, previous: Registration) -> Registration: ...


class Judge:
    """Track, weigh the evidence, move the state on."""

    def __init__(self, tracker: Tracks) -> None:
        self._tracker = tracker

    def judge(self, admitted: Admitted, seen: Seen) -> Judged:
        situation = guidance_state.saw_vessel(admitted.situation, seen.vessel_share, admitted.frame.frame_time_ms)
        if seen.view is None or seen.gated is None or admitted.key is None:
            return Judged(situation=situation)
        geometry, tracked, before = seen.view.geometry, None, situation.registration
        # What a person has placed stays where it is, until a person accepts it or asks for a search.
        if before is not None and situation.state != "rejected" and not situation.by_hand:
            tracked = self._tracked(seen.gated, seen.darkening, before, situation.pose_geometry)
            situation = guidance_state.checked(situation, tracked.found, geometry)
        confirmed = situation.registration is not before
        if _is_outgrown(admitted.frame, situation):
            situation = guidance_state.registration_dropped(situation)
        if not _may_start_cold(admitted.frame, situation):
            return Judged(situation=situation, tracked=tracked, confirmed=confirmed)
        situation = guidance_state.registration_started(situation)
        cold_start = ColdStart(
            view=seen.view,
            frame=admitted.frame,
            key=admitted.key,
            past=seen.past,
            shown=seen.shown,
            previous=_previous(situation),
            generation=situation.generation,
        )
        return Judged(situation=situation, tracked=tracked, confirmed=confirmed, cold_start=cold_start)

    def _tracked(
        self,
        view: RegistrationView,
        darkening: Darkening | None,
        previous: Registration,
        fitted: CArmGeometry | None,
    ) -> Tracked:
        """One warm step; after a move of table or C-arm from each place it may have led to, the one that fits best."""
        places = (previous,) if fitted is None else places_after_move(previous, fitted, view.geometry)
        ready = replace(self._tracker.prepare(view), darkening=darkening)
        if len(places) > 1:
            places = self._tracker.likeliest(ready, places)
        tried = [self._tracker.track(ready, place) for place in places]
        best = max(tried, key=lambda found: (found.status == "accepted", found.confidence))
        return Tracked(found=best, ready=ready)


def _previous(situation: Situation) -> Registration | None:
    """The pose that a search begins near: after a table move, where the header says that it led."""
    found, now, fitted = situation.registration, situation.geometry, situation.pose_geometry
    if found is None or now is None or fitted is None:
        return found
    return places_after_move(found, fitted, now)[0]


def _may_start_cold(frame: Frame, situation: Situation) -> bool:
    if not situation.wanted or situation.registering or situation.rest_frames > 0:
        return False
    still_picture = frame.frame_time_ms is None
    return situation.asked or still_picture or has_filled(situation.vessel_shares, frame.frame_time_ms or 0.0)


def _is_outgrown(frame: Frame, situation: Situation) -> bool:
    """Subtracted pictures show no bones: what was searched there is vessel."""
    if frame.kind == "dsa" or not guidance_state.outgrown(situation):
        return False
    return has_filled(situation.vessel_shares, max(frame.frame_time_ms or 0.0, 1e3 * guidance_state.SEARCHED_EVERY_S))


def has_filled(shares: tuple[float, ...], frame_time_ms: float = 0.0) -> bool:
    """Whether the bolus has arrived: registering on the first drops would match a stump to a tree.

    Args:
        shares: of each of the last pictures that shows vessel, newest last.
        frame_time_ms: of the series; a slow one waits for fewer frames.
    """
    wanted = guidance_state.REMEMBERED_FRAMES
    if frame_time_ms > 0.0:
        wanted = min(wanted, max(2, math.ceil(_WATCHED_MS / frame_time_ms) + 1))
    watched = shares[-wanted:]
    return (
        len(watched) == wanted
        and watched[0] >= MIN_VESSEL_SHARE
        and watched[-1] <= _STILL_FILLING * watched[0]
    )  # fmt: skip
