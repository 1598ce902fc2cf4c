"""What a recorder, or the comparison with an earlier run, must offer to be told of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.live.run_log import Event
from guidance_app.sources.source import CorruptFrame


class RunWitness(Protocol):
    """Is told of everything as it happens, from any thread; every method returns at once and never raises."""

    @property
    def fault(self) -> str:
        """What a person must know of the witness itself, for the banner; "" when all is well."""
        ...

    def begin(self, tell: Callable[[str], None]) -> None:
        """The run starts; `tell` makes a `recorder_full` event of a line."""
        ...

    def end(self) -> None:
        """The run has ended; may take its time, twice is harmless."""
        ...

    def frame(self, frame: Frame) -> None: ...

    def corrupt(self, error: CorruptFrame) -> None: ...

    def guided(self, result: GuidanceResult, registration: Registration | None, *, used: bool) -> None:
        """The engine's answer for one frame; `used` unless the view or a person had moved things on meanwhile."""
        ...

    def registered(self, registration: Registration, frame_index: int | None) -> None:
        """A cold start has ended, by the time that frame had arrived."""
        ...

    def painted(self, screen: ScreenState, painted_ns: int) -> None: ...

    def event(self, event: Event) -> None: ...

    def action(self, name: str, value: int | None = None) -> None:
        """A person accepted, rejected, paused ..."""
        ...
