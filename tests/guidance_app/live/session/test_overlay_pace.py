"""A slow machine is told once, steadily, and only while pictures move."""

from __future__ import annotations

from itertools import pairwise

from guidance_app.live.session.overlay_pace import OverlayPace

_STEP_NS = 66_700_000


def _paced(pace: OverlayPace, every: int, frames: int, *, start: int = 0) -> list[float | None]:
    """Every `every`-th frame gets its overlay; 15 frames a second."""
    shown = range(start, start + frames)
    return [pace.shown(index, index - index % every, index * _STEP_NS, flowing=True) for index in shown]


def test_a_machine_that_keeps_pace_is_not_mentioned() -> None:
    assert set(_paced(OverlayPace(), 1, 150)) == {None}


def test_three_overlays_a_second_are_said_and_the_word_stays() -> None:
    told = _paced(OverlayPace(), 5, 150)
    assert told[:40] == [None] * 40
    late = told[60:]
    assert None not in late
    assert all(2.5 <= rate <= 3.6 for rate in late if rate is not None)


def test_a_machine_near_the_limit_does_not_change_its_word_twice_a_second() -> None:
    pace = OverlayPace()
    told = [rate is None for rate in _paced(pace, 2, 300)]
    assert sum(a != b for a, b in pairwise(told)) <= 1


def test_a_pause_or_another_state_forgets_it() -> None:
    pace = OverlayPace()
    assert _paced(pace, 5, 90)[-1] is not None
    assert pace.shown(90, 90, 90 * _STEP_NS, flowing=False) is None
    assert _paced(pace, 5, 20, start=91) == [None] * 20
