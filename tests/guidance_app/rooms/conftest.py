"""Watched for leaked widgets as the views are; a window with one room in it."""

import pytest

from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.views.conftest import _no_leaked_widgets  # noqa: F401


@pytest.fixture
def window_with(qtbot):
    """Shows a window in its only room; all rooms end with the test."""
    shown = []

    def show(room) -> GuidanceWindow:
        window = GuidanceWindow(make_rooms=(room,))
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        window.go_to(room.id)
        shown.append(window)
        return window

    yield show
    for window in shown:
        for room in window.rooms:
            room.close()
