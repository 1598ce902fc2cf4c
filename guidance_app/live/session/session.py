"""One live or replayed run, from its source to what the window draws; knows no Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from calibration.errors import GuidanceError
from engines.angiography.frame import Frame
from engines.inference.machine import this_machine
from engines.registration.registration import Registration
from guidance_app.live import guidance_state
from guidance_app.live.engine.engine_process import ColdStartDone, EngineRecipe, StepDone
from guidance_app.live.guidance import ScreenState, SourceState
from guidance_app.live.guidance_state import Situation
from guidance_app.live.latency import LatencyBook, LatencyReport
from guidance_app.live.run_log import Event, EventKind, EventLog, FrameLog
from guidance_app.live.session.kept_guidance import GuidanceKeeper
from guidance_app.live.session.late_pose import LatePose
from guidance_app.live.session.overlay_rule import OverlayDecision, OverlayLimits
from guidance_app.live.session.publisher import Publisher
from guidance_app.live.session.screen_book import ScreenBook
from guidance_app.live.session.source_reader import SourceReader
from guidance_app.live.session.source_watch import SignalChange, SignalState, SourceWatch
from guidance_app.live.supervision.supervisor import EngineNews
from guidance_app.live.witness import RunWitness
from guidance_app.sources.source import (
    Acknowledged,
    CorruptFrame,
    FrameSource,
    Notice,
    Notifies,
    Playback,
    Publishes,
    Recorded,
    SkippedFrame,
)

_EVENT_OF: dict[SignalState, EventKind] = {
    "stalled": "source_stalled",
    "frozen": "source_frozen",
    "flowing": "source_resumed",
}
_ENGINE_FIRST_S = 20.0  # a recording waits this long for the engine to load; a live picture never waits
_REST_FIRST_S = 10.0
_LAST_ANSWER_S = 15.0  # after the end of a recording: a cold start may still be running


class LiveSession:
    """Owns the source thread, the engine process and the logs of one run.

    The window calls `screen()` from its 16 ms timer and `painted()` once it has drawn that state; both return at once.
    Everything else may be called from any thread.

    Args:
        recipe: how the engine process makes its pipeline; None shows pictures without guidance.
        initial: where guidance begins, for a known pose.
        late_pose: the same for a source whose geometry is known only from its pictures.
        out: folder for `frames.jsonl`, `events.jsonl` and `latency.json`; None keeps nothing.
        paced_fps: for `latency.json`; None for an unpaced source.
        run_for_s: end the run by itself this long after the first frame could come.
        witnesses: told of everything that happens, as a recorder is.
        wall_clock_ns: stamps the events, and nothing else: it may jump.
    """

    def __init__(
        self,
        *,
        source: FrameSource,
        recipe: EngineRecipe | None,
        initial: Situation | None = None,
        late_pose: LatePose | None = None,
        out: Path | None = None,
        paced_fps: float | None = None,
        limits: OverlayLimits | None = None,
        run_for_s: float | None = None,
        spare_engine: bool = True,
        witnesses: Sequence[RunWitness] = (),
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._source = source
        self._witnesses = tuple(witnesses)
        self._playback = source if isinstance(source, Playback) else None
        self._recorded = source if isinstance(source, Recorded) else None
        self._acknowledged = source if isinstance(source, Acknowledged) else None
        self._publisher = Publisher(source) if isinstance(source, Publishes) else None
        self._out = out
        self._paced_fps = paced_fps
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._engine_settled = threading.Event()  # up, or never going to be
        self._events = EventLog(
            None if out is None else out / "events.jsonl", heard=self._tell_event, clock_ns=wall_clock_ns
        )
        self._frames = FrameLog(None if out is None else out / "frames.jsonl")
        self._book = ScreenBook(self._frames, self._events)
        self._guidance = GuidanceKeeper(
            recipe=recipe,
            initial=initial or Situation(),
            limits=limits or OverlayLimits(),
            events=self._events,
            latency=self._book.latency,
            hear=self._heard,
            settled=self._engine_settled.set,
            spare_engine=spare_engine,
        )
        self._late_pose = late_pose
        self._watch = SourceWatch()
        self._frame: Frame | None = None
        self._screen: ScreenState | None = None
        self._painted: ScreenState | None = None
        self._source_error = ""
        self._ended_ns: int | None = None
        self._reader = SourceReader(source, self, wait=self._wait_for_guidance, run_for_s=run_for_s)

    # Begin and end --------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the engine process and the source thread."""
        for witness in self._witnesses:
            witness.begin(self._witness_fault)
        if isinstance(self._source, Notifies):
            self._source.on_notice(self._noticed)
        self._guidance.start()
        self._reader.start()

    def stop(self) -> None:
        """End in order, twice is harmless: source closed, processes and threads gone, files written."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._engine_settled.set()
        self._reader.stop()
        self._guidance.stop()
        with self._lock:
            self._book.close_frame(time.monotonic_ns())
        for witness in self._witnesses:
            witness.end()
        with self._lock:
            self._frames.close()
            self._events.close()
            if self._out is not None and self._reader.began_ns:
                self.report().write(self._out / "latency.json")

    def __enter__(self) -> LiveSession:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The window -----------------------------------------------------------------------------------------------------
    def screen(self) -> ScreenState:
        """What to draw now. The very same object comes back while nothing has changed."""
        with self._lock:
            now_ns = time.monotonic_ns()
            if self._acknowledged is None:
                self._book.tick(now_ns)
            self._look_for_silence(now_ns)
            decision = self._decide(now_ns)
            if self._publisher is not None:
                self._publisher.tell(self._guidance.situation, self._frame)
            screen = self._compose(decision, now_ns)
            if self._screen is None or _looks_different(screen, self._screen):
                self._screen = screen
            return self._screen

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        """This state is on the screen since `painted_ns` (`time.monotonic_ns`)."""
        if screen.frame is None:
            return
        with self._lock:
            self._book.painted(screen, painted_ns, self._guidance.received_ns)
            self._painted = screen
            for witness in self._witnesses:
                witness.painted(screen, painted_ns)
            self._acknowledge()

    @property
    def finished(self) -> bool:
        """The source has ended, its last frame has been painted and guidance has had its say on it."""
        with self._lock:
            if self._ended_ns is None:
                return False
            if self._frame is None:
                return True
            if not self._book.was_painted(self._frame.index):
                return False
            overdue = time.monotonic_ns() - self._ended_ns > _LAST_ANSWER_S * 1e9
            return self._guidance.is_done_with(self._frame.index) or overdue

    @property
    def registration(self) -> Registration | None:
        """The pose in use, whatever its state."""
        with self._lock:
            return self._guidance.situation.registration

    @property
    def latency(self) -> LatencyBook:
        """Every duration that is behind `report`; to be read once the session has been stopped."""
        return self._book.latency

    @property
    def engine_description(self) -> str:
        """Network and runtime of the engine that answered last; "" before the first."""
        with self._lock:
            return self._guidance.engine_description

    @property
    def at_rest(self) -> bool:
        """No engine process is being loaded."""
        return self._guidance.at_rest

    @property
    def engine_pid(self) -> int | None:
        """Process number of the engine that answers now; None without one."""
        with self._lock:
            return self._guidance.engine_pid

    @property
    def source_error(self) -> str:
        """Why the source ended before its time; "" when it did not."""
        return self._source_error

    def report(self) -> LatencyReport:
        """Counts and percentiles; complete once the session has been stopped."""
        counts = self._frames.counts
        ended_ns = self._ended_ns or time.monotonic_ns()
        return LatencyReport(
            machine=this_machine(),
            source=self._source.source_id,
            paced_fps=self._paced_fps,
            seconds=round((ended_ns - self._reader.began_ns) / 1e9, 3),
            frames=sum(counts.values()),
            painted=counts["painted"],
            superseded=counts["superseded"],
            dropped=counts["dropped"],
            corrupt=counts["corrupt"],
            max_overlay_age_ms=self._book.latency.overlay_age.percentiles().max,
            stages_ms=self._book.latency.percentiles(),
            overlay_age_ms=self._book.latency.overlay_age.percentiles(),
            jitter_ms=self._book.latency.jitter.percentiles(),
            tick_ms=self._book.latency.tick.percentiles() if self._book.latency.tick.count else None,
        )

    @property
    def summary(self) -> str:
        """One line on how the run went."""
        counts = self._frames.counts
        shown = ", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "painted")
        lost = f"; {self._frames.lost_lines} lines of frames.jsonl lost" if self._frames.lost_lines else ""
        return f"{sum(counts.values())} frames: {shown}; guidance {self._guidance.situation.state}{lost}"

    @property
    def events(self) -> tuple[Event, ...]:
        """The newest events, oldest first."""
        return self._events.newest()

    @property
    def newest_event(self) -> Event | None:
        """The very same object until another one comes."""
        return self._events.last

    # What a person does ---------------------------------------------------------------------------------------------
    def request_registration(self) -> None:
        """Register anew on the next frame that shows enough vessel."""
        with self._lock:
            self._tell_action("request_registration")
            self._guidance.move(guidance_state.person_asks)

    def accept(self) -> None:
        """Accept a proposed registration; without one, nothing happens."""
        with self._lock:
            self._tell_action("accept")
            self._guidance.move(guidance_state.person_accepts)

    def reject(self) -> None:
        """Take the registration away; a new one comes only when asked for."""
        with self._lock:
            self._tell_action("reject")
            self._guidance.move(guidance_state.person_rejects)

    # Playback of a recording; a live source ignores them ------------------------------------------------------------
    def pause(self) -> None:
        if self._playback is not None:
            self._tell_action("pause")
            self._playback.pause()

    def resume(self) -> None:
        if self._playback is not None:
            self._tell_action("resume")
            self._playback.resume()

    def step(self, frames: int) -> None:
        """Pause and go this many frames on (or back)."""
        if self._playback is not None:
            self._tell_action("step", frames)
            self._playback.step(frames)

    def seek(self, source_frame: int) -> None:
        if self._playback is not None:
            self._tell_action("seek", source_frame)
            self._playback.seek(source_frame)

    # The source's thread --------------------------------------------------------------------------------------------
    def _wait_for_guidance(self) -> None:
        """A cine lasts a second: it must not be over while the engine, or its spare, is being loaded."""
        if self._recorded is None:
            return
        self._engine_settled.wait(_ENGINE_FIRST_S)
        until_ns = time.monotonic_ns() + int(_REST_FIRST_S * 1e9)
        while not self._guidance.at_rest and time.monotonic_ns() < until_ns and not self._stopping.wait(0.05):
            pass

    def arrived(self, frame: Frame) -> None:
        """Called by the source's reader, as the next four are."""
        with self._lock:
            self._frames.arrived(frame)
            for witness in self._witnesses:
                witness.frame(frame)
            if self._frame is not None and not self._handed_out(self._frame):
                self._frames.superseded(self._frame.index)
            self._frame = frame
            self._book.arrived(frame)
            self._signal(self._watch.frame(frame, frame.received_ns))
            if self._late_pose is not None:
                self._begin_late(self._late_pose, frame)
            self._guidance.arrived(frame)

    def corrupt(self, error: CorruptFrame) -> None:
        with self._lock:
            self._frames.corrupt(error)
            for witness in self._witnesses:
                witness.corrupt(error)
        self._events.add("frame_corrupt", str(error), frame=error.index)

    def skipped(self, skipped: SkippedFrame) -> None:
        with self._lock:
            self._frames.skipped(skipped)

    def silent(self) -> None:
        with self._lock:
            self._look_for_silence(time.monotonic_ns())

    def ended(self, error: str) -> None:
        with self._lock:
            self._source_error = error
            self._ended_ns = time.monotonic_ns()

    def _begin_late(self, pose: LatePose, frame: Frame) -> None:
        try:
            situation = pose.situation(frame)
        except GuidanceError as error:
            self._late_pose = None
            self._events.add("registration_rejected", str(error), frame=frame.index)
            return
        if situation is not None:
            self._late_pose = None
            self._guidance.begin(situation)

    def _handed_out(self, frame: Frame) -> bool:
        """The window has it: it may be painting this very moment."""
        return self._screen is not None and self._screen.frame is frame

    def _look_for_silence(self, now_ns: int) -> None:
        """Asked by the window too: a source that hangs in its driver would never tell the reading thread."""
        if self._ended_ns is None:
            self._signal(self._watch.silence(now_ns, paused=self._stands_still_on_purpose()))

    def _signal(self, change: SignalChange | None) -> None:
        if change is None:
            return
        self._events.add(_EVENT_OF[change.state], change.text, frame=None if self._frame is None else self._frame.index)

    def _noticed(self, notice: Notice) -> None:
        self._events.add(notice.kind, notice.text, frame=None if self._frame is None else self._frame.index)

    # The supervisor's thread ----------------------------------------------------------------------------------------
    def _heard(self, news: EngineNews) -> None:
        with self._lock:
            self._guidance.heard(news)
            self._tell_news(news)
            self._acknowledge()

    # Witnesses ------------------------------------------------------------------------------------------------------
    def _tell_news(self, news: EngineNews) -> None:
        for witness in self._witnesses:
            if isinstance(news, StepDone):
                used = self._guidance.result is news.result
                witness.guided(news.result, news.situation.registration, used=used)
            elif isinstance(news, ColdStartDone):
                witness.registered(news.registration, None if self._frame is None else self._frame.index)

    def _tell_event(self, event: Event) -> None:
        for witness in self._witnesses:
            witness.event(event)

    def _tell_action(self, name: str, value: int | None = None) -> None:
        for witness in self._witnesses:
            witness.action(name, value)

    def _witness_fault(self, text: str) -> None:
        self._events.add("recorder_full", text, frame=None if self._frame is None else self._frame.index)

    # Inside ---------------------------------------------------------------------------------------------------------
    def _acknowledge(self) -> None:
        """Call for the next frame of an unpaced recording once all that guidance said of this one was on the screen."""
        if self._acknowledged is None or self._frame is None or self._painted is None:
            return
        shown = self._painted.frame is self._frame and self._painted.result is self._guidance.result
        if shown and self._guidance.is_done_with(self._frame.index):
            self._acknowledged.acknowledge(self._frame.index)

    def _stands_still_on_purpose(self) -> bool:
        return self._acknowledged is not None or (self._playback is not None and self._playback.paused)

    def _decide(self, now_ns: int) -> OverlayDecision:
        if self._frame is None:
            return OverlayDecision(
                state="hidden", overlay=None, age_ms=None, reason=f"no picture yet from {self._source.source_id}"
            )
        return self._guidance.decide(self._frame, self._watch.fault(now_ns))

    def _compose(self, decision: OverlayDecision, now_ns: int) -> ScreenState:
        return ScreenState(
            frame=self._frame,
            result=self._guidance.result,
            overlay=decision.overlay,
            overlay_state=decision.state,
            overlay_age_ms=decision.age_ms,
            source_state=self._source_state(),
            guidance_state=self._guidance.situation.state,
            engine_up=self._guidance.engine_up,
            engine_loading=self._guidance.engine_loading,
            banner=self._banner(decision.reason),
            frames_total=None if self._recorded is None else self._recorded.frame_count,
            fps=self._book.fps(),
            p95_ms=self._book.latency.recent_p95_ms,
            paused=self._playback is not None and self._playback.paused,
            decided_ns=now_ns,
        )

    def _banner(self, overlay_reason: str) -> str:
        waits = self._frame is None and self._recorded is not None and self._guidance.engine_loading
        engine = "the run begins once the guidance engine has loaded" if waits else self._guidance.engine_text
        trouble = self._source_error or engine or overlay_reason
        besides = (self._guidance.degraded, *(witness.fault for witness in self._witnesses))
        return "; ".join(text for text in (trouble, *besides) if text)

    def _source_state(self) -> SourceState:
        if self._frame is None or self._watch.state == "stalled":
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
