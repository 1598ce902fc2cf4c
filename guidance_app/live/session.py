"""One live or replayed run, from its source to what the window draws; knows no Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from engines.angiography.frame import Frame
from engines.evaluation.machine import this_machine
from engines.registration.registration import Registration
from guidance_app.live import guidance_state
from guidance_app.live.engine_process import ColdStartDone, ColdStartFailed, EngineRecipe, StepDone, StepFailed
from guidance_app.live.guidance import GuidanceResult, ScreenState, SourceState
from guidance_app.live.guidance_state import Situation
from guidance_app.live.latency import LatencyReport
from guidance_app.live.overlay_rule import ComputedOverlay, OverlayDecision, OverlayLimits, decide_overlay
from guidance_app.live.run_log import Event, EventLog, FrameLog
from guidance_app.live.screen_book import ScreenBook
from guidance_app.live.source_watch import SignalChange, SourceWatch
from guidance_app.live.supervisor import EngineLost, EngineNews, EngineUp, Supervisor
from guidance_app.sources.source import (
    Acknowledged,
    CorruptFrame,
    FrameSource,
    Playback,
    Recorded,
    SourceClosed,
    SourceTimeout,
)

_READ_TIMEOUT_S = 0.1
_ENGINE_FIRST_S = 20.0  # a recording waits this long for the engine to load; a live picture never waits
_LAST_ANSWER_S = 15.0  # after the end of a recording: a cold start may still be running


class LiveSession:
    """Owns the source thread, the engine process and the logs of one run.

    The window calls `screen()` from its 16 ms timer and `painted()` once it has drawn that state; both return at once.
    Everything else may be called from any thread.

    Args:
        recipe: how the engine process makes its pipeline; None shows pictures without guidance.
        initial: where guidance begins, for a known pose.
        out: folder for `frames.jsonl`, `events.jsonl` and `latency.json`; None keeps nothing.
        paced_fps: for `latency.json`; None for an unpaced source.
        run_for_s: end the run by itself this long after the first frame could come.
    """

    def __init__(
        self,
        *,
        source: FrameSource,
        recipe: EngineRecipe | None,
        initial: Situation | None = None,
        out: Path | None = None,
        paced_fps: float | None = None,
        limits: OverlayLimits | None = None,
        run_for_s: float | None = None,
        spare_engine: bool = True,
    ) -> None:
        self._source = source
        self._playback = source if isinstance(source, Playback) else None
        self._recorded = source if isinstance(source, Recorded) else None
        self._acknowledged = source if isinstance(source, Acknowledged) else None
        self._out = out
        self._paced_fps = paced_fps
        self._run_for_s = run_for_s
        self._limits = limits or OverlayLimits()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._situation = initial or Situation()
        self._supervisor = (
            None
            if recipe is None
            else Supervisor(recipe, tell=self._heard, situation=lambda: self._situation, spare=spare_engine)
        )
        self._engine_up = False
        self._engine_text = "guidance engine is loading" if recipe is not None else "guidance is off"
        self._engine_settled = threading.Event()  # up, or never going to be
        self._events = EventLog(None if out is None else out / "events.jsonl")
        self._frames = FrameLog(None if out is None else out / "frames.jsonl")
        self._book = ScreenBook(self._frames, self._events)
        self._watch = SourceWatch()
        self._frame: Frame | None = None
        self._result: GuidanceResult | None = None
        self._computed: ComputedOverlay | None = None
        self._received_ns: dict[int, int] = {}
        self._answered = -1
        self._screen: ScreenState | None = None
        self._decision: OverlayDecision | None = None
        self._geometry_was_missing = False
        self._source_error = ""
        self._ended_ns: int | None = None
        self._began_ns = 0
        self._reader = threading.Thread(target=self._read, name="guidance-source", daemon=True)

    # Begin and end --------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the engine process and the source thread."""
        if self._supervisor is not None:
            self._supervisor.start()
        else:
            self._engine_settled.set()
        self._reader.start()

    def stop(self) -> None:
        """End in order, twice is harmless: source closed, processes and threads gone, files written."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._engine_settled.set()
        self._source.close()
        if self._reader.ident is not None:
            self._reader.join()
        if self._supervisor is not None:
            self._supervisor.stop()
        with self._lock:
            self._book.close_frame()
            self._frames.close()
            self._events.close()
            if self._out is not None and self._began_ns:
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
            self._book.tick(now_ns)
            decision = self._decide()
            screen = self._compose(decision, now_ns)
            if self._screen is None or _looks_different(screen, self._screen):
                self._screen, self._decision = screen, decision
            return self._screen

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        """This state is on the screen since `painted_ns` (`time.monotonic_ns`)."""
        if screen.frame is None:
            return
        with self._lock:
            self._book.painted(screen, painted_ns, self._received_ns)
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
            return self._guidance_is_done(self._frame.index) or overdue

    @property
    def registration(self) -> Registration | None:
        """The pose in use, whatever its state."""
        with self._lock:
            return self._situation.registration

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
            seconds=round((ended_ns - self._began_ns) / 1e9, 3),
            frames=sum(counts.values()),
            painted=counts["painted"],
            superseded=counts["superseded"],
            dropped=counts["dropped"],
            corrupt=counts["corrupt"],
            max_overlay_age_ms=self._book.latency.max_overlay_age_ms,
            stages_ms=self._book.latency.percentiles(),
        )

    @property
    def summary(self) -> str:
        """One line on how the run went."""
        counts = self._frames.counts
        shown = ", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "painted")
        return f"{sum(counts.values())} frames: {shown}; guidance {self._situation.state}"

    @property
    def events(self) -> tuple[Event, ...]:
        """The newest events, oldest first."""
        return self._events.newest()

    # What a person does ---------------------------------------------------------------------------------------------
    def request_registration(self) -> None:
        """Register anew on the next frame that shows enough vessel."""
        self._move(guidance_state.person_asks)

    def accept(self) -> None:
        """Accept a proposed registration; without one, nothing happens."""
        self._move(guidance_state.person_accepts)

    def reject(self) -> None:
        """Take the registration away; a new one comes only when asked for."""
        self._move(guidance_state.person_rejects)

    # Playback of a recording; a live source ignores them ------------------------------------------------------------
    def pause(self) -> None:
        if self._playback is not None:
            self._playback.pause()

    def resume(self) -> None:
        if self._playback is not None:
            self._playback.resume()

    def step(self, frames: int) -> None:
        """Pause and go this many frames on (or back)."""
        if self._playback is not None:
            self._playback.step(frames)

    def seek(self, source_frame: int) -> None:
        if self._playback is not None:
            self._playback.seek(source_frame)

    # The source thread ----------------------------------------------------------------------------------------------
    def _read(self) -> None:
        if self._recorded is not None:
            self._engine_settled.wait(_ENGINE_FIRST_S)
        self._began_ns = time.monotonic_ns()
        while not self._stopping.is_set() and not self._time_is_up():
            try:
                frame = self._source.next_frame(_READ_TIMEOUT_S)
            except SourceTimeout:
                self._signal(self._watch.silence(time.monotonic_ns(), paused=self._stands_still_on_purpose()))
            except CorruptFrame as error:
                with self._lock:
                    self._frames.corrupt(error)
                self._events.add("frame_corrupt", str(error), frame=error.index)
            except SourceClosed:
                break
            except Exception as error:
                self._source_error = " ".join(f"{self._source.source_id}: {type(error).__name__}: {error}".split())
                break
            else:
                self._arrived(frame)
        with self._lock:
            self._ended_ns = time.monotonic_ns()

    def _time_is_up(self) -> bool:
        limit_s = self._run_for_s
        return limit_s is not None and time.monotonic_ns() - self._began_ns > limit_s * 1e9

    def _arrived(self, frame: Frame) -> None:
        with self._lock:
            self._frames.arrived(frame)
            if self._frame is not None and not self._handed_out(self._frame):
                self._frames.superseded(self._frame.index)
            self._frame = frame
            self._received_ns[frame.index] = frame.received_ns
            self._received_ns.pop(frame.index - 256, None)
            self._book.arrived(frame)
            self._note_geometry(frame)
            self._signal(self._watch.frame(frame, frame.received_ns))
        if self._supervisor is not None:
            self._supervisor.offer(frame)

    def _handed_out(self, frame: Frame) -> bool:
        """The window has it: it may be painting this very moment."""
        return self._screen is not None and self._screen.frame is frame

    def _note_geometry(self, frame: Frame) -> None:
        before = self._situation
        self._situation = guidance_state.saw_geometry(before, frame.geometry)
        if frame.geometry is None and not self._geometry_was_missing:
            self._events.add("geometry_missing", frame.geometry_reason or "not stated", frame=frame.index)
        elif before.geometry is not None and self._situation.geometry is not before.geometry:
            self._events.add("geometry_changed", self._situation.reason or "the view changed", frame=frame.index)
        self._geometry_was_missing = frame.geometry is None

    def _signal(self, change: SignalChange | None) -> None:
        if change is None:
            return
        kind = {"stalled": "source_stalled", "frozen": "source_frozen", "flowing": "source_resumed"}[change.state]
        self._events.add(kind, change.text, frame=None if self._frame is None else self._frame.index)  # type: ignore[arg-type]

    # The supervisor's thread ----------------------------------------------------------------------------------------
    def _heard(self, news: EngineNews) -> None:
        with self._lock:
            index = None if self._frame is None else self._frame.index
            match news:
                case EngineUp():
                    self._engine_up, self._engine_text = True, ""
                    if news.restarted:
                        self._events.add("worker_restarted", f"engine process {news.pid} answers", frame=index)
                    self._offer_again()
                    self._engine_settled.set()
                case EngineLost():
                    self._lost(news, index)
                case StepDone():
                    self._answered_by_engine(news)
                case StepFailed():
                    self._answered = max(self._answered, news.frame_index)
                    self._engine_text = f"guidance failed on a frame: {news.text}"
                case ColdStartDone():
                    self._registered(news)
                case ColdStartFailed():
                    self._situation = guidance_state.registration_failed(self._situation, news.text, news.generation)
            self._acknowledge()

    def _lost(self, news: EngineLost, index: int | None) -> None:
        self._engine_up = False
        self._engine_text = f"guidance is off: {news.text}" if news.for_good else f"guidance restarts: {news.text}"
        self._situation = guidance_state.engine_lost(self._situation)
        self._computed = None
        self._events.add("worker_died", news.text, frame=index)
        if news.for_good:
            self._engine_settled.set()

    def _answered_by_engine(self, done: StepDone) -> None:
        self._answered = max(self._answered, done.result.frame_index)
        self._engine_text = ""
        times = done.result.times
        self._book.latency.add("segment", times.segment)
        self._book.latency.add("track", times.track)
        self._book.latency.add("render", times.render)
        if done.asked_at != self._situation.generation:
            return  # the view, the person or the engine has moved on meanwhile
        self._situation, self._result = done.situation, done.result
        received_ns = self._received_ns.get(done.result.frame_index)
        if done.result.overlay is not None and received_ns is not None:
            self._computed = ComputedOverlay(overlay=done.result.overlay, frame_received_ns=received_ns)

    def _registered(self, done: ColdStartDone) -> None:
        found = done.registration
        before = self._situation
        self._situation = guidance_state.registration_finished(before, found, done.geometry, done.generation)
        if self._situation is before:
            return
        index = None if self._frame is None else self._frame.index
        text = f"{found.status}, confidence {found.confidence:.2f}, expected error {found.expected_error_mm:.1f} mm"
        accepted = self._situation.state == "accepted"
        if accepted or found.status == "rejected":
            self._events.add("registration_accepted" if accepted else "registration_rejected", text, frame=index)
        self._offer_again()

    def _offer_again(self) -> None:
        """The frame on the screen deserves an answer even if no other follows (pause, end of the recording)."""
        if self._supervisor is not None and self._frame is not None:
            self._answered = min(self._answered, self._frame.index - 1)
            self._supervisor.offer(self._frame)

    # Inside ---------------------------------------------------------------------------------------------------------
    def _move(self, transition: Callable[[Situation], Situation]) -> None:
        with self._lock:
            before = self._situation
            self._situation = transition(before)
            index = None if self._frame is None else self._frame.index
            if before.state != self._situation.state == "accepted":
                self._events.add("registration_accepted", "accepted by the user", frame=index)
            if before.state != self._situation.state == "rejected":
                self._events.add("registration_rejected", "rejected by the user", frame=index)
            self._offer_again()

    def _acknowledge(self) -> None:
        if self._acknowledged is not None and self._frame is not None:
            index = self._frame.index
            if self._book.was_painted(index) and self._guidance_is_done(index):
                self._acknowledged.acknowledge(index)

    def _stands_still_on_purpose(self) -> bool:
        return self._acknowledged is not None or (self._playback is not None and self._playback.paused)

    def _guidance_is_done(self, index: int) -> bool:
        if self._supervisor is None or (not self._engine_up and self._engine_settled.is_set()):
            return self._supervisor is None or self._engine_text.startswith("guidance is off")
        return self._answered >= index and not self._situation.registering

    def _decide(self) -> OverlayDecision:
        if self._frame is None:
            return OverlayDecision(state="hidden", overlay=None, age_ms=None, reason="no picture yet")
        fault = {"stalled": "no new picture from the source", "frozen": "the picture stands still"}
        return decide_overlay(
            self._frame,
            self._computed,
            self._situation,
            engine_up=self._engine_up,
            picture_fault=fault.get(self._watch.state, ""),
            limits=self._limits,
        )

    def _compose(self, decision: OverlayDecision, now_ns: int) -> ScreenState:
        return ScreenState(
            frame=self._frame,
            result=self._result,
            overlay=decision.overlay,
            overlay_state=decision.state,
            overlay_age_ms=decision.age_ms,
            source_state=self._source_state(),
            guidance_state=self._situation.state,
            engine_up=self._engine_up,
            banner=self._source_error or self._engine_text or decision.reason,
            frames_total=None if self._recorded is None else self._recorded.frame_count,
            fps=self._book.fps(),
            p95_ms=self._book.latency.recent_p95_ms(),
            paused=self._playback is not None and self._playback.paused,
            decided_ns=now_ns,
        )

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
