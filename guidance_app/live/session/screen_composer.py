"""What the screen shows now, put together from the picture, the source and guidance."""

from __future__ import annotations

import time
from collections.abc import Callable

from engines.angiography.frame import Frame
from guidance_app.live.guidance import Figures, Overlay, ScreenState, SourceState
from guidance_app.live.reason import Reason
from guidance_app.live.session.current_guidance import CurrentGuidance
from guidance_app.live.session.overlay_pace import OverlayPace
from guidance_app.live.session.overlay_rule import OverlayDecision
from guidance_app.live.session.screen_book import ScreenBook
from guidance_app.live.session.source_watch import SourceWatch
from guidance_app.live.session.witnesses import Witnesses
from guidance_app.live.stiff_wire import WIRE_WORDS
from guidance_app.sources.source import (
    Acknowledged,
    FrameSource,
    Playback,
    ReceivesRuns,
    Recorded,
    WaitsForOverlay,
)


class ScreenComposer:
    """Not thread-safe: the session's lock guards it, and all that it reads.

    Attributes:
        newest: what was put together last; None before the first.
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        guidance: CurrentGuidance,
        watch: SourceWatch,
        book: ScreenBook,
        witnesses: Witnesses,
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        self.newest: ScreenState | None = None
        self._source_id = source.source_id
        self._playback = source if isinstance(source, Playback) else None
        self._recorded = source if isinstance(source, Recorded) else None
        self._acknowledged = isinstance(source, Acknowledged)
        self._waits = source if isinstance(source, WaitsForOverlay) else None
        self._whole_runs = isinstance(source, ReceivesRuns)
        self._overlay_pace = OverlayPace()
        self._arrived_at = (-1, "")  # newest frame, and the wall clock when it came
        self._guidance = guidance
        self._watch = watch
        self._book = book
        self._witnesses = witnesses
        self._held = held

    def compose(self, frame: Frame | None, source_error: str, now_ns: int) -> ScreenState:
        """The very same object comes back while nothing has changed."""
        screen = self._compose(frame, source_error, now_ns)
        if self.newest is None or _looks_different(screen, self.newest):
            self.newest = screen
        return self.newest

    def was_given(self, frame: Frame) -> bool:
        """Whether the window has this frame: it may be painting it at this moment."""
        return self.newest is not None and self.newest.frame is frame

    def _compose(self, frame: Frame | None, source_error: str, now_ns: int) -> ScreenState:
        decision = self._decide(frame, now_ns)
        trouble = self._trouble(frame, source_error)
        wire = WIRE_WORDS if self._guidance.situation.wire else ""
        besides = tuple(text for text in (wire, self._guidance.degraded, *self._witnesses.faults) if text)
        if frame is not None and frame.index != self._arrived_at[0]:
            self._arrived_at = frame.index, time.strftime("%H:%M")
        return ScreenState(
            frame=frame,
            result=self._guidance.result,
            overlay=decision.overlay,
            overlay_state=decision.state,
            overlay_age_ms=decision.age_ms,
            source_state=self._source_state(frame),
            guidance_state=self._guidance.situation.state,
            engine_up=self._guidance.engine_up,
            engine_loading=self._guidance.engine_loading,
            banner="; ".join(text for text in (trouble or decision.reason, *besides) if text),
            why=None if trouble else decision.why,
            besides=(trouble, *besides) if trouble else besides,
            frames_total=None if self._recorded is None else self._recorded.frame_count,
            fps=self._book.fps(),
            p95_ms=self._book.latency.recent_p95_ms,
            paused=self._held() or (self._playback is not None and self._playback.paused),
            decided_ns=now_ns,
            figures=self._figures(),
            patient=self._guidance.patient,
            last_run_at=self._arrived_at[1],
            overlays_per_s=self._pace(frame, decision.overlay, now_ns),
            every_frame=None if self._waits is None else self._waits.every_frame,
            can_undo_reject=self._guidance.situation.state == "rejected"
            and self._guidance.situation.rejected is not None,
        )

    def _decide(self, frame: Frame | None, now_ns: int) -> OverlayDecision:
        if frame is None:
            why = Reason(code="none", text=f"no picture yet from {self._source_id}")
            return OverlayDecision(state="hidden", overlay=None, age_ms=None, why=why)
        return self._guidance.decide(frame, self._watch.fault(now_ns))

    def _trouble(self, frame: Frame | None, source_error: str) -> str:
        """What source or engine have to say before guidance may; "" when all is well."""
        engine = self._guidance.engine_text
        if self._guidance.engine_loading and self._recorded is not None and (frame is None or self._held()):
            engine = f"the run plays once the engine is ready; {engine}"
        return source_error or engine

    def _figures(self) -> Figures | None:
        """Of the registration in use, with what the newest picture adds to its error; never of a view left behind."""
        situation, result = self._guidance.situation, self._guidance.result
        found = situation.registration
        # Of what a person placed by eye nothing was measured.
        if found is None or situation.by_hand or not self._guidance.engine_up:
            return None
        if situation.state not in ("accepted", "proposed"):
            return None
        error_mm = found.expected_error_mm
        if result is not None and result.generation == situation.generation and result.expected_error_mm is not None:
            error_mm = result.expected_error_mm
        return Figures(
            confidence=found.confidence, expected_error_mm=error_mm, depth_sigma_mm=found.depth_sigma_mm,
            reasons=found.reasons,
        )  # fmt: skip

    def _pace(self, frame: Frame | None, overlay: Overlay | None, now_ns: int) -> float | None:
        guidance = self._guidance
        newest = guidance.result.frame_index if guidance.result is not None else None
        flowing = (
            frame is not None and guidance.engine_up and guidance.situation.state == "accepted"
            and self._watch.state == "flowing" and not self._acknowledged
            and not (self._waits is not None and self._waits.every_frame)
            and not (self._playback is not None and self._playback.paused)
        )  # fmt: skip
        index = -1 if frame is None else frame.index
        return self._overlay_pace.shown(index, overlay.frame_index if overlay else newest, now_ns, flowing=flowing)

    def _source_state(self, frame: Frame | None) -> SourceState:
        if self._recorded is not None:
            return "replay"  # a machine that reads it slowly has not lost a signal
        if frame is not None and self._watch.state == "stalled" and self._whole_runs:
            return "last_run"
        if frame is None or self._watch.state == "stalled":
            return "no_signal"
        return "frozen" if self._watch.state == "frozen" else "live"


def _looks_different(screen: ScreenState, before: ScreenState) -> bool:
    return (
        screen.frame is not before.frame
        or screen.overlay is not before.overlay
        or screen.result is not before.result
        or screen.overlay_state != before.overlay_state
        or screen.source_state != before.source_state
        or screen.guidance_state != before.guidance_state
        or screen.engine_up != before.engine_up
        or screen.banner != before.banner
        or screen.paused != before.paused
        or screen.can_undo_reject != before.can_undo_reject
        or screen.every_frame != before.every_frame
        or (screen.overlays_per_s is None) != (before.overlays_per_s is None)
    )
