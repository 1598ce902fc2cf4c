"""What can be done with a result, as records: keys, buttons, palette and help read the same list."""

from __future__ import annotations

from collections.abc import Callable

from guidance_app.panels.action import Action
from guidance_app.rooms.ivus.place import FusionPlace

_CUT_STEP_DEG, _TURN_STEP_DEG, _SLIDE_STEP_MM = 7.5, 15.0, 1.0


def result_actions(
    place: Callable[[], FusionPlace | None], *, export: Callable[[], str], screenshot: Callable[[], str]
) -> tuple[Action, ...]:
    """Actions on the result that is open.

    Args:
        place: None where no result is open.
        export, screenshot: ask where to, and write.
    """

    def on(do: Callable[[FusionPlace], str]) -> Callable[[], str]:
        def press() -> str:
            here = place()
            return do(here) if here is not None else ""

        return press

    def refusal() -> str:
        return "" if place() is not None else "open a result first"

    def make(name: str, words: str, do: Callable[[FusionPlace], str], *keys: str, repeats: bool = False,
             consequential: bool = False, undo: str = "", tip: str = "") -> Action:  # fmt: skip
        return Action(id=f"ivus.{name}", words=words, press=on(do), keys=keys, refusal=refusal, repeats=repeats,
                      consequential=consequential, undo=undo, tip=tip)  # fmt: skip

    undo = "ivus.undo"
    return (
        make("back", "One frame towards the ostium", lambda p: p.step(-1), "Left", repeats=True),
        make("on", "One frame outwards", lambda p: p.step(1), "Right", repeats=True),
        make("ten_back", "Ten frames towards the ostium", lambda p: p.step(-10), "Shift+Left", repeats=True),
        make("ten_on", "Ten frames outwards", lambda p: p.step(10), "Shift+Right", repeats=True),
        make("landmark_back", "Landmark before", lambda p: p.next_landmark(-1), "PgUp"),
        make("landmark_on", "Next landmark", lambda p: p.next_landmark(1), "PgDown"),
        make("first", "Frame nearest the ostium", lambda p: p.to_end(ostium=True), "Home"),
        make("last", "Frame farthest from the ostium", lambda p: p.to_end(ostium=False), "End"),
        make("play", "Play or stop", lambda p: p.play_or_pause(), "Space"),
        make("cut_left", "Turn the cut left", lambda p: p.turn_cut(-_CUT_STEP_DEG), "[", repeats=True),
        make("cut_right", "Turn the cut right", lambda p: p.turn_cut(_CUT_STEP_DEG), "]", repeats=True),
        Action(id="ivus.overlay", words="Hide the overlays", press=on(lambda p: p.hold_overlay(True)), keys=("O",),
               release=on(lambda p: p.hold_overlay(False)), refusal=refusal),
        make("pair", "Side by side, blend, flicker, checker", lambda p: p.next_pair_mode(), "V"),
        make("colour", "Colour the artery otherwise", lambda p: p.next_colouring(), "K"),
        make("candidate", "Next candidate", lambda p: p.next_candidate(), "C", consequential=True, undo=undo),
        make("accept", "Accept", lambda p: p.accept(), "A", consequential=True, undo=undo),
        make("reject", "Reject", lambda p: p.reject(), "X", consequential=True, undo=undo),
        make("undo", "Undo", lambda p: p.undo(), "U"),
        make("point", "Landmark pair", lambda p: p.point_pair(), "L",
             tip="Click the landmark in the frame, then the same one in the CT; all hypotheses are ranked again",
             consequential=True, undo=undo),
        make("slide_back", "Slide towards the ostium", lambda p: p.slide(-_SLIDE_STEP_MM), "Ctrl+Left",
             consequential=True, undo=undo),
        make("slide_on", "Slide outwards", lambda p: p.slide(_SLIDE_STEP_MM), "Ctrl+Right",
             consequential=True, undo=undo),
        make("turn_left", "Turn left", lambda p: p.turn(-_TURN_STEP_DEG), "Ctrl+[", consequential=True, undo=undo),
        make("turn_right", "Turn right", lambda p: p.turn(_TURN_STEP_DEG), "Ctrl+]", consequential=True, undo=undo),
        make("measure", "Measure", lambda p: p.measure(), "M"),
        make("bookmark", "Bookmark", lambda p: p.bookmark(), "B"),
        Action(id="ivus.screenshot", words="Screenshot", press=screenshot, keys=("S",), refusal=refusal),
        Action(id="ivus.export", words="Export", press=export, keys=("E",), refusal=refusal),
    )  # fmt: skip
