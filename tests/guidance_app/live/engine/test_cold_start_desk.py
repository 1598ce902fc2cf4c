"""Cold starts of one engine process that another one does."""

import queue
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from engines.angiography.contrast_gate import Background
from engines.angiography.frame import Frame
from guidance_app.live.engine.exchange.cold_start_desk import ColdStartDesk
from guidance_app.live.engine.exchange.parcel import Parcel, ParcelRoom, discard, opened
from guidance_app.live.engine.exchange.reports import (
    ColdStartDone,
    ColdStartFailed,
    ColdStartHandedOut,
    ColdStartJob,
    Learned,
    LearnedElsewhere,
    Rehearsed,
)
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.judge import ColdStart
from tests.guidance_app.live.stand_ins import FakeRun, FakeSteps, geometry, view_of

PLANE = np.zeros((4, 4), dtype=np.float32)
BACKGROUND = Background(mean=PLANE, picture=PLANE, darkest_near=PLANE, certain=0.1, frame=FakeRun().frame(0))


class LearningSteps(FakeSteps):
    """Finds a background with every search; remembers what was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Background, ViewKey]] = []
        self.rehearsed = 0

    def rehearse(self) -> None:
        self.rehearsed += 1

    def keep(self, background, key):
        self.kept.append((background, key))

    def register(self, request, *, learned=None, **_):
        if learned is None:
            self.keep(BACKGROUND, request.key)
        else:
            learned(BACKGROUND)
        return super().register(request)


class LongSearch(FakeSteps):
    """A search of the first generation goes on until it is told that nobody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def register(self, request, *, between, **_):
        self.begun.set()
        while request.generation == 1:
            between()
            time.sleep(0.005)
        return super().register(request)


class Office:
    """A desk, and what it tells."""

    def __init__(self, room: ParcelRoom, steps: FakeSteps | None = None) -> None:
        self.steps = steps or LearningSteps()
        self._told: queue.Queue = queue.Queue()
        self.desk = ColdStartDesk(self.steps, room, self._told.put)

    def next_report(self):
        return self._told.get(timeout=10.0)


@pytest.fixture
def room():
    made = ParcelRoom.made()
    yield made
    made.clear_away()


@pytest.fixture
def office(room):
    opened_ones: list[Office] = []

    def opens(steps: FakeSteps | None = None) -> Office:
        opened_ones.append(Office(room, steps))
        return opened_ones[-1]

    yield opens
    for each in opened_ones:
        each.desk.close()


def request_of(generation: int = 3) -> ColdStart:
    picture: Frame = FakeRun().frame(7)
    view = geometry()
    return ColdStart(
        view=view_of(picture), frame=picture, key=ViewKey(geometry=view, shape_px=(64, 64)), past=(picture,),
        previous=None, generation=generation,
    )  # fmt: skip


def test_parcel_is_opened_once_and_gone_afterwards(room):
    parcel = room.pack(request_of())
    assert np.array_equal(opened(parcel).frame.pixels, FakeRun().frame(7).pixels)
    assert list(room.folder.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        opened(parcel)
    discard(parcel)


def test_room_that_was_cleared_away_takes_no_parcel(room):
    room.clear_away()
    room.clear_away()
    with pytest.raises(FileNotFoundError):
        room.pack(request_of())


def test_cold_start_that_is_handed_out_is_done_by_the_other_process_and_both_learn_from_it(room, office):
    here, there = office(), office()
    request = request_of()
    here.desk.put(request, away=True)
    out = here.next_report()
    assert isinstance(out, ColdStartHandedOut)
    there.desk.take_over(ColdStartJob(request=out.request, generation=out.generation))
    learned, done = there.next_report(), there.next_report()
    assert isinstance(learned, Learned)
    assert isinstance(done, ColdStartDone)
    assert done.generation == request.generation
    assert there.steps.kept == [], "it shows no frames of this view"
    here.desk.learned(LearnedElsewhere(background=learned.background, generation=learned.generation))
    [(background, key)] = here.steps.kept
    assert background.certain == BACKGROUND.certain
    assert key is request.key, "views are told apart by the very key"
    assert list(room.folder.iterdir()) == []


def test_background_for_an_older_request_is_not_kept(room, office):
    here = office()
    here.desk.put(request_of(4), away=True)
    here.next_report()
    here.desk.learned(LearnedElsewhere(background=room.pack(BACKGROUND), generation=3))
    assert here.steps.kept == []


def test_process_does_its_cold_start_itself_where_there_is_no_room_to_hand_it_out(room, office):
    here = office()
    room.clear_away()
    here.desk.put(request_of(), away=True)
    assert isinstance(here.next_report(), ColdStartDone)
    assert len(here.steps.kept) == 1


def test_request_that_has_been_cleared_away_fails_and_says_so(room, office):
    there = office()
    there.desk.take_over(ColdStartJob(request=Parcel(path=room.folder / "gone"), generation=5))
    failed = there.next_report()
    assert isinstance(failed, ColdStartFailed)
    assert failed.generation == 5


def test_rehearsal_that_fails_ends_all_the_same(office):
    here = office()

    def broken() -> None:
        raise OSError("no weights")

    here.steps.rehearse = broken  # type: ignore[method-assign]
    here.desk.rehearse()
    assert isinstance(here.next_report(), Rehearsed)
    here.desk.put(replace(request_of(), generation=9), away=False)
    assert isinstance(here.next_report(), ColdStartDone)


@pytest.mark.parametrize("foreign", [False, True])
def test_search_that_runs_gives_way_to_a_newer_one_and_tells_nothing(room, office, foreign):
    steps = LongSearch()
    here = office(steps)

    def ask(generation: int) -> None:
        request = request_of(generation)
        if foreign:
            here.desk.take_over(ColdStartJob(request=room.pack(request), generation=generation))
        else:
            here.desk.put(request, away=False)

    ask(1)
    assert steps.begun.wait(10.0)
    ask(2)
    done = here.next_report()
    assert isinstance(done, ColdStartDone)
    assert done.generation == 2
