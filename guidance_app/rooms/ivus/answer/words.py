"""What the verdict's banner and the scrub say of an answer, in words."""

from __future__ import annotations

from guidance_app.rooms.ivus.answer.desk import FusionDesk

_SURE_MM, _SURE_DEG = 4.0, 41.0  # what counts as right


def answer_words(desk: FusionDesk) -> str:
    """Chance, order, stretch and method, a line each."""
    fusion = desk.fusion
    way = "distal to proximal" if fusion.distal_to_proximal else "proximal to distal"
    right = "" if "WITH_MANUAL_HELP" in fusion.flags else f"right with probability {_chance(fusion.confidence)}\n"
    mirrored = "mirrored" if fusion.handedness < 0 else "not mirrored"
    words = (
        f"{right}{desk.frames} frames, {way}, {mirrored}\n"
        f"{fusion.place_mm.min():.1f} to {fusion.place_mm.max():.1f} mm from the ostium, method {fusion.method}"
    )
    if fusion.acts:
        words += "\nwith manual help: " + "; ".join(fusion.acts[-1:])
    return words


def sure_words(desk: FusionDesk) -> str:
    """How sure the shown frame's place and turn are; "" where the method does not say."""
    known = desk.fusion.certainty
    if known is None:
        return ""
    row = desk.maps_row(desk.frame)
    sure = known.place_sigma_mm[row] <= _SURE_MM and known.turn_sigma_deg[row] <= _SURE_DEG
    words = "sure within" if sure else "not sure:"
    return f"{words} {known.place_sigma_mm[row]:.1f} mm, {known.turn_sigma_deg[row]:.0f}\u00b0"


def _chance(confidence: float) -> str:
    """Nothing is certain: two figures, and no 1.00 and no 0.00."""
    return ">0.99" if confidence > 0.99 else "<0.01" if confidence < 0.01 else f"{confidence:.2f}"
