"""Poses and stage times, one row a frame, as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from calibration.errors import GuidanceError, InputError
from calibration.store import write_bytes
from guidance_app.exports.content import ExportContent
from guidance_app.exports.identity import RESEARCH_LINE, ExportIdentity
from guidance_app.sources.recording.recording_messages import GUIDANCE, SCREEN

_STAGES = ("decode", "segment", "track", "render")
_CAMERA = tuple(f"camera_from_lps_{row}{column}" for row in range(3) for column in range(4))
COLUMNS = (
    "frame", "sop_instance_uid", "source_frame", "seconds", "state", "overlay", "overlay_age_ms", "primary_deg",
    "secondary_deg", "sid_mm", "guidance", "confidence", "expected_error_mm", "depth_sigma_mm",
    *(f"{stage}_ms" for stage in _STAGES), "ingest_to_paint_ms", *_CAMERA, "note",
)  # fmt: skip


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write the rows; every one of them carries the research line, since a header is soon lost. Returns how many."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({**row, "note": RESEARCH_LINE})
        count += 1
    write_bytes(path, text.getvalue().encode())
    return count


def rows_of(content: ExportContent, frames: Iterable[int], identity: ExportIdentity) -> Iterable[dict[str, Any]]:
    """Rows of a recording or run; no free text."""
    recorded = content.recorded
    guided: dict[Any, dict[str, Any]] = {}
    shown: dict[Any, dict[str, Any]] = {}
    if recorded is not None:
        guided = {message.get("frame"): message for message in recorded.reader.messages(GUIDANCE)}
        for message in recorded.reader.messages(SCREEN):
            earlier = shown.get(message.get("frame"), message)
            shown[message.get("frame")] = {**message, "ingest_to_paint_ms": earlier.get("ingest_to_paint_ms")}
    for index in frames:
        row: dict[str, Any] = {"frame": index}
        number = index
        try:
            if recorded is not None:
                header = recorded.header(index)
                number = header.index
                row["source_frame"], row["sop_instance_uid"] = (
                    header.source_frame,
                    _uid(header.sop_instance_uid, identity),
                )
                row["seconds"] = _short((header.received_ns - recorded.header(0).received_ns) / 1e9)
                row["state"] = "corrupt" if header.corrupt else ("painted" if number in shown else "not painted")
            else:
                row["source_frame"], row["sop_instance_uid"] = index, _uid(content.run.sop_instance_uid, identity)
                row["seconds"] = _short(content.shown_ms(index) / 1e3)
            row |= _guidance(guided.get(number, {})) | _screen(shown.get(number, {}))
            row |= _geometry_and_pose(content, index)
        except GuidanceError:
            row["state"] = row.get("state", "corrupt")
        yield row


def rows_of_log(folder: Path, identity: ExportIdentity) -> Iterable[dict[str, Any]]:
    """Rows of a run's `frames.jsonl`, where nothing was recorded.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / "frames.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            geometry = entry.get("geometry") or {}
            yield {
                "frame": entry["index"],
                "sop_instance_uid": _uid(entry.get("sop_instance_uid", ""), identity),
                "source_frame": entry.get("source_frame"),
                "state": entry.get("state"),
                "overlay": entry.get("overlay"),
                "overlay_age_ms": entry.get("overlay_age_ms"),
                **{name: geometry.get(name) for name in ("primary_deg", "secondary_deg", "sid_mm")},
            }
        except (ValueError, KeyError, AttributeError) as error:
            if number == len(lines):
                return  # the line that was being written when the program was killed
            raise InputError(f"{path}: line {number} is damaged ({error}); export the recording instead") from error


def _guidance(message: dict[str, Any]) -> dict[str, Any]:
    stages = message.get("stages_ms")
    stages = stages if isinstance(stages, dict) else {}
    return {
        "guidance": message.get("state", ""),
        **{name: _short(message.get(name)) for name in ("confidence", "expected_error_mm", "depth_sigma_mm")},
        **{f"{stage}_ms": _short(stages.get(stage)) for stage in _STAGES},
    }


def _screen(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "overlay": message.get("overlay", ""),
        "overlay_age_ms": _short(message.get("overlay_age_ms")),
        "ingest_to_paint_ms": _short(message.get("ingest_to_paint_ms")),
    }


def _geometry_and_pose(content: ExportContent, index: int) -> dict[str, Any]:
    geometry = content.run.geometry(index)
    row: dict[str, Any] = {
        "primary_deg": _short(math.degrees(geometry.primary_rad)),
        "secondary_deg": _short(math.degrees(geometry.secondary_rad)),
        "sid_mm": _short(geometry.sid_mm),
    }
    pose = content.pose_for(index, geometry)
    if pose is not None:
        camera = geometry.projection(pose.isocentre_from_lps).camera_from_lps.matrix
        row |= dict(zip(_CAMERA, (repr(float(value)) for value in camera[:3].ravel()), strict=True))
    return row


def _uid(original: str, identity: ExportIdentity) -> str:
    return str(identity.uid(original)) if original else ""


def _short(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else ("" if value is None else value)
