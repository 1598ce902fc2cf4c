"""What keeps something of a run."""

from __future__ import annotations

from guidance_app.panels.action import Action
from guidance_app.rooms.live.keeping.keeping_desk import KeepingDesk
from guidance_app.views.language import tr


def keeping_actions(desk: KeepingDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.record", words=tr("Record the run, again: stop"), keys=("Ctrl+R",), press=desk.toggle_record,
            tip=tr("Every frame without loss, with its pose and state; it can be replayed."),
        ),
        Action(id="live.photo", words=tr("Photo of the picture"), keys=("Ctrl+P",), press=desk.photo),
        Action(
            id="live.film", words=tr("Film and table of the newest recording"), keys=("Ctrl+E",), press=desk.film,
            refusal=desk.no_recording, tip=tr("De-identified, as a job."),
        ),
    )  # fmt: skip
