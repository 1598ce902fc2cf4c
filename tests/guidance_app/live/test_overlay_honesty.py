"""Everything that can happen to a run, in any order, against an oracle that knows nothing of the state machine.

The oracle keeps only what was done to the run: which views came, which answers speak for the pose on which view, what a
person decided. Whatever the program then calls valid must be supported by that.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from guidance_app.live import guidance_state as gs
from guidance_app.live.engine.engine_process import ColdStartDone, ColdStartFailed, StepDone, StepFailed
from guidance_app.live.guidance import ScreenState
from guidance_app.live.guidance_state import Situation
from guidance_app.live.latency import LatencyBook
from guidance_app.live.run_log import EventLog, FrameLog
from guidance_app.live.session.current_guidance import CurrentGuidance
from guidance_app.live.session.overlay_rule import OverlayLimits
from guidance_app.live.session.screen_book import ScreenBook
from guidance_app.live.session.source_watch import SourceWatch
from guidance_app.live.supervision.supervisor import EngineLost, EngineUp
from tests.guidance_app.live.stand_ins import FakeRun, geometry, numbered, registration, result_of

MS = 1_000_000
STEADY, TABLE = geometry(0.0), replace(geometry(0.0), table_mm=(0.0, 0.0, 0.0))
USUAL = st.sampled_from([STEADY, STEADY, TABLE, replace(TABLE, table_mm=(0.0, 40.0, 0.0)), geometry(0.0, 15.0)])
VIEWS = st.sampled_from(
    [
        geometry(0.0),
        geometry(0.04),
        geometry(-0.04),
        geometry(0.12),
        geometry(0.0, 15.0),
        geometry(sid_mm=1002.5),
        geometry(size=96),
        replace(geometry(0.0), column_spacing_mm=math.nan),
        replace(geometry(0.0), principal_point_px=(35.5, 31.5)),
        None,
    ]
)
RARELY = st.sampled_from([False, False, False, True])
STATUS = st.sampled_from(["accepted", "accepted", "caution", "rejected"])


def near(view: CArmGeometry, other: CArmGeometry, slack: float = 1.0) -> bool:
    """Within the contract's tolerances, by arithmetic of its own."""
    turned = max(abs(view.primary_rad - other.primary_rad), abs(view.secondary_rad - other.secondary_rad))
    moved = max(abs(view.sid_mm - other.sid_mm), abs(view.sod_mm - other.sod_mm))
    if view.table_mm is not None and other.table_mm is not None:
        moved = max(moved, math.dist(view.table_mm, other.table_mm) / math.sqrt(3))
    sizes = (view.column_spacing_mm, view.row_spacing_mm), (other.column_spacing_mm, other.row_spacing_mm)
    return (
        math.degrees(turned) <= 0.05 * slack + 1e-9
        and moved <= 1.0 * slack + 1e-9
        and math.dist(*sizes) <= 1e-3
        and view.shape_px == other.shape_px
        and math.dist(view.principal_point_px, other.principal_point_px) <= 1.0
    )


@dataclass
class Evidence:
    """What speaks for the pose in use: the view that vouches for it, and whether anybody is sure of it."""

    view: CArmGeometry | None = None
    table_mm: tuple[float, float, float] | None = None
    has_pose: bool = False
    sure: bool = False
    misses: int = 0

    def saw(self, view: CArmGeometry) -> bool:
        """A frame of this view came; True if it takes the evidence away."""
        if self.view is None:
            return False
        moved = self.table_mm is not None and view.table_mm is not None and math.dist(self.table_mm, view.table_mm) > 2
        gone = self.table_mm is not None and view.table_mm is None  # who knows where the table stands now
        self.table_mm = self.table_mm or view.table_mm
        if near(view, self.view, slack=2.0) and not moved and not gone:
            return False
        self.withdraw()
        return True

    def vouch(self, view: CArmGeometry) -> None:
        self.view, self.table_mm, self.misses = view, view.table_mm or self.table_mm, 0

    def withdraw(self) -> None:
        self.view, self.table_mm, self.misses = None, None, 0


@dataclass
class Job:
    frame: Frame
    situation: Situation
    epoch: int


class Run(RuleBasedStateMachine):
    """A source, an engine and a person, who do whatever they like."""

    def __init__(self) -> None:
        super().__init__()
        self.events, self.frames = EventLog(None), FrameLog(None)
        self.book = ScreenBook(self.frames, self.events)
        self.watch = SourceWatch()
        self.now_ns = 1_000_000 * MS
        self.index = 0
        self.frame: Frame | None = None
        self.arrived: dict[int, Frame] = {}
        self.last_new_picture_ns = self.now_ns
        self.painted_state, self.painted_since_ns = "hidden", self.now_ns
        self.engine_up = False
        self.job: Job | None = None
        self.old_answers: list[StepDone] = []
        self.cold: tuple[CArmGeometry, int, int] | None = None
        self.evidence = Evidence()
        self.epoch = 0  # goes up with whatever makes an answer under way pointless

    @initialize(begin=st.sampled_from(["nothing", "pose", "unsure pose", "pose of another view", "left behind"]))
    def begin(self, begin: str) -> None:
        view = geometry(0.0)
        initial = {
            "nothing": Situation(),
            "pose": gs.started_from(registration(view), view),
            "unsure pose": gs.started_from(registration(view, "caution"), view),
            "pose of another view": gs.started_from(registration(view, "caution"), None),
            "left behind": gs.came_back(registration(view), view, same_picture=True),
        }[begin]
        self.evidence.has_pose = begin != "nothing"
        self.evidence.sure = begin in ("pose", "pose of another view")  # a person brought it; the view must still agree
        if begin in ("pose", "unsure pose", "left behind"):
            self.evidence.vouch(view)
        self.keeper = CurrentGuidance(
            recipe=None, initial=initial, limits=OverlayLimits(), events=self.events, latency=LatencyBook(),
            hear=lambda _: None, settled=lambda: None, spare_engine=False,
        )  # fmt: skip
        self.engine_comes()

    # The source -----------------------------------------------------------------------------------------------------
    @rule(view=USUAL, status=STATUS)
    def frame_is_answered_at_once(self, view: CArmGeometry, status: str) -> None:
        """What a run mostly consists of; alone it would hardly ever come about among all that may go wrong."""
        self.frame_arrives(view, 66, still=False)
        if self.engine_up:
            self.step_begins()
            self.step_ends(status, vessel=True, asks=True)

    @rule(view=USUAL, status=STATUS)
    def cold_start_is_answered_at_once(self, view: CArmGeometry, status: str) -> None:
        if self.keeper.situation.state in ("unregistered", "rejected"):
            self.person_asks()
        self.frame_is_answered_at_once(view, "caution")
        if self.cold is not None:
            self.cold_start_ends(status)
        self.frame_is_answered_at_once(view, "accepted")

    @rule(view=st.one_of(USUAL, VIEWS), gap_ms=st.sampled_from([16, 66, 66, 260, 600, 1500]), still=st.booleans())
    def frame_arrives(self, view: CArmGeometry | None, gap_ms: int, still: bool) -> None:
        self._wait(gap_ms)
        made = numbered(FakeRun(geometries={0: view}).frame(0), self.index, self.now_ns)
        shape_px = made.shape_px if view is None else view.shape_px
        pixels = np.full(shape_px, 7 if still else self.index % 200 + 20, made.pixels.dtype)
        same = self.frame is not None and self.frame.shape_px == pixels.shape and (self.frame.pixels == pixels).all()
        if not same:
            self.last_new_picture_ns = self.now_ns
        self.frame = replace(made, pixels=pixels)
        self.arrived[self.index] = self.frame
        self.index += 1
        if view is not None and self.evidence.saw(view):
            self.epoch += 1
        self.frames.arrived(self.frame)
        self.book.arrived(self.frame)
        self._note(self.watch.frame(self.frame, self.now_ns))
        self.keeper.arrived(self.frame)

    @rule(gap_ms=st.sampled_from([100, 400, 800, 5000, 40_000]))
    def silence(self, gap_ms: int) -> None:
        self._wait(gap_ms)

    def _wait(self, gap_ms: int) -> None:
        """Time passes as the window lives it: it looks every little while."""
        end_ns = self.now_ns + gap_ms * MS
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + 100 * MS)
            self._note(self.watch.silence(self.now_ns, paused=False))

    def _note(self, change) -> None:
        if change is not None:
            assert change.text

    # The engine -----------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.engine_up and self.frame is not None)
    @rule()
    def step_begins(self) -> None:
        assert self.frame is not None
        self.job = Job(self.frame, self.keeper.situation, self.epoch)

    @precondition(lambda self: self.job is not None)
    @rule(status=STATUS, vessel=st.booleans(), asks=st.booleans())
    def step_ends(self, status, vessel: bool, asks: bool) -> None:
        """As the pipeline does it, on what the engine knew when it began; much may have happened since."""
        assert self.job is not None
        job, self.job = self.job, None
        view, now = job.frame.geometry, gs.saw_geometry(job.situation, job.frame.geometry)
        judged = view is not None and vessel and now.registration is not None and now.state != "rejected"
        if judged:
            assert view is not None
            now = gs.checked(now, registration(view, status), view)
        begins = view is not None and asks and now.wanted and not now.registering
        if begins:
            now = gs.registration_started(now)
        done = StepDone(result=result_of(job.frame, now), situation=now, asked_at=job.situation.revision)
        self.keeper.heard(done)
        self.old_answers.append(done)
        taken = self.keeper.situation is now
        if judged and taken and job.epoch == self.epoch:
            assert view is not None
            self._weigh(status, view)
        if begins:
            assert view is not None
            self.cold = (view, now.generation, job.epoch)

    def _weigh(self, status: str, view: CArmGeometry) -> None:
        if status == "accepted":
            self.evidence.vouch(view)
        elif status == "rejected":
            self.evidence.misses += 1
            if self.evidence.misses >= 5:
                self.evidence.withdraw()

    @precondition(lambda self: self.old_answers)
    @rule(pick=st.integers(0, 1000))
    def answer_of_an_earlier_generation_turns_up(self, pick: int) -> None:
        done = self.old_answers[pick % len(self.old_answers)]
        if done.asked_at != self.keeper.situation.revision:
            self.keeper.heard(done)

    @precondition(lambda self: self.cold is not None)
    @rule(status=STATUS)
    def cold_start_ends(self, status) -> None:
        assert self.cold is not None
        (view, generation, epoch), self.cold = self.cold, None
        before = self.keeper.situation
        self.keeper.heard(ColdStartDone(registration=registration(view, status), geometry=view, generation=generation))
        if self.keeper.situation is before or epoch != self.epoch or status == "rejected":
            return
        self.epoch += 1
        if status == "accepted" or self.keeper.situation.registration is not before.registration:
            self.evidence.has_pose, self.evidence.sure = True, status == "accepted"
            self.evidence.vouch(view)

    @precondition(lambda self: self.cold is not None)
    @rule()
    def cold_start_fails(self) -> None:
        assert self.cold is not None
        (_, generation, _), self.cold = self.cold, None
        self.keeper.heard(ColdStartFailed(text="test", generation=generation))

    @precondition(lambda self: self.job is not None)
    @rule()
    def step_fails(self) -> None:
        assert self.job is not None
        self.keeper.heard(StepFailed(frame_index=self.job.frame.index, text="test"))
        self.job = None

    @precondition(lambda self: self.engine_up)
    @rule(answers_late=st.booleans(), stays_away=RARELY)
    def engine_dies(self, answers_late: bool, stays_away: bool) -> None:
        self.engine_up = False
        self.epoch += 1
        self.keeper.heard(EngineLost(text="the engine process ended", for_good=False))
        if not answers_late:
            self.job = self.cold = None
        if not stays_away:
            self.engine_comes()

    @precondition(lambda self: not self.engine_up)
    @rule()
    def engine_comes(self) -> None:
        self.engine_up = True
        self.keeper.heard(EngineUp(pid=1, description="test", restarted=self.index > 0))

    # The person -----------------------------------------------------------------------------------------------------
    @rule()
    def person_accepts(self) -> None:
        self.keeper.move(gs.person_accepts)
        if self.evidence.has_pose and self.evidence.view is not None and not self.evidence.sure:
            self.evidence.sure = True
            self.epoch += 1  # where there was nothing to accept, nothing under way became pointless

    @rule(asks_again=st.booleans())
    def person_rejects(self, asks_again: bool) -> None:
        self.keeper.move(gs.person_rejects)
        self.epoch += 1
        self.evidence = Evidence()
        if asks_again:
            self.cold_start_is_answered_at_once(STEADY, "accepted")

    @precondition(lambda self: self.keeper.situation.state != "accepted")
    @rule()
    def person_asks(self) -> None:
        self.keeper.move(gs.person_asks)
        self.epoch += 1

    @rule(sure=st.booleans())
    def pose_becomes_known(self, sure: bool) -> None:
        view = self.keeper.situation.geometry
        if view is None:
            return
        self.keeper.begin(gs.started_from(registration(view, "accepted" if sure else "caution"), view))
        self.epoch += 1
        self.evidence = Evidence(has_pose=True, sure=sure)
        self.evidence.vouch(view)

    # What must hold -------------------------------------------------------------------------------------------------
    @invariant()
    def what_is_called_valid_is_supported(self) -> None:
        frame = self.frame
        if frame is None:
            return
        decision = self.keeper.decide(frame, self.watch.fault(self.now_ns))
        self._paint(decision)
        assert (decision.overlay is None) == (decision.state == "hidden")
        assert bool(decision.reason) == (decision.state != "valid")
        if decision.overlay is None:
            return
        own = self.arrived[decision.overlay.frame_index]
        assert self.engine_up
        assert frame.geometry is not None
        assert own.geometry is not None
        assert near(frame.geometry, own.geometry), "drawn on another view"
        assert self.evidence.has_pose
        assert self.evidence.view is not None, "drawn on a view that nothing vouches for"
        assert near(frame.geometry, self.evidence.view)
        assert frame.shape_px == own.shape_px == frame.geometry.shape_px
        assert 0 <= frame.received_ns - own.received_ns <= 500 * MS
        assert self.now_ns - self.last_new_picture_ns <= 33_000 * MS
        if decision.state == "valid":
            assert self.evidence.sure, "nobody is sure of this pose"
            assert frame.received_ns - own.received_ns <= 250 * MS
            assert self.now_ns - frame.received_ns <= 800 * MS, "the source is silent"
            assert frame.received_ns - self.last_new_picture_ns < 1000 * MS, "the picture stands still"

    def _paint(self, decision) -> None:
        """Every change of what is on the screen leaves an event with its reason."""
        self.book.painted(
            ScreenState(
                frame=self.frame, result=None, overlay=decision.overlay, overlay_state=decision.state,
                overlay_age_ms=decision.age_ms, source_state="live", guidance_state=self.keeper.situation.state,
                engine_up=self.engine_up, banner=decision.reason, frames_total=None, fps=0.0, p95_ms=0.0,
            ),
            self.now_ns,
            self.keeper.received_ns,
        )  # fmt: skip
        self.book.close_frame(self.now_ns)
        if decision.state != self.painted_state:
            self.painted_state, self.painted_since_ns = decision.state, self.now_ns
        told = [event for event in self.events.newest() if event.kind.startswith("overlay_")]
        assert all(event.text for event in told)
        last = told[-1].kind if told else "overlay_hidden"
        lasts = self.now_ns - self.painted_since_ns >= 500 * MS
        if lasts or "overlay_hidden" in (last, f"overlay_{decision.state}"):
            assert last == f"overlay_{decision.state}"

    def teardown(self) -> None:
        self.frames.close()


TestOverlayHonesty = Run.TestCase
TestOverlayHonesty.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
