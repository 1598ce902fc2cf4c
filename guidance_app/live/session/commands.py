"""What a person may do to a run."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable

from calibration.pose import RigidPose
from guidance_app.live import guidance_state
from guidance_app.live.guidance_state import Situation
from guidance_app.live.manual_help import MANUAL_HELP
from guidance_app.live.session.current_guidance import CurrentGuidance
from guidance_app.live.session.witnesses import Witnesses
from guidance_app.sources.source import Playback, WaitsForOverlay


def who() -> str:
    """The account that the program runs under: who was at the machine, as far as it can tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "an unknown user"


class Commands:
    """Each may be called from any thread, returns at once, and is told to the witnesses.

    Args:
        playback: of a recording; None for a live source, which ignores the commands of playback.
        lock: the session's, which guards `guidance`.
        moved: called when a person plays, steps or seeks.
        waits: a recording that may wait for overlays.
    """

    def __init__(
        self,
        guidance: CurrentGuidance,
        playback: Playback | None,
        witnesses: Witnesses,
        lock: threading.RLock,
        *,
        moved: Callable[[], None] = lambda: None,
        waits: WaitsForOverlay | None = None,
    ) -> None:
        self._guidance = guidance
        self._playback = playback
        self._witnesses = witnesses
        self._lock = lock
        self._moved = moved
        self._waits = waits

    # Registration ---------------------------------------------------------------------------------------------------
    def request_registration(self) -> None:
        """Register anew on the next frame that shows enough vessel."""
        self._move("request_registration", guidance_state.person_asks)

    def accept(self) -> None:
        """Accept a proposed registration; without one, nothing happens."""
        self._move("accept", guidance_state.person_accepts)

    def reject(self) -> None:
        """Take the registration away; a new one comes only when asked for, or it is taken back."""
        self._move("reject", guidance_state.person_rejects)

    def undo_reject(self) -> None:
        """Bring back what was rejected last, as a proposal; without one, nothing happens."""
        self._move("undo_reject", guidance_state.person_takes_back)

    def place_by_hand(self, pose: RigidPose, what: str) -> bool:
        """Propose a pose that a person made; False on a picture without geometry, where nothing happens.

        Args:
            what: how it was made, for the event log: "6 handles, 3.1 mm in the plane, ...".
        """
        with self._lock:
            self._witnesses.action("place_by_hand")
            return self._guidance.place(pose, f"{MANUAL_HELP}, by {who()}: {what}")

    def withdraw_hand(self) -> None:
        """Take back what was placed by hand; the pose before it comes back as a proposal."""
        with self._lock:
            self._witnesses.action("withdraw_hand")
            self._guidance.withdraw(f"taken back by {who()}")

    def declare_wire(self, *, inside: bool) -> None:
        """A stiff wire or device lies inside the vessels, or no longer."""
        with self._lock:
            self._witnesses.action("declare_wire", int(inside))
            said = "stiff wire inside" if inside else "no stiff wire inside"
            self._guidance.declare_wire(f"{said}, by {who()}", inside=inside)

    def _move(self, name: str, transition: Callable[[Situation], Situation]) -> None:
        with self._lock:
            self._witnesses.action(name)
            self._guidance.move(transition)

    # Playback -------------------------------------------------------------------------------------------------------
    def pause(self) -> None:
        if self._playback is not None:
            self._witnesses.action("pause")
            self._playback.pause()

    def resume(self) -> None:
        if self._playback is not None:
            self._witnesses.action("resume")
            self._playback.resume()
            self._moved()

    def play_every_frame(self, every_frame: bool) -> None:
        """Each frame waits for its overlay, or the recording plays as it was live."""
        if self._waits is not None:
            self._witnesses.action("play_every_frame", int(every_frame))
            self._waits.every_frame = every_frame

    def step(self, frames: int) -> None:
        """Pause and go this many frames on (or back)."""
        if self._playback is not None:
            self._witnesses.action("step", frames)
            self._playback.step(frames)
            self._moved()

    def seek(self, source_frame: int) -> None:
        if self._playback is not None:
            self._witnesses.action("seek", source_frame)
            self._playback.seek(source_frame)
            self._moved()

    def play_at(self, speed: float) -> None:
        """As many times the recording's own pace."""
        if self._playback is not None:
            self._witnesses.action("play_at", round(100 * speed))
            self._playback.play_at(speed)

    def repeat(self, stretch: tuple[int, int] | None) -> None:
        """Play these frames of a recording again and again; None plays on."""
        if self._playback is not None:
            self._witnesses.action("repeat", -1 if stretch is None else stretch[0])
            self._playback.repeat(stretch)
