"""Masks, their shift, peak opacification and roadmap as actions."""

from __future__ import annotations

from functools import partial

from guidance_app.panels.action import Action
from guidance_app.rooms.live.contrast.contrast_desk import ANATOMY_STEP, COARSE_PX, FINE_PX, ContrastDesk
from guidance_app.views.language import tr

_WAYS = (
    ("left", "Left", 0.0, -1.0),
    ("right", "Right", 0.0, 1.0),
    ("up", "Up", -1.0, 0.0),
    ("down", "Down", 1.0, 0.0),
)


def contrast_actions(desk: ContrastDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.mask", words=tr("This frame as mask, again: off"), keys=("M",), press=desk.take_mask,
            refusal=desk.no_mask,
        ),
        Action(
            id="live.mask-proposed", words=tr("Frames without contrast as mask, again: newer ones"), keys=("Shift+M",),
            press=desk.take_proposed_mask, refusal=desk.no_proposed_mask,
            tip=tr("Their mean, from before the injection. For the eye alone; M takes it off."),
        ),
        Action(
            id="live.roadmap", words=tr("Roadmap of the last injection, again: off"), keys=("Shift+R",),
            press=desk.toggle_roadmap, refusal=desk.no_roadmap,
            tip=tr("The vessels that contrast has filled, over the pictures of the same view. Not the model."),
        ),
        Action(
            id="live.peak", words=tr("Peak opacification, again: back"), keys=("Q",), press=desk.toggle_peak,
            refusal=desk.no_peak, tip=tr("All that the last injection has filled, in one picture."),
        ),
        *_shifts(desk),
        Action(
            id="live.shift-find", words=tr("Find the shift of mask or roadmap"), keys=("Shift+E",),
            press=desk.find_shift, refusal=desk.no_shift,
        ),
        Action(
            id="live.shift-reset", words=tr("Shift of mask or roadmap back to nothing"), keys=("Alt+Home",),
            press=desk.reset_shift, refusal=desk.no_shift,
        ),
        *(
            Action(
                id=f"live.anatomy-{name}", words=tr(words), keys=(f"Alt+{key}",), repeats=True,
                press=partial(desk.fade_anatomy, by), refusal=desk.no_anatomy,
            )
            for name, words, key, by in (
                ("more", "More anatomy in the subtraction", "PgUp", ANATOMY_STEP),
                ("less", "Less anatomy in the subtraction", "PgDown", -ANATOMY_STEP),
            )
        ),
    )  # fmt: skip


def _shifts(desk: ContrastDesk) -> tuple[Action, ...]:
    help_row = (tr("Alt + arrows"), tr("Shift mask or roadmap by 1 px, with Shift by 0.1"))
    return tuple(
        Action(
            id=f"live.shift-{name}{pace}", keys=(f"{held}+{key}",), repeats=True, refusal=desk.no_shift,
            words=tr("Shift mask or roadmap {way} by {px} px").format(way=tr(name), px=f"{step:g}"),
            press=partial(desk.shift, down * step, right * step), help_row=help_row,
        )
        for name, key, down, right in _WAYS
        for held, step, pace in (("Alt", COARSE_PX, ""), ("Alt+Shift", FINE_PX, "-fine"))
    )  # fmt: skip
