"""What leaves the room: figure, a table of segments, a table of lesions and defects. No path, no name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from calibration.errors import InputError
from calibration.store import make_folder, write_bytes
from engines.cmr.results.figure import without_case
from guidance_app.rooms.cmr.opened import FIGURE, MAPS, MESH, OpenedCmr
from guidance_app.rooms.cmr.words import (
    coronaries_words,
    defect_sentence,
    lesion_sentence,
    reasons,
    segment_name,
    trust_of,
)
from guidance_app.views.palette import RESEARCH_LINE

SEGMENTS, LESIONS, SCREENSHOT = "segments.csv", "lesions.csv", "panel.png"
_SEGMENT_COLUMNS = ("segment", "name", "relative_upslope", "of_remote", "sigma", "endo", "epi", "stress_over_rest",
                    "stress_mbf_ml_min_g", "stress_mbf_residual", "rest_mbf_ml_min_g",
                    "territory", "territory_share", "territory_chance", "territory_shared", "aha_default")  # fmt: skip
_LESION_COLUMNS = ("kind", "branch", "vessel", "percent", "x_lps_mm", "y_lps_mm", "z_lps_mm", "mass_g",
                   "mean_relative_upslope", "of_remote", "verdict", "segments", "sentence")  # fmt: skip


def export_files(opened: OpenedCmr, folder: Path, *, corrected: bool = False) -> tuple[Path, ...]:
    """Write all but the picture of the screen; each file appears whole.

    Args:
        corrected: the folder holds a corrected result already; its own figure, mesh and maps stay.

    Raises:
        InputError: the folder cannot be written to, or the result's figure has gone.
    """
    if not corrected:
        _copy(opened.folder, folder)
    write_bytes(folder / SEGMENTS, segment_csv(opened).encode())
    write_bytes(folder / LESIONS, lesion_csv(opened).encode())
    return tuple(folder / name for name in (FIGURE, *MAPS, MESH, SEGMENTS, LESIONS))


def _copy(result: Path, folder: Path) -> None:
    """Figure without a name, mesh and maps."""
    name = FIGURE
    try:
        figure = without_case((result / FIGURE).read_bytes())
        content = {}
        for name in (*MAPS, MESH):
            content[name] = (result / name).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{result / name}: cannot be read ({error}); fuse the case again") from error
    make_folder(folder)
    write_bytes(folder / FIGURE, figure)
    for name, file in content.items():
        write_bytes(folder / name, file)


def segment_csv(opened: OpenedCmr) -> str:
    """One row an AHA segment; what was not seen is empty."""
    rows = []
    for number, one in sorted(opened.found.segments.items()):
        rows.append((number, segment_name(number), one.relative_upslope, opened.share(number), one.sigma, one.endo,
                     one.epi, one.reserve, one.stress_mbf, one.stress_mbf_residual, one.rest_mbf, one.territory,
                     one.territory_share,
                     max((one.territory_chance or {}).values(), default=None),
                     "yes" if one.territory_shared else "no", one.aha_default))  # fmt: skip
    return _table(opened, _SEGMENT_COLUMNS, rows)


def lesion_csv(opened: OpenedCmr) -> str:
    """One row a lesion, then one a defect that no lesion explains."""
    rows: list[tuple[object, ...]] = [
        ("lesion", one.branch, one.vessel, one.percent, *one.point_lps_mm, one.subtended_mass_g,
         one.mean_relative_upslope, one.of_remote, one.verdict, "", lesion_sentence(one, opened.found))
        for one in opened.found.stenoses
    ]  # fmt: skip
    for one in opened.found.unmatched_defects:
        share = one.mean_relative_upslope / opened.remote if opened.remote else None
        rows.append(("defect", "", "", None, None, None, None, one.mass_g, one.mean_relative_upslope, share,
                     "unmatched_defect", " ".join(map(str, one.segments)),
                     defect_sentence(one, opened.remote)))  # fmt: skip
    return _table(opened, _LESION_COLUMNS, rows)


def _table(opened: OpenedCmr, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    flags = opened.found.flags
    out = io.StringIO()
    hand = f"# corrected by hand: {'; '.join(opened.found.by_hand)}\n" if opened.found.by_hand else ""
    source = f"# {words}\n" if (words := coronaries_words(opened.found)) else ""
    lacking = "; ".join(f"{kind}: {why}" for kind, why in opened.found.no_blood_flow.items())
    flow = f"# no blood flow at {lacking}\n" if lacking else ""
    trust = f"# {trust_of(flags)}: {'; '.join(reasons(flags)) or 'no flag was raised'}\n"
    out.write(f"# {RESEARCH_LINE}\n{trust}{hand}{source}{flow}")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row])
    return out.getvalue()
