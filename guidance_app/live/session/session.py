"""One live or replayed run, from its source to what the window draws; knows no Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engines.anatomy.cases.patient_hashes import PatientHashes
from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.guidance import ScreenState
from guidance_app.live.guidance_state import Situation, Weak
from guidance_app.live.latency import LatencyBook, LatencyReport, report_of
from guidance_app.live.run_log import Event, EventKind, EventLog, FrameLog, FrameState
from guidance_app.live.session.commands import Commands
from guidance_app.live.session.current_guidance import CurrentGuidance
from guidance_app.live.session.late_pose import LatePose
from guidance_app.live.session.overlay_rule import OverlayLimits
from guidance_app.live.session.publisher import Publisher
from guidance_app.live.session.screen_book import ScreenBook
from guidance_app.live.session.screen_composer import ScreenComposer
from guidance_app.live.session.source_reader import SourceReader
from guidance_app.live.session.source_watch import SignalChange, SignalState, SourceWatch
from guidance_app.live.session.witnesses import Witnesses
from guidance_app.live.supervision.shared_engine import SharedEngine
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
    WaitsForOverlay,
)

_EVENT_OF: dict[SignalState, EventKind] = {
    "stalled": "source_stalled",
    "frozen": "source_frozen",
    "flowing": "source_resumed",
}
_ENGINE_FIRST_S = 20.0  # a recording waits this long for the engine to load; a live picture never waits
_SPARE_FIRST_S = 1.0  # it is loaded beside the engine, and does the first search
_UNWATCHED_S = 0.5  # nothing was painted for so long: the window shows something else
_LAST_ANSWER_S = 15.0  # after the end of a recording: a cold start may still be running


class LiveSession:
    """Owns the source thread, the engine process and the logs of one run.

    The window calls `screen()` from its 16 ms timer and `painted()` once it has drawn that state; both return at once.
    Everything else may be called from any thread.

    Attributes:
        commands: what a person may do to the run.

    Args:
        recipe: how the engine process makes its pipeline; None shows pictures without guidance.
        initial: where guidance begins, for a known pose.
        patient: whose case it is; None where it cannot be told.
        late_pose: the same for a source whose geometry is known only from its pictures.
        out: folder for `frames.jsonl`, `events.jsonl` and `latency.json`; None keeps nothing.
        paced_fps: for `latency.json`; None for an unpaced source.
        engine: instead of a recipe: an engine that serves other runs of the case too, and outlives this one.
        first_at_once: a recording shows its first picture before the engine is up, and stands still until then.
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
        patient: PatientHashes | None = None,
        out: Path | None = None,
        paced_fps: float | None = None,
        limits: OverlayLimits | None = None,
        run_for_s: float | None = None,
        spare_engine: bool = True,
        engine: SharedEngine | None = None,
        first_at_once: bool = False,
        witnesses: Sequence[RunWitness] = (),
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._source = source
        self._witnesses = Witnesses(witnesses)
        self._playback = source if isinstance(source, Playback) else None
        self._recorded = source if isinstance(source, Recorded) else None
        self._acknowledged = source if isinstance(source, Acknowledged) else None
        self._waits = source if isinstance(source, WaitsForOverlay) else None
        self._publisher = Publisher(source) if isinstance(source, Publishes) else None
        self._out = out
        self._paced_fps = paced_fps
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._engine_settled = threading.Event()  # up, or never going to be
        self._person_plays = threading.Event()
        self._events = EventLog(
            None if out is None else out / "events.jsonl", heard=self._witnesses.event, clock_ns=wall_clock_ns
        )
        self._frames = FrameLog(None if out is None else out / "frames.jsonl")
        self._book = ScreenBook(self._frames, self._events)
        self._guidance = CurrentGuidance(
            recipe=recipe,
            initial=initial or Situation(),
            late_pose=late_pose,
            patient=patient,
            limits=limits or OverlayLimits(),
            events=self._events,
            latency=self._book.latency,
            hear=self._heard,
            settled=self._engine_settled.set,
            spare_engine=spare_engine,
            engine=engine,
        )
        self._first_at_once = first_at_once and self._recorded is not None
        self._held = self._first_at_once  # stands on its first picture until guidance is up, or a person plays
        self.commands = Commands(
            self._guidance,
            self._playback,
            self._witnesses,
            self._lock,
            moved=self._person_plays.set,
            waits=self._waits,
        )
        self._watch = SourceWatch()
        self._composer = ScreenComposer(
            source, guidance=self._guidance, watch=self._watch, book=self._book, witnesses=self._witnesses,
            held=lambda: self._held,
        )  # fmt: skip
        self._frame: Frame | None = None
        self._painted: ScreenState | None = None
        self._painted_ns = 0
        self._source_error = ""
        self._ended_ns: int | None = None
        self._reader = SourceReader(
            source, self, wait=self._wait_for_guidance, run_for_s=run_for_s, first_at_once=self._first_at_once
        )

    # Begin and end --------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the engine process and the source thread."""
        self._witnesses.begin(self._tell_of_witness)
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
        self._witnesses.end()
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
            if self._waits is not None and now_ns - self._painted_ns > _UNWATCHED_S * 1e9:
                self._tell_waiting_source(now_ns)
            if self._publisher is not None:
                self._publisher.tell(self._guidance.situation, self._frame)
            return self._composer.compose(self._frame, self._source_error, now_ns)

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        """This state is on the screen since `painted_ns` (`time.monotonic_ns`)."""
        if screen.frame is None:
            return
        with self._lock:
            self._book.painted(screen, painted_ns, self._guidance.received_ns)
            self._painted, self._painted_ns = screen, painted_ns
            self._witnesses.painted(screen, painted_ns)
            self._acknowledge()
            self._tell_waiting_source(painted_ns)

    def add_witness(self, witness: RunWitness) -> None:
        """Tell it of everything from now on, beginning with the picture on the screen and what guidance says of it."""
        with self._lock:
            if self._stopping.is_set():
                return
            witness.begin(self._tell_of_witness)
            if self._frame is not None:
                witness.frame(self._frame)
                result = self._guidance.result
                if result is not None and result.frame_index == self._frame.index:
                    witness.guided(result, self._guidance.situation.registration, used=True)
            if self._painted is not None and self._painted.frame is self._frame:
                witness.painted(self._painted, self._painted_ns)
            self._witnesses.add(witness)

    def remove_witness(self, witness: RunWitness) -> None:
        """Tell it no more, and wait until it has ended; twice is harmless."""
        with self._lock:
            self._witnesses.remove(witness)
        witness.end()

    @property
    def finished(self) -> bool:
        """The source has ended, its last frame has been painted and guidance has answered for it."""
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
    def out(self) -> Path | None:
        """Where the run leaves its files; None where it leaves none."""
        return self._out

    @property
    def weak(self) -> Weak | None:
        """What the last search found and thought too weak: for judging alone."""
        with self._lock:
            return self._guidance.situation.weak

    @property
    def situation(self) -> Situation:
        """Where guidance stands: what the next run of this patient may begin with (`guidance_state.carried_on`)."""
        with self._lock:
            return self._guidance.situation

    @property
    def latency(self) -> LatencyBook:
        """Every duration that is behind `report`; to be read once the session has been stopped."""
        return self._book.latency

    @property
    def frame_counts(self) -> dict[FrameState, int]:
        """Frames so far, by what became of them; to be read at any time."""
        return dict(self._frames.counts)

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
        ended_ns = self._ended_ns or time.monotonic_ns()
        return report_of(
            self._book.latency,
            self._frames.counts,
            source=self._source.source_id,
            paced_fps=self._paced_fps,
            seconds=(ended_ns - self._reader.began_ns) / 1e9,
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

    # The source's thread --------------------------------------------------------------------------------------------
    def _wait_for_guidance(self) -> None:
        """A cine lasts a second: it must not be over while the engine, or its spare, is being loaded."""
        if self._recorded is None:
            return
        if self._first_at_once:
            self._stand_on_first_picture()
            return
        self._engine_settled.wait(_ENGINE_FIRST_S)
        until_ns = time.monotonic_ns() + int(_SPARE_FIRST_S * 1e9)
        while not self._guidance.loaded and time.monotonic_ns() < until_ns and not self._stopping.wait(0.05):
            pass

    def _stand_on_first_picture(self) -> None:
        until_ns = time.monotonic_ns() + int(_ENGINE_FIRST_S * 1e9)
        while not (self._engine_settled.is_set() or self._person_plays.is_set() or self._stopping.is_set()):
            if time.monotonic_ns() > until_ns:
                break
            self._engine_settled.wait(0.02)
        with self._lock:
            self._held = False

    def arrived(self, frame: Frame) -> None:
        """The source's reader calls this method and the next four."""
        with self._lock:
            self._frames.arrived(frame)
            self._witnesses.frame(frame)
            if self._frame is not None and not self._composer.was_given(self._frame):
                self._frames.superseded(self._frame.index)
            self._frame = frame
            self._book.arrived(frame)
            self._signal(self._watch.frame(frame, frame.received_ns))
            self._guidance.arrived(frame)

    def corrupt(self, error: CorruptFrame) -> None:
        with self._lock:
            self._frames.corrupt(error)
            self._witnesses.corrupt(error)
            if self._waits is not None:
                self._waits.answered(error.index)  # nobody can show it
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

    def _look_for_silence(self, now_ns: int) -> None:
        """The window asks too: a source that hangs in its driver keeps the reading thread from noticing."""
        if self._ended_ns is None:
            self._signal(self._watch.silence(now_ns, paused=self._stands_still_on_purpose()))

    def _signal(self, change: SignalChange | None) -> None:
        if change is None:
            return
        self._events.add(_EVENT_OF[change.state], change.text, frame=self._index)

    def _noticed(self, notice: Notice) -> None:
        self._events.add(notice.kind, notice.text, frame=self._index)

    # The supervisor's thread ----------------------------------------------------------------------------------------
    def _heard(self, news: EngineNews) -> None:
        with self._lock:
            self._guidance.heard(news)
            self._witnesses.news(news, in_use=self._guidance.result, frame_index=self._index)
            self._acknowledge()
            self._tell_waiting_source(time.monotonic_ns())

    def _tell_of_witness(self, text: str) -> None:
        self._events.add("recorder_full", text, frame=self._index)

    # Inside ---------------------------------------------------------------------------------------------------------
    @property
    def _index(self) -> int | None:
        """Of the newest frame."""
        return None if self._frame is None else self._frame.index

    def _acknowledge(self) -> None:
        """Ask an unpaced recording for its next frame once all that guidance said of this one was on the screen."""
        if self._acknowledged is None or self._frame is None or self._painted is None:
            return
        shown = self._painted.frame is self._frame and self._painted.result is self._guidance.result
        if shown and self._guidance.is_done_with(self._frame.index):
            self._acknowledged.acknowledge(self._frame.index)

    def _tell_waiting_source(self, now_ns: int) -> None:
        """Let a recording go on once this frame's overlay was seen; where nobody watches, once it is known."""
        if self._waits is None or self._frame is None or not self._guidance.is_done_with(self._frame.index):
            return
        painted = self._painted
        seen = painted is not None and painted.frame is self._frame and painted.result is self._guidance.result
        if seen or now_ns - self._painted_ns > _UNWATCHED_S * 1e9:
            self._waits.answered(self._frame.index)

    def _stands_still_on_purpose(self) -> bool:
        """A recording stands where the machine or a person leaves it: its source cannot be lost."""
        return self._held or self._recorded is not None
