"""Tells all witnesses of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engines.angiography.frame import Frame
from guidance_app.live.engine.engine_process import ColdStartDone, StepDone
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.live.run_log import Event
from guidance_app.live.supervision.supervisor import EngineNews
from guidance_app.live.witness import RunWitness
from guidance_app.sources.source import CorruptFrame


class Witnesses:
    """Passes everything on to each of them; see `RunWitness`."""

    def __init__(self, witnesses: Sequence[RunWitness]) -> None:
        self._witnesses = tuple(witnesses)

    @property
    def faults(self) -> tuple[str, ...]:
        """What a person must know of each of them, for the banner."""
        return tuple(witness.fault for witness in self._witnesses)

    def add(self, witness: RunWitness) -> None:
        """Tell this one too, from now on."""
        self._witnesses = (*self._witnesses, witness)

    def remove(self, witness: RunWitness) -> None:
        self._witnesses = tuple(one for one in self._witnesses if one is not witness)

    def begin(self, tell: Callable[[str], None]) -> None:
        for witness in self._witnesses:
            witness.begin(tell)

    def end(self) -> None:
        for witness in self._witnesses:
            witness.end()

    def frame(self, frame: Frame) -> None:
        for witness in self._witnesses:
            witness.frame(frame)

    def corrupt(self, error: CorruptFrame) -> None:
        for witness in self._witnesses:
            witness.corrupt(error)

    def news(self, news: EngineNews, *, in_use: GuidanceResult | None, frame_index: int | None) -> None:
        """The engine has said something.

        Args:
            in_use: the answer that guidance goes by now.
            frame_index: of the newest frame.
        """
        for witness in self._witnesses:
            if isinstance(news, StepDone):
                witness.guided(news.result, news.situation.registration, used=in_use is news.result)
            elif isinstance(news, ColdStartDone):
                witness.registered(news.registration, frame_index)

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        for witness in self._witnesses:
            witness.painted(screen, painted_ns)

    def event(self, event: Event) -> None:
        for witness in self._witnesses:
            witness.event(event)

    def action(self, name: str, value: int | None = None) -> None:
        for witness in self._witnesses:
            witness.action(name, value)
