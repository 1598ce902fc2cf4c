"""A perfusion study without a CT: walls, motion, curves and segments, from files to files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.store import make_folder, write_bytes, write_json
from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.fusion_result import AHA_DEFAULT
from engines.cmr.perfusion.blood_flow import NATIVE_T1_S, flow_json, flow_model, known
from engines.cmr.perfusion.segments import SegmentPerfusion, segment_table
from engines.cmr.perfusion.segments_without_ct import places_in_stack
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion, measure_slices
from engines.cmr.perfusion.study_flags import study_flags
from engines.cmr.reading.perfusion import load_perfusion
from engines.cmr.reading.slice_files import write_slice
from engines.cmr.results.result_file import write_folder

SCHEMA = "guidance-app/cmr-perfusion/1"


def perfusion_files(
    perfusion: Path,
    out: Path,
    *,
    stress_series: str = "",
    rest_series: str = "",
    arms: Arms = DEFAULT,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Read, measure, write; returns what `result.json` holds.

    Raises:
        InputError: any input that cannot be used; nothing is written then.
    """
    started = time.perf_counter()
    say = progress or (lambda _text, _share: None)
    make_folder(out)
    series = load_perfusion(perfusion, stress_series=stress_series, rest_series=rest_series)
    total = len(series.stress) + len(series.rest)
    seen = iter(range(total))
    reasons: list[str] = []
    measured: dict[str, tuple[SlicePerfusion, ...]] = {"stress": (), "rest": ()}
    for kind, parts in (("stress", series.stress), ("rest", series.rest)):
        if parts:
            measured[kind], lost = measure_slices(
                parts, lambda part: say(f"slice {part.name}", 0.9 * next(seen) / total), wall=arms.wall
            )
            reasons.extend(lost)
    stress, knows_rv, no_flow = _table(measured["stress"], series.saturation_time_ms)
    rest, _, no_rest_flow = _table(measured["rest"], series.saturation_time_ms) if measured["rest"] else (None,) * 3
    flags = [*series.flags, *study_flags(measured["stress"], measured["rest"], stress, rest)]
    if reasons:
        flags.append("SLICE_LEFT_OUT")
    if not knows_rv:
        flags.append("RV_UNKNOWN")
    if len(series.stress) < 3:
        flags.append("FEW_SLICES")
    result = {
        "schema": SCHEMA,
        "slices": [_slice_json(part) for part in measured["stress"]],
        "rest_slices": [_slice_json(part) for part in measured["rest"]],
        "segments": {str(k): _segment_json(k, stress[k], rest) for k in range(1, 18)},
        "left_out": reasons,
        "no_blood_flow": {kind: why for kind, why in (("stress", no_flow), ("rest", no_rest_flow)) if why},
        "native_t1_s": dict(NATIVE_T1_S),
        "flags": list(dict.fromkeys(flags)),
        "elapsed_ms": round(1000.0 * (time.perf_counter() - started), 1),
        "notice": "Research use only, not a medical device.",
    }

    def fill(folder: Path) -> None:
        from engines.cmr.results.perfusion_figure import perfusion_figure

        for kind, parts in (("stress", series.stress), ("rest", series.rest)):
            number = {id(part): index for index, part in enumerate(parts)}
            for part in measured[kind]:
                _write_maps(folder, f"{kind}_{number[id(part.part)]}", part)
        write_bytes(
            folder / "figure.png", perfusion_figure(measured["stress"], stress, result["flags"], out.resolve().name)
        )
        write_json(folder / "result.json", result)

    say("files", 0.92)
    write_folder(out, fill)
    return result


def _table(
    slices: Sequence[SlicePerfusion], saturation_time_ms: float | None
) -> tuple[dict[int, SegmentPerfusion], bool, str]:
    """Segments, whether any slice tells where the right ventricle is, and why there is no blood flow, if so."""
    places, knows_rv = places_in_stack(slices)
    basal = max(range(len(slices)), key=lambda k: float(places[k].level[0]) if len(places[k].level) else 0.0)
    flow = flow_model(slices, slices[basal], saturation_time_ms)
    table = segment_table(slices, places, slices[basal].pool.upslope_per_s, known(flow))
    return table, knows_rv, flow if isinstance(flow, str) else ""


def _write_maps(folder: Path, name: str, part: SlicePerfusion) -> None:
    walls = np.zeros(part.wall.wall.shape, dtype=np.uint8)
    walls[part.wall.right_pool], walls[part.wall.pool], walls[part.wall.wall] = 3, 2, 1
    write_slice(folder / f"walls_{name}.nii.gz", walls, part.part.lps_from_index)
    shift = part.motion.shift_px.astype(np.float32)
    field = np.broadcast_to(shift[None, None], (*walls.shape, *shift.shape))
    write_slice(folder / f"motion_{name}.nii.gz", np.ascontiguousarray(field), part.part.lps_from_index)
    upslope = part.spread(part.upslope_per_s / part.pool.upslope_per_s)
    upslope = np.where(part.wall.wall, upslope, np.nan).astype(np.float32)
    write_slice(folder / f"upslope_{name}.nii.gz", upslope, part.part.lps_from_index)


def _slice_json(part: SlicePerfusion) -> dict[str, Any]:
    moved = np.linalg.norm(part.motion.shift_px * part.part.pixel_mm[:, None], axis=0)
    return {
        "file": part.part.name,
        "reference_frame": int(part.reference),
        "excluded_frames": list(part.motion.excluded),
        "wall": "given" if part.wall.given else "found",
        "largest_motion_mm": round(float(moved.max()), 2),
        "roughness_before": round(part.motion.roughness_before, 4),
        "roughness_after": round(part.motion.roughness_after, 4),
        "contrast_to_noise": round(part.pool.contrast_to_noise, 2),
        "peak_frame": int(part.pool.peak),
        "lv_pool_curve": [round(float(v), 4) for v in part.pool.signal],
        "lv_wall_curve": [round(float(v), 4) for v in part.curves.mean(axis=0)],
    }


def _segment_json(number: int, own: SegmentPerfusion, rest: Mapping[int, SegmentPerfusion] | None) -> dict[str, Any]:
    def short(value: float | None) -> float | None:
        return None if value is None else round(value, 5)

    other = rest[number].relative_upslope if rest else None
    reserve = own.relative_upslope / other if own.relative_upslope is not None and other else None
    return {
        "relative_upslope": short(own.relative_upslope),
        **flow_json(own.flow, rest[number].flow if rest else None),
        "territory": None,
        "aha_default": AHA_DEFAULT[number],
        "endo": short(own.endo),
        "epi": short(own.epi),
        "sigma": short(own.sigma),
        "reserve": short(reserve),
    }
