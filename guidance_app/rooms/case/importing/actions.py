"""What keys do in the import."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from guidance_app.panels.action import Action
from guidance_app.rooms.case.checking.structure_list import class_words
from guidance_app.rooms.case.checking.tool_bar import TOOL_KEYS, tool_words
from guidance_app.rooms.case.importing.wizard import ImportWizard
from guidance_app.views.language import tr

if TYPE_CHECKING:
    from guidance_app.rooms.case.planning.plan_page import PlanPage


def wizard_actions(wizard: ImportWizard) -> tuple[Action, ...]:
    """Of the step that is seen."""
    back = Action(id="case.back", words=tr("Back to the cases"), keys=("Alt+Left",), press=_silently(wizard.go_back))
    if wizard.working:
        return (Action(id="case.cancel", words=tr("Cancel what runs"), press=_silently(wizard.cancel)), back)
    if wizard.step == "files":
        add = Action(id="case.add", words=tr("Add a folder"), keys=("Ctrl+O",), press=_silently(wizard.ask_for_folder))
        make = Action(id="case.make", words=tr("Make the case"), keys=("Ctrl+M",), press=_silently(wizard.sources.make))
        return (add, make, back)
    if wizard.step == "plan" and wizard.plan is not None:
        return (*_planning(wizard.plan), back)
    structures = wizard.check.structures
    classes = tuple(
        Action(
            id=f"case.class-{number}", words=tr("The chosen structure: {class}").replace("{class}", words),
            keys=(str(number),), press=lambda said=said: structures.say(said),
        )
        for number, (said, words) in enumerate(class_words().items(), start=1)
    )  # fmt: skip
    undo = Action(id="case.undo", words=tr("Undo the correction"), keys=("Ctrl+Z",), press=wizard.check.undo)
    redo = Action(id="case.redo", words=tr("Do it again"), keys=("Ctrl+Shift+Z", "Ctrl+Y"), press=wizard.check.redo)
    guide = Action(
        id="case.guide", words=tr("Guide on the chosen run"), keys=("Ctrl+G",),
        press=_silently(wizard.check.guide),
    )  # fmt: skip
    plan = Action(id="case.plan", words=tr("Plan on slices"), keys=("Ctrl+P",), press=_silently(wizard.plan_case))
    return (*_tools(wizard), *classes, undo, redo, guide, plan, back)


def _planning(page: PlanPage) -> tuple[Action, ...]:
    from guidance_app.rooms.case.planning.plan_page import plan_keys

    return tuple(
        Action(id=f"case.plan-{key.lower()}", words=words, keys=(key,), press=act)
        for key, (words, act) in plan_keys(page).items()
    )


def _tools(wizard: ImportWizard) -> tuple[Action, ...]:
    tools, check = wizard.check.tools, wizard.check
    taken = tuple(
        Action(
            id=f"case.tool-{tool}", words=tr("{tool}, again: lay it down").format(tool=words), keys=(TOOL_KEYS[tool],),
            press=lambda tool=tool: tools.take(tool),
        )
        for tool, words in tool_words().items()
    )  # fmt: skip
    thin = Action(
        id="case.slices", words=tr("Slices instead of slabs, again: back"), keys=("S",),
        press=lambda: check.show_thin(not check.slabs.thin),
    )  # fmt: skip
    smaller = Action(id="case.smaller", words=tr("A smaller brush"), keys=("[",), press=lambda: tools.resize_brush(-1))
    larger = Action(id="case.larger", words=tr("A larger brush"), keys=("]",), press=lambda: tools.resize_brush(1))
    down = Action(id="case.lay-down", words=tr("Lay the tool down"), keys=("Esc",), press=lambda: tools.take(""))
    return (*taken, thin, smaller, larger, down)


def _silently(act: Callable[[], None]) -> Callable[[], str]:
    def press() -> str:
        act()
        return ""

    return press
