"""What can be done with a result, as records: keys, buttons, palette and help read the same list."""

from __future__ import annotations

from collections.abc import Callable

from guidance_app.panels.action import Action
from guidance_app.rooms.cmr.place import CmrPlace

_STEP_MM = 2.0


def result_actions(
    place: Callable[[], CmrPlace | None], *, export: Callable[[], str], screenshot: Callable[[], str],
    choose_ct: Callable[[], str], film: Callable[[], str],
) -> tuple[Action, ...]:  # fmt: skip
    """Actions on the result that is open.

    Args:
        place: None where no result is open.
        export, screenshot, choose_ct, film: ask where to or which, and do it.
    """

    def on(do: Callable[[CmrPlace], str]) -> Callable[[], str]:
        def press() -> str:
            here = place()
            return do(here) if here is not None else ""

        return press

    def refusal() -> str:
        return "" if place() is not None else "open a result first"

    def make(name: str, words: str, do: Callable[[CmrPlace], str], *keys: str, repeats: bool = False) -> Action:
        return Action(id=f"cmr.{name}", words=words, press=on(do), keys=keys, refusal=refusal, repeats=repeats)

    return (
        make("to_base", "Section towards the base", lambda p: p.step(_STEP_MM), "Up", repeats=True),
        make("to_apex", "Section towards the apex", lambda p: p.step(-_STEP_MM), "Down", repeats=True),
        make("slice_to_base", "Next CMR slice towards the base", lambda p: p.next_slice(1), "PgUp"),
        make("slice_to_apex", "Next CMR slice towards the apex", lambda p: p.next_slice(-1), "PgDown"),
        make("next_beat", "Next beat", lambda p: p.cine.step(1), "Right", repeats=True),
        make("last_beat", "Beat before", lambda p: p.cine.step(-1), "Left", repeats=True),
        make("play", "Play or stop the cine", lambda p: p.cine.play(), "Space"),
        make("motion", "Motion correction on or off", lambda p: p.cine.switch_motion(), "M"),
        make("mix", "CMR alone, blended with the CT, in turns, in squares", lambda p: p.cine.next_mix(), "X"),
        Action(id="cmr.overlay", words="Hide the overlays", press=on(lambda p: p.hold_overlay(True)), keys=("O",),
               release=on(lambda p: p.hold_overlay(False)), refusal=refusal),
        make("territories", "Perfusion or territories", lambda p: p.switch_territories(), "T"),
        make("aha", "AHA borders", lambda p: p.switch_aha(), "A"),
        make("septal", "Septal view", lambda p: p.look("septal"), "1"),
        make("anterior", "Anterior view", lambda p: p.look("anterior"), "2"),
        make("lateral", "Lateral view", lambda p: p.look("lateral"), "3"),
        make("inferior", "Inferior view", lambda p: p.look("inferior"), "4"),
        make("apical", "Apical view", lambda p: p.look("apical"), "5"),
        Action(id="cmr.correct", words="Correct by hand", press=on(lambda p: p.hand.begin()), keys=("C",),
               tip="Handles for axis, insertions and slices, a brush for walls, branches and stenoses.",
               refusal=refusal),
        make("brush_wall", "Brush the CMR's wall", lambda p: p.correcting.switch_brush("wall"), "B"),
        make("brush_pool", "Brush the CMR's pool", lambda p: p.correcting.switch_brush("pool"), "N"),
        make("reject", "Reject the chosen stenosis", lambda p: p.correcting.reject(), "Del"),
        make("undo", "Undo the last correction", lambda p: p.hand.undo(), "U"),
        Action(id="cmr.ct", words="Show another CT", press=choose_ct, refusal=refusal),
        Action(id="cmr.screenshot", words="Screenshot", press=screenshot, keys=("S",), refusal=refusal),
        Action(id="cmr.film", words="Film of the beats and the turning heart", press=film, keys=("V",),
               refusal=refusal),
        Action(id="cmr.export", words="Export", press=export, keys=("E",), refusal=refusal),
    )  # fmt: skip
