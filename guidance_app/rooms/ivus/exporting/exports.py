"""What leaves the room: figure, table a frame, geometry, and the result with its review mark. No path, no name."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from calibration.store import make_folder, write_atomically, write_bytes, write_json
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import write_vtp
from engines.ivus.figure import write_figure
from engines.ivus.files.result_files import result_of
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.answer.frame_table import FrameTable
from guidance_app.views.palette import RESEARCH_LINE

FIGURE, TABLE, RESULT, VESSEL, SCREENSHOT, FILM = (
    "figure.png", "frames.csv", "result.json", "pullback.vtp", "panel.png", "scrub.mp4",
)  # fmt: skip
_COLUMNS = (
    "frame", "z_mm", "place_mm", "x_lps_mm", "y_lps_mm", "z_lps_mm", "lumen_mm2", "vessel_mm2", "burden_percent",
    "calcium_deg", "ct_lumen_mm2", "sigma_mm", "sigma_deg", "note",
)  # fmt: skip


def export_files(desk: FusionDesk, table: FrameTable, folder: Path) -> tuple[Path, ...]:
    """Write all but the pictures of the screen; each file appears whole.

    Raises:
        InputError: the folder cannot be written to.
    """
    make_folder(folder)
    write_atomically(
        folder / FIGURE, lambda beside: write_figure(beside, desk.fusion, desk.opened.source, desk.ct.stack())
    )
    write_bytes(folder / TABLE, frame_csv(desk, table).encode())
    write_atomically(folder / VESSEL, lambda beside: write_vtp(beside, pullback_line(desk, table)))
    write_json(folder / RESULT, reviewed_result(desk))
    return tuple(folder / name for name in (FIGURE, TABLE, VESSEL, RESULT))


def reviewed_result(desk: FusionDesk) -> dict[str, Any]:
    """`result.json` with what a person said of it."""
    return {
        **result_of(desk.fusion),
        "research_line": RESEARCH_LINE,
        "review": {
            "verdict": desk.verdict,
            "by_person": desk.review or None,
            "with_manual_help": bool(desk.acts) or desk.shown_candidate != 0,
            "acts": [act.words for act in desk.acts],
            "bookmarks": [asdict(mark) for mark in desk.bookmarks],
            "measurements": [found.as_json() for found in desk.measurements],
        },
    }


def frame_csv(desk: FusionDesk, table: FrameTable) -> str:
    """One row a stored frame; what is not known is empty."""
    fusion, known = desk.fusion, desk.fusion.certainty
    nothing = np.full(desk.frames, np.nan)
    sigma = (
        [nothing, nothing]
        if known is None
        else [desk.at_frames(known.place_sigma_mm), desk.at_frames(known.turn_sigma_deg)]
    )
    notes = {mark.frame: mark.note.replace('"', "'") for mark in desk.bookmarks}
    columns = [fusion.z_mm, fusion.place_mm, *fusion.points_mm.T, table.lumen_mm2, table.vessel_mm2,
               table.burden_percent, table.calcium_deg, table.ct_area_mm2, *sigma]  # fmt: skip
    out = io.StringIO()
    out.write(f"# {RESEARCH_LINE}\n{','.join(_COLUMNS)}\n")
    for frame, row in enumerate(zip(*columns, strict=True)):
        cells = ["" if not np.isfinite(value) else f"{value:.3f}" for value in row]
        note = f'"{notes[frame]}"' if frame in notes else ""
        out.write(",".join([str(frame), *cells, note]) + "\n")
    return out.getvalue()


def pullback_line(desk: FusionDesk, table: FrameTable) -> PolyData:
    """The catheter's way, with a frame's axes and numbers at each point."""
    fusion = desk.fusion
    arrays = {"u": fusion.u, "v": fusion.v, "place_mm": fusion.place_mm, "z_mm": fusion.z_mm,
              "lumen_mm2": table.lumen_mm2, "ct_lumen_mm2": table.ct_area_mm2}  # fmt: skip
    if fusion.certainty is not None:
        arrays["sigma_mm"] = desk.at_frames(fusion.certainty.place_sigma_mm)
    return PolyData(points=fusion.points_mm, lines=(np.arange(desk.frames),), point_arrays=arrays)
