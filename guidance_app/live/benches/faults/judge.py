"""Whether what was on the screen was right: by what was sent and painted alone, never by the program's own states."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from calibration.carm import CArmGeometry
from guidance_app.live.benches.faults.onlooker import Painted
from guidance_app.live.benches.faults.scripted_source import Sent

_AGE_MS = 250.0
_ANGLE_DEG, _DISTANCE_MM = 0.05, 1.0
_STANDS_STILL_NS = 1_200_000_000  # frozen after 1 s, silent after 0.7 s, and a moment to paint it
LATE_MS = 200.0
_WRONG_MM = 5.0  # what such overlays are accepted for
_WRONG_FOR_NS = 1_000_000_000
_NEAR = 8  # pictures after which the next good one is looked for


def wrongly_valid(states: Sequence[Painted], sent: Mapping[int, Sent]) -> list[tuple[int, str]]:
    """When a valid overlay stood on a picture that does not support it, and why."""
    found = []
    for state, following in pairwise([*states, None]):
        if state is not None and state.overlay == "valid" and (why := _why_wrong(state, following, sent)):
            found.append((state.painted_ns, f"picture {state.frame}: {why}"))
    return found


def wrong_for_long(states: Sequence[Painted], sent: Mapping[int, Sent]) -> list[tuple[int, str]]:
    """When an overlay had been valid and more than 5 mm from the true anatomy for a second, once for each such time."""
    found, since_ns, told = [], None, False
    for state in states:
        off_mm = _off_mm(state, sent)
        if off_mm is None or off_mm <= _WRONG_MM:
            since_ns, told = None, False
            continue
        since_ns = state.painted_ns if since_ns is None else since_ns
        if not told and state.painted_ns - since_ns > _WRONG_FOR_NS:
            found.append((state.painted_ns, f"picture {state.frame}: valid and {off_mm:.0f} mm off for over a second"))
            told = True
    return found


def _off_mm(state: Painted, sent: Mapping[int, Sent]) -> float | None:
    """How far a valid overlay is drawn from where the anatomy is; None where it is not valid, or nobody knows."""
    shown = sent[state.frame]
    if state.overlay != "valid" or state.overlay_at_px is None or shown.shift_px is None or shown.geometry is None:
        return None
    true_px = np.asarray(shown.geometry.principal_point_px) + shown.shift_px
    return float(np.linalg.norm(np.asarray(state.overlay_at_px) - true_px)) * shown.geometry.isocentre_mm_per_px


def _why_wrong(state: Painted, following: Painted | None, sent: Mapping[int, Sent]) -> str:
    shown = sent[state.frame]
    own = sent.get(-1 if state.overlay_frame is None else state.overlay_frame)
    if own is None or state.overlay_frame is None:
        return "an overlay of no picture"
    if shown.geometry is None or own.geometry is None:
        return "no geometry"
    between = (sent[index].geometry for index in range(state.overlay_frame, state.frame + 1) if index in sent)
    if not all(_near(shown.geometry, view) for view in between if view is not None):
        return "the view changed since the overlay was computed"
    if own.marked and state.overlay_mark != own.mark:
        return "the overlay was computed on the pixels of another picture"
    age_ms = (shown.received_ns - own.received_ns) / 1e6
    if not 0.0 <= age_ms <= _AGE_MS:
        return f"the overlay is {age_ms:.0f} ms old"
    if state.guidance_state != "accepted" or not state.engine_up:
        return "nobody vouches for the pose"
    if shown.received_ns - _unchanged_since_ns(state.frame, sent) > _STANDS_STILL_NS:
        return "the picture stands still"
    if following is not None:
        # From the next picture on it is the window that is late, which `delays_ms` counts.
        later = (sent[index].received_ns for index in range(state.frame + 1, state.frame + _NEAR) if index in sent)
        next_ns = min((moment_ns for moment_ns in later if moment_ns > shown.received_ns), default=math.inf)
        if min(following.painted_ns, next_ns) - shown.received_ns > _STANDS_STILL_NS:
            return "nothing newer came and the overlay still stood there"
    return ""


def _near(view: CArmGeometry, other: CArmGeometry) -> bool:
    turned_rad = max(abs(view.primary_rad - other.primary_rad), abs(view.secondary_rad - other.secondary_rad))
    moved_mm = max(abs(view.sid_mm - other.sid_mm), abs(view.sod_mm - other.sod_mm))
    return (
        math.degrees(turned_rad) <= _ANGLE_DEG and moved_mm <= _DISTANCE_MM and view.shape_px == other.shape_px
    )  # fmt: skip


def _unchanged_since_ns(index: int, sent: Mapping[int, Sent]) -> int:
    mark, since_ns = sent[index].mark, sent[index].received_ns
    while (earlier := sent.get(index - 1)) is not None and earlier.mark == mark:
        index, since_ns = index - 1, earlier.received_ns
    return since_ns


def wrong_lines(frames_jsonl: Path, sent: Mapping[int, Sent]) -> list[str]:
    """Lines of the log that call an overlay valid where the picture, as it was sent, does not support it."""
    found = []
    for text in frames_jsonl.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line["overlay"] == "valid" and not _line_is_right(line, sent[line["index"]]):
            found.append(f"picture {line['index']}: {text}")
    return found


def _line_is_right(line: dict[str, Any], sent: Sent) -> bool:
    if sent.geometry is None or sent.corrupt or line["state"] != "painted" or line["overlay_age_ms"] > _AGE_MS:
        return False
    stated = {
        "primary_deg": math.degrees(sent.geometry.primary_rad),
        "secondary_deg": math.degrees(sent.geometry.secondary_rad),
        "sid_mm": sent.geometry.sid_mm,
    }
    return all(
        abs(line[which][name] - value) <= (_DISTANCE_MM if name == "sid_mm" else _ANGLE_DEG) + 1e-3
        for which in ("geometry", "overlay_geometry")
        for name, value in stated.items()
    )


def delays_ms(states: Iterable[Painted], sent: Mapping[int, Sent]) -> list[tuple[int, float]]:
    """Of every picture that could be shown: when it was sent, and how long until it or a newer one was painted."""
    found, newest = [], -1
    waiting = sorted(index for index, what in sent.items() if not what.corrupt)
    position = 0
    for state in states:
        if state.frame <= newest:
            continue
        newest = state.frame
        while position < len(waiting) and waiting[position] <= newest:
            received_ns = sent[waiting[position]].received_ns
            found.append((received_ns, (state.painted_ns - received_ns) / 1e6))
            position += 1
    return found
