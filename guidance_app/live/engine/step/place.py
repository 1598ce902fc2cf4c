"""Third stage: where the model stands on this frame, and how far the heart has moved it from there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from calibration.carm import CArmGeometry
from engines.registration.motion.deform_basis import Deformation
from engines.registration.registration import Registration
from guidance_app.live.engine.step.door import Admitted
from guidance_app.live.engine.step.judge import Judged, ReadyView
from guidance_app.live.guidance_state import Situation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """What is drawn on this frame, and where: the pose, and the motion that was found on this very frame."""

    geometry: CArmGeometry
    registration: Registration
    motion: Deformation | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """`situation` also remembers the motion, for the next frame; `place` is None where nothing may be drawn.

    `moved` says that a motion was looked for.
    """

    situation: Situation
    place: Place | None
    moved: bool = False


class Moves(Protocol):
    """The motion of one case's model that no rigid pose describes."""

    def move(self, found: Registration, ready: ReadyView) -> Registration:
        """The same registration with this frame's motion; the very same object where no motion is followed."""
        ...


class Placing:
    """Pose, then motion."""

    def __init__(self, mover: Moves) -> None:
        self._mover = mover

    def place(self, admitted: Admitted, judged: Judged) -> Placed:
        situation, motion, moved = judged.situation, None, False
        if judged.tracked is not None:
            found = judged.tracked.found
            with_motion = self._mover.move(found, judged.tracked.ready)
            motion, moved = with_motion.deformation, with_motion is not found
            if judged.confirmed:
                situation = replace(situation, registration=replace(with_motion, generation=situation.generation))
        return Placed(situation=situation, place=_place(admitted, situation, motion), moved=moved)


def _place(admitted: Admitted, situation: Situation, motion: Deformation | None) -> Place | None:
    """None unless the pose was found to fit this very view (the door took that away from a changed one)."""
    geometry, registration = admitted.frame.geometry, situation.registration
    if geometry is None or registration is None or situation.checked_geometry is None:
        return None
    if situation.state not in ("accepted", "proposed"):
        return None
    # A pose that nobody has accepted is shown as it is: moved onto the vessels, a wrong one would look right.
    return Place(geometry=geometry, registration=registration, motion=motion if situation.state == "accepted" else None)
