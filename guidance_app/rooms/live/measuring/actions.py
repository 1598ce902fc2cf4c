"""All that a person can do to measure and mark."""

from __future__ import annotations

from functools import partial

from guidance_app.panels.action import Action
from guidance_app.rooms.live.measuring.measured import RULERS, Ruler
from guidance_app.rooms.live.measuring.measuring_desk import MeasuringDesk
from guidance_app.views.language import tr

_WORDS: dict[Ruler, str] = {
    "length": "Measure a length", "polyline": "Measure along a line", "angle": "Measure an angle",
    "diameter": "Diameter and stenosis of a vessel", "catheter": "Calibrate by a catheter",
    "marker": "Calibrate by a known length", "ring": "Ring on the model, at an ostium", "point": "Point on the model",
}  # fmt: skip


def measuring_actions(desk: MeasuringDesk) -> tuple[Action, ...]:
    """To be looked up before those of the room: while measuring is open, undo and Enter are its own."""
    always = (
        Action(
            id="live.measure", words=tr("Measure and mark, again: close"), keys=("K",), press=desk.toggle,
            tip=tr("Each figure says how it was calibrated."),
        ),
        Action(
            id="live.store-view", words=tr("Store this view"), keys=("S",), press=desk.store_view, refusal=desk.no_view,
            tip=tr("The picture says the way back to it."),
        ),
        Action(
            id="live.save-measured", words=tr("Save measurements and their picture"), keys=("Ctrl+S",), press=desk.save
        ),
        *(
            Action(
                id=f"live.ruler-{ruler}", words=tr(_WORDS[ruler]), keys=(str(number),),
                press=partial(desk.choose_ruler, ruler), refusal=desk.no_measuring,
            )
            for number, ruler in enumerate(RULERS, start=1)
        ),
    )  # fmt: skip
    if not desk.is_open:
        return always
    return (*_while_open(desk), *always)


def _while_open(desk: MeasuringDesk) -> tuple[Action, ...]:
    own = [
        Action(
            id="live.unmeasure", words=tr("Undo the last measurement"), keys=("Ctrl+Z",), press=desk.undo,
            refusal=desk.no_undo, repeats=True,
        ),
        Action(
            id="live.remeasure", words=tr("Redo the measurement"), keys=("Ctrl+Y", "Ctrl+Shift+Z"), press=desk.redo,
            refusal=desk.no_redo, repeats=True,
        ),
    ]  # fmt: skip
    if desk.ruler is not None:
        own.append(
            Action(
                id="live.no-ruler", words=tr("Leave the ruler"), keys=("Esc",), press=lambda: desk.choose_ruler(None)
            )
        )  # fmt: skip
    if desk.ruler == "polyline":
        own.append(
            Action(
                id="live.end-line", words=tr("End the line"), keys=("Return", "Enter"), press=desk.end_line,
                refusal=desk.no_line,
            )
        )  # fmt: skip
    return tuple(own)
