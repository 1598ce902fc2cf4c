"""The screen process's side of guidance: what the engine last said, and what is still true of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from calibration.errors import GuidanceError
from calibration.pose import RigidPose
from engines.anatomy.cases.patient_hashes import PatientHashes, PatientMatch
from engines.angiography.frame import Frame
from engines.angiography.patient_mark import PatientMark
from guidance_app.live import guidance_state, hand_placed
from guidance_app.live.engine.engine_process import (
    ColdStartDone,
    ColdStartFailed,
    Degraded,
    EngineRecipe,
    StepDone,
    StepFailed,
)
from guidance_app.live.guidance import GuidanceResult
from guidance_app.live.guidance_state import Situation
from guidance_app.live.latency import LatencyBook
from guidance_app.live.manual_help import placed_registration
from guidance_app.live.run_log import EventLog
from guidance_app.live.session.late_pose import LatePose
from guidance_app.live.session.overlay_rule import ComputedOverlay, OverlayDecision, OverlayLimits, decide_overlay
from guidance_app.live.session.source_watch import PictureFault
from guidance_app.live.supervision.shared_engine import EngineLease, SharedEngine
from guidance_app.live.supervision.supervisor import (
    EngineLoads,
    EngineLost,
    EngineNews,
    EngineUp,
    MemoryShort,
    Supervisor,
)
from guidance_app.live.view_words import change_of_view

_REMEMBERED_ARRIVALS = 256


class CurrentGuidance:
    """Owns the situation and the newest overlay; the session's lock guards it.

    The situation lives here and not in the engine, so that an engine that dies takes nothing along.

    Args:
        recipe: how an engine of its own makes its pipeline; None leaves guidance off.
        engine: instead, one that serves other runs too.
        hear: called from the supervisor's thread; the owner takes its lock and hands on to `heard`.
        settled: called once the engine answers, or is known never to.
        patient: whose case it is; None where it cannot be told, and any run will do.
        late_pose: a known pose that waits for a picture with geometry.
    """

    def __init__(
        self,
        *,
        recipe: EngineRecipe | None,
        initial: Situation,
        limits: OverlayLimits,
        events: EventLog,
        latency: LatencyBook,
        hear: Callable[[EngineNews], None],
        settled: Callable[[], None],
        spare_engine: bool,
        engine: SharedEngine | None = None,
        late_pose: LatePose | None = None,
        patient: PatientHashes | None = None,
    ) -> None:
        self.situation = initial
        self.result: GuidanceResult | None = None
        self.engine_up = False
        self._off = recipe is None and engine is None
        self.engine_loading = not self._off
        self.engine_text = "guidance is off" if self._off else "guidance engine is loading: 1 of 3, its process"
        self.engine_pid: int | None = None
        self.engine_description = ""
        self.degraded = ""  # what the engine has to do without
        self.patient: PatientMatch = "untold"
        self._patient = patient
        self._mark: PatientMark | None = None
        self._mark_seen = False
        self._late_pose = late_pose
        self._limits = limits
        self._events = events
        self._latency = latency
        self._settled = settled
        self._supervisor: Supervisor | EngineLease | None = None
        if engine is not None:
            self._supervisor = engine.lease(tell=hear, situation=lambda: self.situation)
        elif recipe is not None:
            self._supervisor = Supervisor(recipe, tell=hear, situation=lambda: self.situation, spare=spare_engine)
        self._frame: Frame | None = None
        self._computed: ComputedOverlay | None = None
        self._received_ns: dict[int, int] = {}
        self._answered = -1
        self._geometry_was_missing = False

    def start(self) -> None:
        if self._supervisor is None:
            self._settled()
        else:
            self._supervisor.start()

    def stop(self) -> None:
        """Must not be called under the owner's lock: the supervisor may be reporting at this moment."""
        if self._supervisor is not None:
            self._supervisor.stop()

    # Frames ---------------------------------------------------------------------------------------------------------
    def arrived(self, frame: Frame) -> None:
        """Note the view, then let the engine have the frame."""
        if self._late_pose is not None:
            self._begin_late(self._late_pose, frame)
        self._frame = frame
        self._received_ns[frame.index] = frame.received_ns
        self._received_ns.pop(frame.index - _REMEMBERED_ARRIVALS, None)
        self._note_patient(frame)
        self._note_geometry(frame)
        if self._supervisor is not None:
            self._supervisor.offer(frame)

    def received_ns(self, index: int) -> int | None:
        return self._received_ns.get(index)

    def decide(self, frame: Frame, picture_fault: PictureFault | None) -> OverlayDecision:
        return decide_overlay(
            frame,
            self._computed,
            self.situation,
            engine_up=self.engine_up,
            picture_fault=picture_fault,
            limits=self._limits,
        )

    @property
    def loaded(self) -> bool:
        """Engine and spare are there, or never will be."""
        return self._off or self._supervisor is None or self._supervisor.loaded

    @property
    def at_rest(self) -> bool:
        """Nothing is being loaded, or never will be."""
        return self._off or self._supervisor is None or self._supervisor.at_rest

    def is_done_with(self, index: int) -> bool:
        """Guidance will say no more about this frame."""
        if self._off:
            return True
        return self.engine_up and self._answered >= index and not self.situation.registering

    def begin(self, situation: Situation) -> None:
        """Start over from a pose that is known only now; what the engine computes for the one before is dropped."""
        self._set(replace(situation, generation=self.situation.generation + 1))

    # A person -------------------------------------------------------------------------------------------------------
    def move(self, transition: Callable[[Situation], Situation]) -> None:
        before = self.situation.state
        self._set(transition(self.situation))
        if before != self.situation.state == "accepted":
            self._events.add("registration_accepted", "accepted by the user", frame=self._index)
        if before != self.situation.state == "rejected":
            self._events.add("registration_rejected", "rejected by the user", frame=self._index)
        self._ask_again()

    def place(self, pose: RigidPose, told: str) -> bool:
        """Propose a pose by a person's own hand on the newest picture; False where that shows no geometry."""
        frame, view = self._frame, self.situation.geometry
        if frame is None or frame.geometry is None or view is None:
            return False
        placed = placed_registration(pose, frame, frame.geometry, before=self.situation.registration)
        self._set(hand_placed.person_places(self.situation, placed))
        self._events.add("pose_by_hand", told, frame=self._index)
        self._ask_again()
        return True

    def withdraw(self, told: str) -> None:
        """Take back what was placed by hand."""
        if self.situation.by_hand:
            self._set(hand_placed.person_withdraws(self.situation))
            self._events.add("pose_by_hand_withdrawn", told, frame=self._index)
            self._ask_again()

    def declare_wire(self, told: str, *, inside: bool) -> None:
        self._set(hand_placed.person_declares_wire(self.situation, inside=inside))
        self._events.add("wire_declared", told, frame=self._index)
        self._ask_again()

    # The engine -----------------------------------------------------------------------------------------------------
    def heard(self, news: EngineNews) -> None:
        match news:
            case EngineLoads():
                if self.engine_loading:
                    self.engine_text = f"guidance engine is loading: {news.text}"
            case EngineUp():
                self.engine_up, self.engine_loading, self.engine_text, self.degraded = True, False, "", ""
                self.engine_pid, self.engine_description = news.pid, news.description
                if news.restarted:
                    self._events.add("worker_restarted", f"engine process {news.pid} answers", frame=self._index)
                self._ask_again()
                self._settled()
            case EngineLost():
                self._lost(news)
            case StepDone():
                self._stepped(news)
            case StepFailed():
                self._answered = max(self._answered, news.frame_index)
                self.engine_text = f"guidance failed on a frame: {news.text}"
            case Degraded():
                self.degraded = news.text
                self._events.add("worker_degraded", news.text, frame=self._index)
            case MemoryShort():
                self._events.add("worker_degraded", news.text, frame=self._index)
            case ColdStartDone():
                self._registered(news)
            case ColdStartFailed():
                self._set(guidance_state.registration_failed(self.situation, news.text, news.generation))

    def _lost(self, news: EngineLost) -> None:
        self.engine_up, self.engine_loading, self.engine_pid = False, False, None
        self.engine_text = f"guidance is off: {news.text}" if news.for_good else f"guidance restarts: {news.text}"
        self._computed = None
        self._set(guidance_state.engine_lost(self.situation))
        self._events.add("worker_died", news.text, frame=self._index)
        if news.for_good:
            self._off = True
            self._settled()

    def _stepped(self, done: StepDone) -> None:
        self._answered = max(self._answered, done.result.frame_index)
        self.engine_text = ""
        times = done.result.times
        self._latency.add("segment", times.segment)
        self._latency.add("contrast", times.contrast)
        self._latency.add("track", times.track)
        self._latency.add("evidence", times.evidence)
        self._latency.add("motion", times.motion)
        self._latency.add("render", times.render)
        if done.asked_at != self.situation.revision:
            return  # the view, a person or a cold start has moved things on meanwhile
        self.situation, self.result = done.situation, done.result
        received_ns = self._received_ns.get(done.result.frame_index)
        if done.result.overlay is not None and received_ns is not None:
            self._computed = ComputedOverlay(overlay=done.result.overlay, frame_received_ns=received_ns)

    def _registered(self, done: ColdStartDone) -> None:
        found, before = done.registration, self.situation
        self._set(guidance_state.registration_finished(before, found, done.geometry, done.generation))
        if self.situation is before:
            return
        text = f"{found.status}, confidence {found.confidence:.2f}, expected error {found.expected_error_mm:.1f} mm"
        if found.status == "rejected":
            self._events.add("registration_rejected", text, frame=self._index)
        elif self.situation.state == "accepted":
            self._events.add("registration_accepted", text, frame=self._index)
        self._ask_again()

    # Inside ---------------------------------------------------------------------------------------------------------
    @property
    def _index(self) -> int | None:
        return None if self._frame is None else self._frame.index

    def _set(self, situation: Situation) -> None:
        """A change from outside the engine: the answer to a step that is under way no longer fits."""
        if situation is not self.situation:
            self.situation = replace(situation, revision=self.situation.revision + 1)

    def _ask_again(self) -> None:
        """Offer the frame on the screen again: no other may follow (pause, end of the recording)."""
        if self._supervisor is not None and self._frame is not None:
            self._answered = min(self._answered, self._frame.index - 1)
            self._supervisor.offer(self._frame)

    def _begin_late(self, pose: LatePose, frame: Frame) -> None:
        try:
            situation = pose.situation(frame)
        except GuidanceError as error:
            self._late_pose = None
            self._events.add("registration_rejected", str(error), frame=frame.index)
            return
        if situation is not None:
            self._late_pose = None
            self.begin(situation)

    def _note_patient(self, frame: Frame) -> None:
        if self._patient is None or (self._mark_seen and frame.patient == self._mark):
            return
        self._mark, self._mark_seen = frame.patient, True
        self.patient = self._patient.match(frame.patient)
        self._set(guidance_state.saw_patient(self.situation, vouched=self.patient == "same"))
        if self.patient != "same":
            text = "is of another patient than the case" if self.patient == "other" else "does not say whose it is"
            self._events.add("patient_unknown", f"the run {text}: no pose is accepted by itself", frame=frame.index)

    def _note_geometry(self, frame: Frame) -> None:
        before = self.situation
        self._set(guidance_state.saw_geometry(self.situation, frame.geometry))
        if frame.geometry is None and not self._geometry_was_missing:
            self._events.add("geometry_missing", frame.geometry_reason or "not stated", frame=frame.index)
        elif (
            before.geometry is not None
            and frame.geometry is not None
            and self.situation.generation != before.generation
        ):
            text = f"the view changed: {change_of_view(before.geometry, frame.geometry)}"
            self._events.add("geometry_changed", text, frame=frame.index)
        self._geometry_was_missing = frame.geometry is None
