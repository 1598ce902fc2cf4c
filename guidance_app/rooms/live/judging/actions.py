"""All that a person can do to judge a registration."""

from __future__ import annotations

from functools import partial

from guidance_app.panels.action import Action
from guidance_app.rooms.live.judging.comparison import Comparison
from guidance_app.rooms.live.judging.judging_desk import JudgingDesk
from guidance_app.views.language import tr

_KEYS: tuple[tuple[Comparison, str, str], ...] = (
    ("flicker", "B", "Blink between picture and model, again: end"),
    ("checkerboard", "C", "Squares of picture and model, again: end"),
    ("edges", "E", "Edges of picture and model, again: end"),
)


def judging_actions(desk: JudgingDesk) -> tuple[Action, ...]:
    """Bound to the desk that carries them out."""
    comparisons = tuple(
        Action(
            id=f"live.{how}", words=tr(words), keys=(key,), press=partial(desk.compare, how), refusal=desk.no_judging
        )
        for how, key, words in _KEYS
    )  # fmt: skip
    return (
        Action(
            id="live.judge", words=tr("Judge the registration, again: close"), keys=("J",), press=desk.toggle,
            tip=tr("Lists the branches by how far each lies from its vessel."),
        ),
        *comparisons,
        Action(
            id="live.next-branch", words=tr("Next branch of the list"), keys=("N",), press=lambda: desk.choose_next(1),
            refusal=desk.no_judging, repeats=True,
        ),
        Action(
            id="live.previous-branch", words=tr("Previous branch of the list"), keys=("Shift+N",),
            press=lambda: desk.choose_next(-1), refusal=desk.no_judging, repeats=True,
        ),
    )  # fmt: skip
