"""The live room tells the others when it guides, so that nothing loads the machine meanwhile."""

import pytest

from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, screen


@pytest.fixture
def window(qtbot):
    window = GuidanceWindow()
    qtbot.addWidget(window)
    yield window
    window.close_rooms()


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"frames_total": None}, "end the live source first"),
        ({"frames_total": 45, "paused": False}, "pause it there first"),
        ({"frames_total": 45, "paused": True}, ""),
    ],
)
def test_a_live_source_and_a_running_recording_guide_a_paused_one_does_not(window, shown, said):
    assert window.guiding == ""
    window.live.show_session(StagedSession([screen(0, **shown)] * 1000), CASE)
    assert said in window.guiding
    assert bool(window.guiding) == bool(said)


def test_what_has_ended_guides_no_more(window):
    session = StagedSession([screen(0)])
    session.painted(screen(0), 0)
    assert session.finished
    window.live.show_session(session, CASE)
    assert window.guiding == ""
