"""`result.json` and the maps beside it, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from calibration.store import make_folder, write_bytes, write_json
from engines.anatomy.files.nifti import write_nifti
from engines.anatomy.files.vtk_xml import write_vtp
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.coronaries.tree import VESSELS
from engines.cmr.fusion.elastic import carried_wall
from engines.cmr.fusion.transport import upslope_on_wall
from engines.cmr.fusion_result import Fusion, SegmentFusion
from engines.cmr.perfusion.blood_flow import NATIVE_T1_S, flow_json
from engines.cmr.results.figure import fusion_figure
from engines.cmr.results.fused_mesh import fused_mesh
from engines.cmr.results.session_file import SESSION, write_session

SCHEMA = "guidance-app/cmr/1"
INPUTS = "inputs.json"
_SLAB = 24
_BAND_MM = 3.0  # around the CT's wall in which the carried wall may lie


def write_fusion(
    out: Path, fusion: Fusion, ct: CtVolume, wall: Bool[np.ndarray, "i j k"] | None, *, case: str, elapsed_ms: float,
    inputs: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write all files of a fusion into `out`.

    Args:
        wall: the CT's own mask at full resolution, if one was given.
        inputs: where CT (`cta`) and the other inputs lie, and by which arms, for a panel that shows and corrects them
            again; paths stay on this machine and go into no export.
    """
    if wall is None:
        wall = at_full_resolution(fusion, ct)

    def fill(folder: Path) -> None:
        for name, voxels in maps_on_ct(fusion, ct, wall).items():
            write_nifti(folder / f"{name}.nii.gz", voxels, ct.lps_from_index)
        write_vtp(folder / "fused.vtp", fused_mesh(fusion))
        write_bytes(folder / "figure.png", fusion_figure(fusion, case))
        if inputs is not None:
            write_json(folder / INPUTS, dict(inputs))
        write_session(folder / SESSION, fusion)
        write_json(folder / "result.json", result_json(fusion, elapsed_ms))

    write_folder(out, fill)


def write_folder(out: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside the results, then move its files into place, `result.json` last."""
    make_folder(out)
    beside = Path(tempfile.mkdtemp(dir=out, prefix=".part-"))
    try:
        fill(beside)
        for file in sorted(beside.iterdir(), key=lambda path: path.name == "result.json"):
            file.replace(out / file.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def result_json(fusion: Fusion, elapsed_ms: float) -> dict[str, Any]:
    frame = fusion.model.frame
    return {
        "schema": SCHEMA,
        "long_axis_lps": _list(frame.axis),
        "mitral_lps_mm": _list(frame.mitral_mm),
        "apex_lps_mm": _list(frame.apex_mm),
        "rv_direction_lps": _list(frame.right),
        "segments": {str(k): _segment(value) for k, value in fusion.segments.items()},
        "stenoses": [_stenosis(fusion, index) for index in range(len(fusion.lesions))],
        "unmatched_defects": [
            {
                "segments": list(one.segments),
                "mass_g": _round(one.mass_g, 2),
                "mean_relative_upslope": _round(one.mean_upslope, 4),
            }
            for one in fusion.defects
        ],
        "dice": {"reoriented": _round(fusion.dice_reoriented, 4), "registered": _round(fusion.dice_registered, 4)},
        "flags": list(fusion.flags),
        "coronaries": fusion.coronaries,
        "coronaries_assumed": list(fusion.assumed),
        "no_blood_flow": dict(fusion.no_flow),
        "native_t1_s": dict(NATIVE_T1_S),
        "remote_relative_upslope": _round(fusion.remote, 4),
        "lps_ct_from_lps_cmr": [[float(v) for v in row] for row in fusion.place.ct_from_cmr],
        "slices": [
            {
                "file": part.part.name,
                "reference_frame": part.reference,
                "excluded_frames": list(part.motion.excluded),
                "level": _round(link.level, 3),
                "wall": "given" if part.wall.given else "found",
            }
            for part, link in zip(fusion.slices, fusion.links, strict=True)
        ],
        "seconds": {name: _round(value, 2) for name, value in fusion.seconds.items()},
        "elapsed_ms": _round(elapsed_ms, 1),
        "by_hand": list(fusion.by_hand),
        "notice": "Research use only, not a medical device.",
    }


def _segment(value: SegmentFusion) -> dict[str, Any]:
    own = value.stress
    return {
        "relative_upslope": _round(own.relative_upslope, 5),
        **flow_json(own.flow, value.rest_flow),
        "territory": value.territory,
        "aha_default": value.aha_default,
        "endo": _round(own.endo, 5),
        "epi": _round(own.epi, 5),
        "sigma": _round(own.sigma, 5),
        "reserve": _round(value.reserve, 3),
        "territory_share": _round(value.territory_share, 3),
        "territory_chance": None if value.chance is None else dict(zip(VESSELS, value.chance, strict=True)),
        "territory_shared": value.shared,
    }


def _stenosis(fusion: Fusion, index: int) -> dict[str, Any]:
    lesion = fusion.lesions[index]
    assert fusion.tree is not None
    part = fusion.tree[lesion.stenosis.branch]
    return {
        "branch": part.name,
        "vessel": fusion.vessel_of_lesion(index),
        "percent": _round(lesion.stenosis.percent, 1),
        "point_lps_mm": _list(part.branch.points_mm[lesion.stenosis.point]),
        "subtended_mass_g": _round(lesion.mass_g, 2),
        "mean_relative_upslope": _round(lesion.mean_upslope, 5),
        "of_remote": _round(lesion.of_remote, 3),
        "of_remote_sigma": _round(lesion.sigma, 3),
        "verdict": lesion.verdict,
        "doubts": list(lesion.doubts),
    }


def maps_on_ct(fusion: Fusion, ct: CtVolume, wall: Bool[np.ndarray, "i j k"]) -> dict[str, np.ndarray]:
    """Perfusion, territory and the CMR's carried wall on the CT's own grid."""
    upslope = np.full(wall.shape, np.nan, dtype=np.float32)
    index = np.argwhere(wall)
    points = index @ ct.lps_from_index[:3, :3].T + ct.lps_from_index[:3, 3]
    upslope[wall] = upslope_on_wall(fusion.model, fusion.links, fusion.slices, fusion.pool_per_s, points)
    territory = np.zeros(wall.shape, dtype=np.uint8)
    if fusion.territories is not None:
        own = fusion.heart.masks["lv_wall"]
        labels = np.zeros(own.shape, dtype=np.uint8)
        labels[own] = fusion.territories.vessel
        near = ndimage.distance_transform_edt(~own, return_distances=False, return_indices=True)
        labels = labels[tuple(near)]  # pyright: ignore[reportArgumentType]
        inverse = np.linalg.inv(fusion.heart.lps_from_index)
        at = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
        at = np.clip(at, 0, np.array(own.shape) - 1)
        territory[wall] = labels[tuple(at.T)]
    carried = np.zeros(wall.shape, dtype=np.uint8)
    band = _band(wall, ct)
    place = np.argwhere(band)
    carried[band] = carried_wall(
        fusion.model, fusion.links, place @ ct.lps_from_index[:3, :3].T + ct.lps_from_index[:3, 3]
    )
    return {"perfusion_on_ct": upslope, "territory_on_ct": territory, "warped_cmr_wall": carried}


def _band(wall: np.ndarray, ct: CtVolume) -> np.ndarray:
    """The wall's box with what lies near it: where the carried wall can be at all."""
    spacing = np.array(ct.spacing_mm)
    box = ndimage.find_objects(wall.astype(np.uint8))[0]
    margin = np.ceil(2 * _BAND_MM / spacing).astype(int)
    cut = tuple(
        slice(max(part.start - int(m), 0), min(part.stop + int(m), size))
        for part, m, size in zip(box, margin, wall.shape, strict=True)
    )
    near = np.zeros(wall.shape, dtype=bool)
    near[cut] = np.asarray(ndimage.distance_transform_edt(~wall[cut], sampling=spacing)) <= 2 * _BAND_MM
    return near


def at_full_resolution(fusion: Fusion, ct: CtVolume) -> Bool[np.ndarray, "i j k"]:
    """The working grid's wall on the CT's grid."""
    heart = fusion.heart
    own = heart.masks["lv_wall"].astype(np.float32)
    index = np.argwhere(heart.masks["lv_wall"])
    corners = np.stack([index.min(axis=0) - 2, index.max(axis=0) + 2]).astype(float)
    to_ct = np.linalg.inv(ct.lps_from_index) @ heart.lps_from_index
    ends = corners @ to_ct[:3, :3].T + to_ct[:3, 3]
    low = np.clip(np.floor(ends.min(axis=0)).astype(int), 0, None)
    high = np.minimum(np.ceil(ends.max(axis=0)).astype(int) + 1, ct.voxels_hu.shape)
    wall = np.zeros(ct.voxels_hu.shape, dtype=bool)
    for first in range(int(low[0]), int(high[0]), _SLAB):  # slab by slab: a fine CT would fill the memory
        ranges = [(first, min(first + _SLAB, int(high[0]))), *((int(low[k]), int(high[k])) for k in (1, 2))]
        grid = np.stack(np.meshgrid(*(np.arange(start, stop) for start, stop in ranges), indexing="ij"), axis=-1)
        points = grid @ ct.lps_from_index[:3, :3].T + ct.lps_from_index[:3, 3]
        wall[tuple(slice(start, stop) for start, stop in ranges)] = heart.sampled(own, points) >= 0.5
    return wall


def _list(vector: np.ndarray) -> list[float]:
    return [float(v) for v in vector]


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)
