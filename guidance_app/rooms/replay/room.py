"""The replay room behind `Room`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.place_room import PlaceRoom
from guidance_app.views.language import tr

if TYPE_CHECKING:  # a window makes all rooms at its start
    from engines.anatomy.cases.case import Case
    from guidance_app.rooms.replay.place import ReplayPlace


class ReplayRoom(PlaceRoom["ReplayPlace"]):
    """Puts two registrations, networks or backends side by side on one run of the house's case."""

    id = "replay"
    name = "Replay"
    icon: IconName = "replay"
    hint = "Space play    1 compute A    2 compute B    O hide overlays"
    mouse_help = (
        ("left drag", "Window and level of both"),
        ("middle drag", "Move both pictures"),
        ("right drag", "Zoom both"),
        ("wheel", "Frames"),
        ("Ctrl + wheel", "Overlay opacity"),
    )

    def _made_place(self) -> ReplayPlace:
        from guidance_app.rooms.replay.place import ReplayPlace

        place = ReplayPlace(self._house)
        place.dress(_actions(place))
        return place

    def actions(self) -> tuple[Action, ...]:
        return _actions(self.widget)

    def enter(self, case: Case | None) -> None:
        self.widget.take_case(case)
        self.widget.show_state()

    def leave(self) -> str:
        self.widget.playback.pause()
        self.widget.linked.hold_overlay(False)
        return ""

    def close(self) -> None:
        if self.is_made:
            self.widget.close_place()


def _actions(place: ReplayPlace) -> tuple[Action, ...]:
    return (*_computing(place), *_playback(place), *_pictures(place))


def _computing(place: ReplayPlace) -> tuple[Action, ...]:
    return (
        Action(
            id="replay.compute-a", words=tr("Compute A"), keys=("1",), press=partial(place.compute, "A"),
            refusal=partial(place.cannot_compute, "A"), tip=tr("Guides the whole run anew, as a job."),
        ),
        Action(
            id="replay.compute-b", words=tr("Compute B"), keys=("2",), press=partial(place.compute, "B"),
            refusal=partial(place.cannot_compute, "B"), tip=tr("Guides the whole run anew, as a job."),
        ),
        Action(
            id="replay.cancel", words=tr("Cancel what is being computed"), press=place.takes.cancel,
            refusal=place.takes.cannot_cancel,
        ),
        Action(id="replay.swap", words=tr("Swap A and B"), keys=("S",), press=place.swap),
        Action(id="replay.open", words=tr("Open a run or a recording"), keys=("Ctrl+O",), press=place.open),
        Action(id="replay.export", words=tr("Export the comparison"), keys=("E",), press=place.export),
    )  # fmt: skip


def _playback(place: ReplayPlace) -> tuple[Action, ...]:
    play = place.playback

    def make(name: str, words: str, key: str, press: Callable[[], str], *, repeats: bool = False) -> Action:
        return Action(
            id=f"replay.{name}", words=tr(words), keys=(key,), press=press, refusal=play.refusal, repeats=repeats
        )

    return (
        make("play", "Play or pause", "Space", play.play_or_pause),
        make("back", "One frame back", "Left", lambda: play.step(-1), repeats=True),
        make("on", "One frame on", "Right", lambda: play.step(1), repeats=True),
        make("first", "First frame", "Home", lambda: play.go_to(0)),
        make("last", "Last frame", "End", lambda: play.go_to(play.total - 1)),
        make("slower", "Play slower", ",", lambda: play.change_speed(-1)),
        make("faster", "Play faster", ".", lambda: play.change_speed(1)),
        make("repeat", "Repeat a stretch: its first frame, its last, off", "A", play.mark_stretch),
    )


def _pictures(place: ReplayPlace) -> tuple[Action, ...]:
    linked = place.linked
    return (
        Action(
            id="replay.hide", words=tr("Hide the overlays while held"), keys=("O",),
            press=lambda: linked.hold_overlay(True), release=lambda: linked.hold_overlay(False),
        ),
        Action(id="replay.mode", words=tr("Outline, centerline, filled"), keys=("V",), press=linked.next_mode),
        Action(
            id="replay.fainter", words=tr("Overlay fainter"), keys=("[",), press=lambda: linked.change_opacity(-1),
            repeats=True,
        ),
        Action(
            id="replay.stronger", words=tr("Overlay stronger"), keys=("]",), press=lambda: linked.change_opacity(1),
            repeats=True,
        ),
        Action(
            id="replay.zoom-in", words=tr("Zoom in"), keys=("+", "="), press=lambda: linked.zoom(1.25), repeats=True
        ),
        Action(id="replay.zoom-out", words=tr("Zoom out"), keys=("-",), press=lambda: linked.zoom(0.8), repeats=True),
        Action(id="replay.invert", words=tr("Invert grey"), keys=("I",), press=linked.invert),
        Action(id="replay.reset", words=tr("Reset zoom and window"), keys=("R",), press=linked.reset),
    )  # fmt: skip
