"""Pictures of the states: each is caught, shown in the real window, and measured."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from calibration.errors import InputError
from guidance_app.live.guidance import ScreenState
from guidance_app.live.reason import Reason
from guidance_app.sources.source import SourceClosed, SourceTimeout
from guidance_app.window.gallery import virtual_screen as screens
from guidance_app.window.gallery.caught import BreakingReel, CaughtState, StateNet
from guidance_app.window.gallery.gallery import moved_controls
from guidance_app.window.gallery.photographer import photograph
from tests.guidance_app.live.stand_ins import FakeRun
from tests.guidance_app.views.staging import screen


def caught(name: str, shown: ScreenState) -> CaughtState:
    return CaughtState(
        name=name, source="staged", case_id="case-7", case_kind="coronary", runs=("run1",), run_index=0, screen=shown
    )  # fmt: skip


def test_every_state_goes_into_the_net_under_its_own_name() -> None:
    net = StateNet()
    shown = {
        "idle": screen(state="hidden", guidance="unregistered", frame=None),
        "playing": screen(state="hidden", guidance="unregistered"),
        "vessel": screen(1),
        "carried": screen(state="stale", why=Reason(code="carried", text="")),
        "proposed": screen(state="stale", guidance="proposed"),
        "rejected": screen(state="hidden", guidance="rejected"),
        "stale": screen(state="hidden", guidance="stale"),
        "source lost": screen(state="stale", source_state="no_signal"),
        "last run": screen(state="hidden", source_state="last_run"),
        "engine killed": screen(state="hidden", engine_up=False),
    }
    for state in shown.values():
        net.look(state)
    assert net.found == shown
    assert net.newest == 0


def test_states_are_photographed_with_what_a_person_does_to_them(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    states = [caught("playing", screen(0, state="hidden", guidance="unregistered")), caught("vessel", screen(1))]
    photograph(states, {"QT_QPA_PLATFORM": "offscreen"}, tmp_path, size_px=(1280, 800))
    assert qapp is QApplication.instance()
    shots = json.loads((tmp_path / "shots.json").read_text())
    names = ["playing", "vessel", "hidden", "frozen", "raw", "subtracted", "inverted"]
    assert [shot["state"] for shot in shots] == names
    assert all(shot["faults"] == [] for shot in shots)
    assert moved_controls(shots) == []
    pictures = [QImage(str(tmp_path / shot["file"])) for shot in shots]
    assert {(picture.width(), picture.height()) for picture in pictures} == {(1280, 800)}
    assert len({bytes(picture.bits().asarray(picture.sizeInBytes())) for picture in pictures}) == len(names)  # type: ignore[union-attr]


def test_a_control_that_moved_is_named() -> None:
    shots = [
        {"controls": {"0 Accept": (0, 0, 9, 9), "1 Reject": (9, 0, 9, 9)}},
        {"controls": {"0 Accept": (0, 4, 9, 9)}},
    ]
    assert moved_controls(shots) == ["0 Accept"]


def test_a_torn_cable_gives_pictures_and_then_none() -> None:
    reel = BreakingReel(replace_time(FakeRun(frame_count=2)))
    with pytest.raises(SourceTimeout):
        reel.next_frame(0.001)
    reel.begin()
    assert [reel.next_frame(1.0).index for _ in range(2)] == [0, 1]
    with pytest.raises(SourceTimeout):
        reel.next_frame(0.001)
    reel.close()
    with pytest.raises(SourceClosed):
        reel.next_frame(1.0)


def replace_time(run: FakeRun) -> FakeRun:
    run.frame_time_ms = 1.0
    return run


@pytest.mark.display
def test_a_virtual_screen_has_its_size_and_goes_again() -> None:
    before = threading.active_count()
    with screens.virtual_screen(screens.SIZES[0]) as (environment, _manager):
        assert environment["DISPLAY"].startswith(":")
        assert "QT_QPA_PLATFORM" not in environment
    assert threading.active_count() == before


def test_without_an_x_server_that_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens.shutil, "which", lambda _name: None)
    with pytest.raises(InputError, match="Xvfb"), screens.virtual_screen(replace(screens.SIZES[0], scale=2.0)):
        pass
