"""What the screen shows now, put together from the picture, the source and guidance."""

from __future__ import annotations

from collections.abc import Callable

from engines.angiography.frame import Frame
from guidance_app.live.guidance import ScreenState, SourceState
from guidance_app.live.session.current_guidance import CurrentGuidance
from guidance_app.live.session.overlay_rule import OverlayDecision
from guidance_app.live.session.screen_book import ScreenBook
from guidance_app.live.session.source_watch import SourceWatch
from guidance_app.live.session.witnesses import Witnesses
from guidance_app.sources.source import FrameSource, Playback, Recorded


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
            banner=self._banner(frame, source_error, decision.reason),
            frames_total=None if self._recorded is None else self._recorded.frame_count,
            fps=self._book.fps(),
            p95_ms=self._book.latency.recent_p95_ms,
            paused=self._held() or (self._playback is not None and self._playback.paused),
            decided_ns=now_ns,
        )

    def _decide(self, frame: Frame | None, now_ns: int) -> OverlayDecision:
        if frame is None:
            return OverlayDecision(
                state="hidden", overlay=None, age_ms=None, reason=f"no picture yet from {self._source_id}"
            )
        return self._guidance.decide(frame, self._watch.fault(now_ns))

    def _banner(self, frame: Frame | None, source_error: str, overlay_reason: str) -> str:
        engine = self._guidance.engine_text
        if self._guidance.engine_loading and self._recorded is not None and (frame is None or self._held()):
            engine = f"the run plays once the engine is ready; {engine}"
        trouble = source_error or engine or overlay_reason
        besides = (self._guidance.degraded, *self._witnesses.faults)
        return "; ".join(text for text in (trouble, *besides) if text)

    def _source_state(self, frame: Frame | None) -> SourceState:
        if frame is None or self._watch.state == "stalled":
            return "no_signal"
        if self._recorded is not None:
            return "replay"
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
    )
