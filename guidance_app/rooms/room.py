"""The seam between the window and its rooms: each knows the other only through `House` and `Room`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue
from PyQt6.QtWidgets import QWidget

from guidance_app.panels.action import Action
from guidance_app.panels.hands.input_desk import InputDesk
from guidance_app.panels.icons import IconName
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.toasts import ToastKind

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case  # costs a quarter of a second, and a window may open without a case


class House(Protocol):
    """What a room may ask of the window around it. Every call returns at once; call it from Qt's thread."""

    @property
    def case(self) -> Case | None:
        """The case that every room works on; None before one is open."""
        ...

    @property
    def guiding(self) -> str:
        """Live guidance runs, in one line, so that nothing may load the machine now; "" where it does not."""
        ...

    @property
    def carm_deg(self) -> tuple[float, float] | None:
        """Primary and secondary angle (+ LAO, + cranial) of the picture in the live room; None where it tells none."""
        ...

    @property
    def inputs(self) -> InputDesk:
        """What the buttons of pedals, presenters and gamepads do."""
        ...

    @property
    def pads(self) -> tuple[str, ...] | None:
        """Names of the gamepads that are plugged in; None where this installation reads none."""
        ...

    def known_actions(self) -> tuple[Action, ...]:
        """Of the live room, the rooms that were entered, and the window: what a button of a device may do."""
        ...

    def right_drag_windows(self) -> bool:
        """A right drag on the live picture sets window and level."""
        ...

    def set_right_drag_windows(self, right: bool) -> None: ...

    def say(self, text: str) -> None:
        """Show a line below for a while."""
        ...

    def open_case(self, case: str | Path) -> str:
        """Open a case by its name or folder and show its first run; returns "" or one line why not."""
        ...

    def open_run(self, case: Case, source: str | Path) -> str:
        """Show this file or source URI in the live room, on this case; returns "" or one line why not."""
        ...

    def perform(self, action: Action) -> None:
        """Do it as its key does: what cannot be done is said, and what can be taken back offers that."""
        ...

    def toast(
        self, text: str, kind: ToastKind = "done", *, offer: str = "", taken: Callable[[], None] | None = None
    ) -> None:
        """Tell something that a person need not answer; `offer` is the word on a button that calls `taken`."""
        ...

    def start_job(self, work: Work, ended: Callable[[Job], None] | None = None) -> Job:
        """Run this work in the job tray, after the jobs before it; `ended` is told of its end, however it ends.

        The window itself tells the person how it ended. Keep the job to cancel it, or to follow `Job.changed`.
        """
        ...

    def go_to(self, room_id: str) -> str:
        """Enter another room; returns "" or one line why the present one cannot be left."""
        ...


class Room(Protocol):
    """One room of the window. A room inherits this class, and overrides what it needs: only `widget` must be there.

    Making a room must be cheap: no widget, no import of engines. The window makes all rooms at its start and asks for
    the `widget` when a person first enters.

    Attributes:
        id: short and constant: settings, the command line and action ids use it.
        name: in the rail, at most eight letters or so.
        icon: in the rail.
        hint: the keys that matter most, for the line below.
        mouse_help: what the mouse does here, as (gesture, words), for the help.
    """

    id: str
    name: str
    icon: IconName
    hint: str = ""
    mouse_help: Sequence[tuple[str, str]] = ()

    @property
    def widget(self) -> QWidget:
        """The same widget at every call; made at the first."""
        ...

    def actions(self) -> tuple[Action, ...]:
        """All that a person can do here; the help, the command palette and the keys read this list."""
        return ()

    def enter(self, case: Case | None) -> None:
        """The room is about to be seen, on this case or without any; also called when the case changes meanwhile."""

    def leave(self) -> str:
        """The room is no longer seen from now on; or why it must not be left, in one line."""
        return ""

    def close(self) -> None:
        """The window closes: end what is running. Twice is harmless."""

    def saved_state(self) -> Mapping[str, JsonValue]:
        """What `restore` needs next time, as JSON; {} where there is nothing to keep."""
        return {}

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        """Take up the state of an earlier start, perhaps by another version: ignore what does not fit."""


MakeRoom = Callable[[House], Room]
