"""Reasons in the window's words: what is the matter, and what to do next."""

from __future__ import annotations

from guidance_app.live.guidance import ScreenState
from guidance_app.live.reason import Reason, ReasonCode
from guidance_app.views.language import tr

# What is the matter, and what helps. A figure stands in where `{}` is. "" where the badge says it all.
_WORDS: dict[ReasonCode, str] = {
    "none": "",
    "not_registered": "Not registered yet. Wait for contrast, or press G.",
    "registering": "Registering now. Keep the view still.",
    "waits_for_vessel": "Registers with the next picture that shows enough contrast.",
    "not_found": "No registration found. Wait for more contrast, then press G.",
    "failed": "Registration failed. Press G to try again.",
    "given_pose_waits": "The given pose waits for contrast that confirms it in this view.",
    "proposed": "Check the overlay, then press Enter to accept or Del to reject.",
    "doubted": "The last pictures did not confirm it. Check it, then press Enter or Del.",
    "rejected": "Rejected. Press G for a new search, or Del to take that back.",
    "taken_back": "Rejection taken back. Check the overlay, then press Enter or Del.",
    "came_back": "Found before the program ended. Check it, then press Enter or Del. G searches anew.",
    "by_hand": "Placed by hand. Check it, then press Enter or Del. G searches from here.",
    "view_changed": "The view changed. Wait for contrast that confirms the pose here, or press G.",
    "moved_unsaid": "The picture has moved. Wait for contrast that confirms the pose, or press G.",
    "no_longer_fits": "The vessels no longer fit: has the patient moved? Wait for contrast, or press G.",
    "does_not_fit_view": "The pose does not fit this view. Searching anew.",
    "engine_down": "Guidance restarts by itself. The picture goes on.",
    "no_geometry": "This picture does not say how the C-arm stood: no overlay.",
    "no_pixel_size": "The pixel size is unknown: no overlay. Calibrate, or send DICOM.",
    "other_size": "The picture has another size than its header says: no overlay.",
    "no_overlay_yet": "The first overlay of this pose is being computed.",
    "too_old": "The overlay came {} late, and is hidden.",
    "old": "",
    "unchecked": "Nothing in this picture was compared with the model.",
    "carried": "Neither vessels nor bones confirm it. Give contrast to confirm.",
    "carried_too_long": "Nothing has confirmed the pose for {}. Give contrast to see the overlay again.",
    "bones_too_long": "Bones alone have held it for {}. Give contrast to confirm.",
    "picture_fault": "No new picture comes. The overlay belongs to the held one.",
    "held_too_long": "No new picture for {}: the overlay is hidden.",
}


def words_of(reason: Reason) -> str:
    """One or two short sentences; a missing geometry keeps its own, which name the missing tag."""
    if reason.code == "none":
        return reason.text
    if reason.code == "no_geometry":
        return tr("{reason}: no overlay.").format(reason=reason.text)
    if reason.code == "failed":
        return tr("{reason}. Press G to try again.").format(reason=reason.text)
    return tr(_WORDS[reason.code]).format(seconds_text(reason.figure_s))


def message_of(screen: ScreenState) -> str:
    """All that the line under the badge says; "" when all is well."""
    if screen.why is None and not screen.besides:
        return sentence(screen.banner)
    if screen.source_state == "no_signal" and screen.frame is not None and screen.overlay is None:
        # What guidance waits for cannot come either.
        return tr("No new picture comes. Check the cable and the sender.")
    why = "" if screen.why is None else words_of(screen.why)
    return "  ".join(sentence(text) for text in (why, *screen.besides) if text)


def sentence(text: str) -> str:
    """With a capital and an end, as the logs do without."""
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def seconds_text(seconds: float | None) -> str:
    """As short as can be read at a glance: 340 ms, 2.1 s, 45 s, 3 min."""
    if seconds is None:
        return tr("some time")
    if seconds < 1.0:
        return f"{1000.0 * seconds:.0f} ms"
    if seconds < 10.0:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"
