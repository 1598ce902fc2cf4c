"""All that a person can do to correct a registration by hand."""

from __future__ import annotations

import math
from functools import partial

from guidance_app.panels.action import Action
from guidance_app.rooms.live.judging.hand_desk import HandDesk
from guidance_app.rooms.live.judging.handles import Nudge
from guidance_app.views.language import tr

_SHIFT_MM, _DEPTH_MM, _TURN_RAD = 1.0, 5.0, math.radians(1.0)
_FINE = 0.2

# id, words, key, what one step is.
_STEPS: tuple[tuple[str, str, str, Nudge], ...] = (
    ("left", "Model left", "Left", Nudge(shift_mm=(-_SHIFT_MM, 0.0, 0.0))),
    ("right", "Model right", "Right", Nudge(shift_mm=(_SHIFT_MM, 0.0, 0.0))),
    ("up", "Model up", "Up", Nudge(shift_mm=(0.0, _SHIFT_MM, 0.0))),
    ("down", "Model down", "Down", Nudge(shift_mm=(0.0, -_SHIFT_MM, 0.0))),
    ("away", "Model away from the source", "PgUp", Nudge(shift_mm=(0.0, 0.0, _DEPTH_MM))),
    ("near", "Model towards the source", "PgDown", Nudge(shift_mm=(0.0, 0.0, -_DEPTH_MM))),
    ("roll-back", "Turn in the plane, anticlockwise", "Ctrl+Left", Nudge(turn_rad=(0.0, 0.0, -_TURN_RAD))),
    ("roll", "Turn in the plane, clockwise", "Ctrl+Right", Nudge(turn_rad=(0.0, 0.0, _TURN_RAD))),
    ("nod", "Turn the upper edge away", "Ctrl+Up", Nudge(turn_rad=(_TURN_RAD, 0.0, 0.0))),
    ("nod-back", "Turn the lower edge away", "Ctrl+Down", Nudge(turn_rad=(-_TURN_RAD, 0.0, 0.0))),
    ("turn", "Turn the right edge away", "Ctrl+PgUp", Nudge(turn_rad=(0.0, _TURN_RAD, 0.0))),
    ("turn-back", "Turn the left edge away", "Ctrl+PgDown", Nudge(turn_rad=(0.0, -_TURN_RAD, 0.0))),
)


def hand_actions(desk: HandDesk) -> tuple[Action, ...]:
    """To be looked up before those of the room: while a hand corrects, arrows, Enter, Esc and G are its own."""
    begin = (
        Action(
            id="live.handles", words=tr("Correct by hand, again: leave"), keys=("P",), press=desk.toggle_handles,
            refusal=desk.no_hand, tip=tr("Six handles: three shifts, three turns."),
        ),
        Action(
            id="live.landmarks", words=tr("Landmark pairs, again: leave"), keys=("L",), press=desk.toggle_landmarks,
            refusal=desk.no_hand,
            tip=tr("Click a point of the model, then its place in the picture; from three pairs on."),
        ),
        Action(
            id="live.weak", words=tr("Show the pose that was too weak, again: hide"), keys=("W",),
            press=desk.toggle_weak, refusal=desk.no_weak, tip=tr("Only to judge: the program rejected it."),
        ),
        Action(
            id="live.wire", words=tr("Stiff wire inside, again: no longer"), keys=("X",), press=desk.declare_wire,
            consequential=True, undo="live.wire", tip=tr("Widens the halo: the wire bends the vessels."),
        ),
        Action(
            id="live.undo", words=tr("Undo the last step by hand"), keys=("Ctrl+Z",), press=desk.undo,
            refusal=desk.no_undo, repeats=True,
        ),
        Action(
            id="live.redo", words=tr("Redo"), keys=("Ctrl+Y", "Ctrl+Shift+Z"), press=desk.redo, refusal=desk.no_redo,
            repeats=True,
        ),
    )  # fmt: skip
    if desk.no_draft():
        return begin if desk.mode == "off" else (*begin, _leave(desk))
    return (*_while_correcting(desk), *begin)


def _while_correcting(desk: HandDesk) -> tuple[Action, ...]:
    nudges = []
    for name, words, key, nudge in _STEPS:
        nudges.append(
            Action(id=f"live.hand-{name}", words=tr(words), keys=(key,), press=partial(desk.nudge, nudge), repeats=True)
        )
        nudges.append(
            Action(
                id=f"live.hand-{name}-fine", words=tr("{step}, a fifth").format(step=tr(words)),
                keys=(_with_shift(key),), press=partial(desk.nudge, _fine(nudge)), repeats=True,
            )
        )  # fmt: skip
    propose = Action(
        id="live.hand-propose", words=tr("Propose the pose by hand"), keys=("Return", "Enter"), press=desk.propose,
        consequential=True, undo="live.undo",
    )  # fmt: skip
    register = Action(
        id="live.hand-register", words=tr("Propose it and register from there"), keys=("G",),
        press=desk.register_from_here, consequential=True,
    )  # fmt: skip
    return (*nudges, propose, register, _leave(desk))


def _leave(desk: HandDesk) -> Action:
    return Action(id="live.hand-leave", words=tr("Leave correcting"), keys=("Esc",), press=desk.leave)


def _with_shift(key: str) -> str:
    return f"Ctrl+Shift+{key.removeprefix('Ctrl+')}" if key.startswith("Ctrl+") else f"Shift+{key}"


def _fine(nudge: Nudge) -> Nudge:
    across, up, depth = nudge.shift_mm
    nod, turn, roll = nudge.turn_rad
    return Nudge(
        shift_mm=(_FINE * across, _FINE * up, _FINE * depth), turn_rad=(_FINE * nod, _FINE * turn, _FINE * roll)
    )
