"""The fault campaign in its short form, and its judge on what it must not let pass."""

import threading
from dataclasses import replace

import pytest

from guidance_app.live.benches.faults.campaign import Campaign, run_campaign
from guidance_app.live.benches.faults.judge import delays_ms, wrongly_valid
from guidance_app.live.benches.faults.onlooker import Painted
from guidance_app.live.benches.faults.scripted_source import Sent, view_at

MS = 1_000_000


def _show(session, done) -> None:
    """What the window does, without a window."""
    tick = threading.Event()
    import time

    painted = None
    session.start()
    while not done():
        screen = session.screen()
        if screen is not painted:
            painted = screen
            session.painted(screen, time.monotonic_ns())
        tick.wait(0.016)
    session.stop()


def test_every_fault_once():
    quick = (
        "source disconnects and returns", "one picture repeated (frozen)", "geometry jumps", "geometry missing",
        "another picture size", "corrupt picture", "wall clock jumps", "port taken", "engine crashes",
        "disk full while recording", "hostile object", "unknown peer",
    )  # fmt: skip
    report = run_campaign(Campaign(repeats=1, seed=3, only=quick, painted_by="the test"), _show)
    assert {row.name for row in report.faults} == set(quick)
    assert report.invalid_as_valid == 0
    assert report.wrong_lines == ()
    for row in report.faults:
        assert (row.repeats, row.recovered, row.untold, row.complaints) == (1, 1, 0, ())


@pytest.mark.slow  # the whole campaign takes minutes
def test_every_fault_twenty_times(capsys):
    report = run_campaign(Campaign(repeats=20, seed=0, painted_by="the test"), _show)
    with capsys.disabled():
        print("\n" + "\n".join(f"{row.name}: {row}" for row in report.faults))
    assert report.passed


VIEW = view_at(0.0, 0.0)
SENT = {index: Sent(received_ns=index * 50 * MS, geometry=VIEW, mark=index) for index in range(40)}


def _state(frame: int, own: int, **changes) -> Painted:
    made = Painted(
        painted_ns=frame * 50 * MS + 20 * MS, frame=frame, overlay="valid", overlay_frame=own, overlay_mark=own,
        guidance_state="accepted", engine_up=True,
    )  # fmt: skip
    return replace(made, **changes)


def test_judge_finds_nothing_wrong_with_a_young_overlay_of_the_same_view():
    assert wrongly_valid([_state(9, 8), _state(10, 10)], SENT) == []


@pytest.mark.parametrize(
    ("state", "sent", "why"),
    [
        (_state(9, 2), {}, "350 ms old"),
        (_state(9, 8), {9: replace(SENT[9], geometry=None)}, "no geometry"),
        (_state(9, 8), {9: replace(SENT[9], geometry=view_at(0.1, 0.0))}, "the view changed"),
        (_state(9, 7), {8: replace(SENT[8], geometry=view_at(5.0, 0.0))}, "the view changed"),
        (_state(9, 8), {9: replace(SENT[9], geometry=view_at(0.0, 0.0, 64))}, "the view changed"),
        (_state(9, 8, overlay_mark=7), {}, "another picture"),
        (_state(9, 8, guidance_state="proposed"), {}, "nobody vouches"),
        (_state(30, 30), {index: replace(SENT[index], mark=3) for index in range(31)} , "stands still"),
    ],
    ids=["old", "no geometry", "turned", "turned and back", "size", "mixed up", "proposed", "frozen"],
)  # fmt: skip
def test_judge_finds_each_way_to_be_wrong(state, sent, why):
    mark = sent.get(state.frame, SENT[state.frame]).mark if "stands" in why else state.overlay_mark
    found = wrongly_valid([replace(state, overlay_mark=mark)], {**SENT, **sent})
    assert len(found) == 1
    assert why in found[0][1]


def test_judge_finds_an_overlay_that_stays_valid_while_nothing_newer_comes():
    later = _state(11, 11, painted_ns=3000 * MS)
    sent = {**{index: SENT[index] for index in range(11)}, 11: replace(SENT[11], received_ns=2950 * MS)}
    assert [why for _, why in wrongly_valid([_state(10, 10), later], sent)] == [
        "picture 10: nothing newer came and the overlay still stood there"
    ]
    assert wrongly_valid([_state(10, 10), later], SENT) == [], "the source went on: the window is late, not the overlay"


def test_delay_of_a_picture_ends_when_it_or_a_newer_one_is_painted():
    found = delays_ms([_state(0, 0), _state(3, 3)], {index: SENT[index] for index in range(4)})
    assert [round(delay) for _, delay in found] == [20, 120, 70, 20]
