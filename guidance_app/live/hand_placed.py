"""What a person's own hand does to the situation: places a pose, takes it back, says that a stiff wire lies inside."""

from __future__ import annotations

from dataclasses import replace

from engines.registration.registration import Registration
from guidance_app.live.guidance_state import NOT_REGISTERED, Situation, person_takes_back, taken_away

_BY_HAND = "placed by hand: check it and accept"


def person_places(now: Situation, placed: Registration) -> Situation:
    """A pose by a person's own hand, on the view of the newest frame: a proposal, which nothing moves or confirms."""
    if now.geometry is None:
        return now
    return replace(
        now, state="proposed", reason=_BY_HAND, why="by_hand", rejected=None, weak=None, by_hand=True,
        registration=replace(placed, generation=now.generation + 1), before_hand=now.before_hand or taken_away(now),
        checked_geometry=now.geometry, pose_geometry=now.geometry, generation=now.generation + 1, unconfirmed=True,
        registering=False, wanted=False, misses=0, doubts=0, by_person=False,
    )  # fmt: skip


def person_withdraws(now: Situation) -> Situation:
    """Take back what was placed by hand: the pose before it comes back as a proposal; without one there is none."""
    if not now.by_hand:
        return now
    if now.before_hand is None:
        return replace(
            now, state="unregistered", reason=NOT_REGISTERED, why="not_registered", registration=None, by_hand=False,
            checked_geometry=None, generation=now.generation + 1, unconfirmed=False, registering=False,
        )  # fmt: skip
    return replace(person_takes_back(replace(now, state="rejected", rejected=now.before_hand)), by_hand=False)


def person_declares_wire(now: Situation, *, inside: bool) -> Situation:
    """A stiff wire bends the vessels away from the model, which no rigid pose can follow."""
    return replace(now, wire=inside, generation=now.generation + 1)
