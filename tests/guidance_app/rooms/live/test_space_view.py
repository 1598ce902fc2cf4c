"""The 3-D view beside the live picture: on a key, linked, seldom, and honest about what is not known."""

from types import SimpleNamespace

import numpy as np
import pytest
from PyQt6.QtCore import Qt

from calibration.pose import RigidPose
from guidance_app.rooms.live import room as room_module
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.panels.test_carm_scene import cube
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, frame, screen


def registration():
    pose = RigidPose.from_rotation_vector(np.zeros(3), np.zeros(3), target="isocentre", source="lps")
    return SimpleNamespace(isocentre_from_lps=pose, expected_error_mm=0.8, depth_sigma_mm=6.1)


@pytest.fixture
def opened(qtbot, monkeypatch):
    """A window at a run that stands still, the 3-D view open once its model has come."""
    monkeypatch.setattr(room_module, "_surface", lambda _case: cube())
    window = GuidanceWindow()
    qtbot.addWidget(window)

    def show(shown, *, registered):
        session = StagedSession([shown] * 10_000)
        session.registration = registration() if registered else None
        window.resize(1920, 1080)
        window.show()
        window.show_session(session, CASE)
        qtbot.waitUntil(lambda: window.live.widget.view.screen_state is not None)
        qtbot.keyClick(window, Qt.Key.Key_D)
        qtbot.waitUntil(lambda: window.live.space.scene._mesh is not None)
        return window.live.space

    yield show
    window.close_rooms()


def test_a_key_opens_it_beside_the_picture_and_closes_it_again(opened, qtbot):
    space = opened(screen(), registered=True)
    window = space.window()
    assert space.isVisible()
    assert space.geometry().left() >= window.live.widget.view.geometry().right()
    qtbot.keyClick(window, Qt.Key.Key_D)
    assert space.isHidden()
    assert not space._timer.isActive()


def test_it_says_how_surely_the_place_is_known(opened):
    space = opened(screen(), registered=True)
    assert "accepted" in space.view.legend
    assert "0.8 mm across,\n6 mm along the beam" in space.view.legend


def test_without_a_registration_the_model_is_grey_and_said_to_be_nowhere(opened):
    space = opened(screen(state="hidden", guidance="unregistered"), registered=False)
    assert "not registered" in space.view.legend
    assert space.scene._registered is False


def test_a_rejected_registration_counts_for_nothing(opened):
    space = opened(screen(state="hidden", guidance="rejected"), registered=True)
    assert "not registered" in space.view.legend


def test_a_picture_without_geometry_is_said(opened):
    space = opened(screen(state="hidden", guidance="unregistered", frame=frame(0, geometry=None)), registered=False)
    assert "does not say how the C-arm stood" in space.view.legend


def test_it_renders_a_few_times_a_second_and_nothing_while_the_picture_stands(opened, qtbot):
    space = opened(screen(), registered=True)
    rendered = []
    qtbot.waitUntil(lambda: space._seen is not None)
    space.view.render_now()
    space.view.rendered.connect(lambda: rendered.append(1))
    for _ in range(20):
        space.look()
    qtbot.wait(100)
    assert rendered == []
    assert space._timer.interval() == 200


def test_nothing_of_it_is_made_before_it_is_asked_for(qtbot):
    window = GuidanceWindow()
    qtbot.addWidget(window)
    window.show_session(StagedSession([screen()] * 100), CASE)
    assert window.live.space is None
    window.close_rooms()
