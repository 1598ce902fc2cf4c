"""Shows caught states in the real window, one after the other, and takes a picture of the screen with each."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from guidance_app.live.guidance import ScreenState
from guidance_app.live.guidance_state import Situation
from guidance_app.window.gallery.caught import CaughtState

if TYPE_CHECKING:
    from PyQt6.QtGui import QImage

    from guidance_app.live.witness import RunWitness
    from guidance_app.window.window import GuidanceWindow

_SETTLE_S = 0.25  # a window manager answers within it
_LIMIT_S = 20.0
# What a person does to a picture with an overlay: state, action, and whether its key is held.
_DONE_TO_A_PICTURE = (
    ("hidden", "live.hide"), ("frozen", "live.freeze"), ("raw", "live.raw"), ("subtracted", "live.mask"),
    ("inverted", "live.invert"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture.

    Args:
        faults: of words, as `faults.word_faults` has them.
        covered: share of the X-ray picture that lies under words.
        controls: where everything lies that a hand aims at.
    """

    state: str
    source: str
    file: str
    faults: tuple[str, ...]
    covered: float
    controls: Mapping[str, tuple[int, int, int, int]]


class StillSession:
    """Gives one screen for as long as it is shown: what the window needs of a session."""

    newest_event = None
    registration = None
    weak = None
    out = None
    finished = False
    situation = Situation()

    def __init__(self, screen: ScreenState) -> None:
        self.shown = screen
        self.painted_screen: ScreenState | None = None
        self.commands: Any = SimpleNamespace()

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def screen(self) -> ScreenState:
        return self.shown

    def painted(self, screen: ScreenState, painted_ns: int) -> None:  # noqa: ARG002 - the session's signature
        self.painted_screen = screen

    def add_witness(self, witness: RunWitness) -> None:
        """Nothing happens here that it could witness."""

    def remove_witness(self, witness: RunWitness) -> None:
        pass


def photograph(
    states: Sequence[CaughtState],
    environment: Mapping[str, str],
    folder: Path,
    *,
    size_px: tuple[int, int] | None = None,
    pixel_mm: float | None = None,
) -> None:
    """Fill the folder with one PNG a state, and `shots.json`; to be run in a process of its own.

    Args:
        environment: names the display and the scale of its pixels.
        size_px: of the window; None fills the screen.
        pixel_mm: of the monitor that is meant; None believes what the screen says.
    """
    os.environ.update(environment)
    from guidance_app.window.application import application

    app = application(headless=environment.get("QT_QPA_PLATFORM") == "offscreen")
    from guidance_app.window.window import GuidanceWindow

    window = GuidanceWindow()
    try:
        if size_px is None:
            window.showMaximized()
        else:
            window.resize(*size_px)
            window.show()
        if pixel_mm is not None:
            _seen_as_on(window, pixel_mm)
        shots = [_shot(window, *names, folder) for names in _shown_one_by_one(window, states)]
    finally:
        window.close_rooms()
        window.close()
    content = [
        {"state": shot.state, "source": shot.source, "file": shot.file, "faults": shot.faults,
         "covered": round(shot.covered, 3), "controls": dict(shot.controls)} for shot in shots
    ]  # fmt: skip
    (folder / "shots.json").write_text(json.dumps(content), encoding="utf-8")
    del app


def _seen_as_on(window: GuidanceWindow, pixel_mm: float) -> None:
    """Letters as large as on a monitor with pixels of this size: a virtual one says 96 dots an inch, whatever it is."""
    from guidance_app.views.legibility import mm_per_px

    view, screen = window.live.widget.view, window.screen()
    if screen is not None:
        stated_mm = mm_per_px(screen.geometry().width(), screen.physicalSize().width())
        view.distance_mm *= stated_mm / pixel_mm


def _shown_one_by_one(window: GuidanceWindow, states: Sequence[CaughtState]):
    for state in states:
        session = _show(window, state)
        yield state.name, state.source
        if state.name == "vessel":
            earlier = next((other for other in states if _is_earlier(other, state)), None)
            for name, action_id in _DONE_TO_A_PICTURE:
                _do(window, session, state, action_id, earlier)
                yield name, state.source
                _undo(window, action_id)


def _is_earlier(other: CaughtState, state: CaughtState) -> bool:
    """A picture of the same run from before the contrast, as a mask has to be."""
    if other.source != state.source or other.run_index != state.run_index or other.name not in ("playing", "stale"):
        return False
    return other.screen.frame is not None


def _show(window: GuidanceWindow, state: CaughtState) -> StillSession:
    session = StillSession(_of_now(state.screen))
    case: Any = SimpleNamespace(
        id=state.case_id, kind=state.case_kind, folder=Path(state.case_id), files={}, patient=None,
        recordings=tuple(SimpleNamespace(path=Path(f"{name}.dcm")) for name in state.runs),
    )  # fmt: skip
    window.show_session(session, case, run_index=state.run_index)
    _wait(lambda: session.painted_screen is session.shown or session.shown.frame is None)
    return session


def _of_now(screen: ScreenState) -> ScreenState:
    """As if it had just been decided: ages on the screen count to the present."""
    if screen.frame is None:
        return screen
    now_ns = time.monotonic_ns()
    received_ns = screen.frame.received_ns + now_ns - screen.decided_ns
    return replace(screen, frame=replace(screen.frame, received_ns=received_ns), decided_ns=now_ns)


def _do(
    window: GuidanceWindow, session: StillSession, state: CaughtState, action_id: str, earlier: CaughtState | None
) -> None:
    action = _action(window, action_id)
    if action_id != "live.mask" or earlier is None:
        window.say(action.perform())
        return
    # The mask is an earlier picture of the run, as a person takes it.
    for screen, then in ((earlier.screen, action.perform), (state.screen, None)):
        session.shown = _of_now(screen)
        _wait(lambda: session.painted_screen is session.shown)
        if then is not None:
            window.say(then())


def _undo(window: GuidanceWindow, action_id: str) -> None:
    action = _action(window, action_id)
    action.release() if action.release is not None else action.perform()
    window.say("")


def _action(window: GuidanceWindow, action_id: str):
    return next(action for action in window.all_actions() if action.id == action_id)


def _shot(window: GuidanceWindow, state: str, source: str, folder: Path) -> Shot:
    from guidance_app.panels.pictures.png import write_png
    from guidance_app.window.gallery.faults import control_places, covered_share, word_faults

    end_s = time.monotonic() + _SETTLE_S
    _wait(lambda: time.monotonic() > end_s)
    file = f"{source}-{state}.png".replace(" ", "-")
    write_png(_screen_picture(window), folder / file)
    return Shot(
        state=state, source=source, file=file, faults=tuple(word_faults(window)),
        covered=covered_share(window.live.widget.view), controls=control_places(window),
    )  # fmt: skip


def _screen_picture(window: GuidanceWindow) -> QImage:
    """The whole screen with the window manager's frame; off screen the window alone."""
    from PyQt6.QtGui import QGuiApplication

    screen = window.screen()
    if screen is None or QGuiApplication.platformName() == "offscreen":
        return window.grab().toImage()
    return screen.grabWindow().toImage()


def _wait(done: Callable[[], bool]) -> None:
    """Let Qt work until it is done."""
    from PyQt6.QtCore import QEventLoop, QTimer

    loop, watch, limit = QEventLoop(), QTimer(), time.monotonic() + _LIMIT_S

    def look() -> None:
        if done() or time.monotonic() > limit:
            loop.quit()

    watch.timeout.connect(look)
    watch.start(16)
    loop.exec()
    watch.stop()
