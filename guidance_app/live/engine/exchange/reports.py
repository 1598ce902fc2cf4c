"""What the supervisor and an engine process say to each other over their pipe. Large things travel as parcels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.engine.exchange.parcel import Parcel
from guidance_app.live.engine.shared_frames import SharedPixels
from guidance_app.live.guidance import GuidanceResult
from guidance_app.live.guidance_state import Situation

_NO_PIXELS = np.zeros((0, 0), dtype=np.uint8)


# To the process ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepJob:
    """One frame; its pixels travel through shared memory, `frame` carries everything else.

    `spare_waits`: a cold start that this step asks for is to be handed out, for another process to do.
    """

    frame: Frame
    pixels: SharedPixels
    situation: Situation
    spare_waits: bool = False

    @classmethod
    def of(cls, frame: Frame, pixels: SharedPixels, situation: Situation, *, spare_waits: bool = False) -> StepJob:
        return cls(frame=replace(frame, pixels=_NO_PIXELS), pixels=pixels, situation=situation, spare_waits=spare_waits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearse:
    """There is time to load what only a cold start needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartJob:
    """A cold start that another process has handed out (a parcel of a `ColdStart`)."""

    request: Parcel
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedElsewhere:
    """The background that another process found for this one's request (a parcel of a `Background`)."""

    background: Parcel
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The last job. Without it the end of the pipe means that the supervisor has died."""


Job = StepJob | Rehearse | ColdStartJob | LearnedElsewhere | Leave


# From the process -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How far the process has come before it is `Ready`, for a person who waits."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Imports and models are loaded."""

    pid: int
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """Nothing is being loaded any more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepDone:
    """`asked_at` is the revision that the step started from."""

    result: GuidanceResult
    situation: Situation
    asked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    frame_index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """The engine answers on, but had to do without something, as a GPU that failed; `text` is for a person."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartHandedOut:
    """A parcel of a `ColdStart`, for another process."""

    request: Parcel
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A parcel of the `Background` that was found for a request of another process."""

    background: Parcel
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColdStartDone:
    registration: Registration
    geometry: CArmGeometry
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartFailed:
    text: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """The pipeline could not be made; trying again would not help."""

    text: str


Report = (
    Loading | Ready | Beat | Rehearsed | StepDone | StepFailed | Degraded | ColdStartHandedOut | Learned
    | ColdStartDone | ColdStartFailed | NotStarted
)  # fmt: skip
