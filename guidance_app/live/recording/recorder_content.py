"""What a recording's JSON messages say. Frames are referred to by `frame`, their running number of arrival."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from engines.registration.pose_file import registration_content
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, ScreenState, length_px
from guidance_app.live.run_log import Event, angles_content


def guidance_content(result: GuidanceResult, *, used: bool) -> dict[str, Any]:
    """The engine's answer for one frame, with its stage times."""
    times = result.times
    evidence = None if result.overlay is None else result.overlay.evidence
    return {
        "frame": result.frame_index,
        "state": result.state,
        "reason": result.reason,
        "used": used,
        "overlay": result.overlay is not None,
        "evidence": None if evidence is None else evidence.kind,
        "evidence_age_s": None if evidence is None else _finite(evidence.age_s),
        "vessel_px": round(length_px(result.vessel_outline), 1),
        "confidence": _finite(result.confidence),
        "expected_error_mm": _finite(result.expected_error_mm),
        "depth_sigma_mm": _finite(result.depth_sigma_mm),
        "generation": result.generation,
        "stages_ms": {
            "decode": times.decode, "segment": times.segment, "contrast": times.contrast, "track": times.track,
            "evidence": times.evidence, "motion": times.motion, "render": times.render,
        },
    }  # fmt: skip


def pose_content(
    registration: Registration, *, frame_index: int | None, cold_start: bool
) -> Callable[[], dict[str, Any]]:
    """A pose as in `registration.json`, put together when it is written."""

    def content() -> dict[str, Any]:
        return {"frame": frame_index, "cold_start": cold_start, **registration_content(registration)}

    return content


def screen_content(screen: ScreenState, painted_ns: int) -> dict[str, Any]:
    """What was on the screen since `painted_ns`, as in `frames.jsonl`."""
    frame, overlay = screen.frame, screen.overlay
    return {
        "frame": None if frame is None else frame.index,
        "painted_ns": painted_ns,
        "ingest_to_paint_ms": None if frame is None else (painted_ns - frame.received_ns) / 1e6,
        "overlay": screen.overlay_state,
        "overlay_age_ms": _finite(screen.overlay_age_ms),
        "overlay_frame": None if overlay is None else overlay.frame_index,
        "overlay_geometry": None if overlay is None else angles_content(overlay.geometry),
        "source_state": screen.source_state,
        "guidance_state": screen.guidance_state,
        "engine_up": screen.engine_up,
        "banner": screen.banner,
    }


def event_content(event: Event) -> dict[str, Any]:
    """As in `events.jsonl`."""
    return {"t_ns": event.t_ns, "kind": event.kind, "frame": event.frame, "text": event.text}


def action_content(name: str, value: int | None) -> dict[str, Any]:
    return {"action": name, "value": value}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
