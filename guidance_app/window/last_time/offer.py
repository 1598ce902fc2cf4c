"""Offers what was left behind: to go on there, and to read how the program ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import GuidanceError
from guidance_app.views.language import tr
from guidance_app.window.last_time.left_behind import LeftBehind, Shown
from guidance_app.window.last_time.report_sheet import ReportSheet

if TYPE_CHECKING:
    from guidance_app.window.window import GuidanceWindow


def offer_last_time(window: GuidanceWindow, left: LeftBehind) -> None:
    """Say that the program ended unexpectedly; nothing happens until a person takes the offer."""
    report = left.report
    if report is not None:
        window.toast(
            tr("A report of how the program ended was kept on this computer. Nothing was sent."), "problem",
            offer=tr("Read it"), taken=lambda: show_report(window, report),
        )  # fmt: skip
    shown = left.shown
    if shown is None:
        return
    said = tr("The program ended unexpectedly.")
    if not shown.case:
        window.toast(said, "problem")
        return
    place = tr("It showed case {case}. A pose comes back to be checked, never as accepted.")
    window.toast(
        f"{said} {place.format(case=Path(shown.case).name)}", "problem", offer=tr("Go on there"),
        taken=lambda: window.say(go_on(window, shown)),
    )  # fmt: skip


def go_on(window: GuidanceWindow, shown: Shown) -> str:
    """Show the case, run, frame and room that were shown; returns "" or one line why not."""
    from engines.anatomy.cases.case import load_case

    try:
        case = load_case(shown.case)
        if shown.run is not None:
            try:
                return window.show_again(case, shown.run) or _into(window, shown.room)
            except ValueError:
                return tr("The pose that was kept is no pose; register anew")
        return window.show_case(case) or _into(window, shown.room)
    except GuidanceError as error:
        return str(error)


def show_report(window: GuidanceWindow, report: Path) -> None:
    sheet = ReportSheet(window, report, window.keys_to_room)
    sheet.show()
    sheet.close_button.setFocus()


def _into(window: GuidanceWindow, room: str) -> str:
    known = any(one.id == room for one in window.rooms)
    return window.go_to(room) if known and (window.current is None or window.current.id != room) else ""
