"""How far a fusion of a simulated case is from its truth."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from engines.anatomy.files.ct import load_ct
from engines.anatomy.files.nifti import read_nifti
from engines.cmr.arms import Arms
from engines.cmr.fuse import judge_case
from engines.cmr.fusion.elastic import folding_share, wall_dice
from engines.cmr.fusion_result import Fusion
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.measured import Measured, measure_case
from engines.cmr.reading.coronaries import load_coronaries
from engines.cmr.reading.ct_masks import load_heart_masks
from engines.cmr.reading.perfusion import load_perfusion
from engines.cmr.registered import register_case
from engines.cmr.results.result_file import result_json
from engines.evaluation.cmr.true_places import roundness, transport_of
from engines.simulation.cmr.patient import Patient, draw_patient

_SAME_LESION_MM = 10.0
_TIGHT_PERCENT = 50.0
_DEFECT_SPREAD = 0.06  # coefficient of variation above which segments differ by more than normal unevenness


def evaluate_case(
    folder: Path,
    *,
    masks_given: bool,
    trials: Mapping[str, Arms],
    names: Sequence[str],
    without_tree: Collection[str] = (),
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fuse one simulated case, with its masks or without any, and compare it with `truth.json`, an arm at a time.

    Arms that differ only after heart and slices are measured share the measuring, which counts in each one's seconds.

    Args:
        without_tree: names of arms that have to find the coronaries in the CT.
    """
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    ct = load_ct(folder / "cta.nii.gz")
    true_masks = load_heart_masks(folder / "ct_masks", ct)
    drawn = load_perfusion(folder / "perfusion")
    series = drawn if masks_given else drawn.without_masks()
    branches = load_coronaries(folder / "coronaries.vtp")
    patient = draw_patient(truth["seed"])
    truth["_folder"] = str(folder)
    known: dict[tuple[tuple[str, str, str], bool], tuple[Measured, float]] = {}
    for name in names:
        arms, treeless = trials[name], name in without_tree
        if (arms.of_measuring, treeless) not in known:
            started = time.perf_counter()
            before, spent = known.get((arms.of_measuring, not treeless), (None, 0.0))
            made = measure_case(
                ct,
                true_masks if masks_given else None,
                None if treeless else branches,
                series,
                arms=arms,
                before=before,
            )
            known[arms.of_measuring, treeless] = made, spent + time.perf_counter() - started
        measured, seconds = known[arms.of_measuring, treeless]
        started = time.perf_counter()
        fusion = judge_case(measured, register_case(measured, arms=arms))
        seconds += time.perf_counter() - started
        yield (
            name,
            {
                "case": folder.name,
                "seed": truth["seed"],
                "split": truth["split"],
                "masks": "given" if masks_given else "predicted",
                "coronaries": measured.coronaries,
                "flags": list(fusion.flags),
                "doubts": sorted({doubt for lesion in fusion.lesions for doubt in lesion.doubts}),
                "seconds": seconds,
                "stages": dict(fusion.seconds),
                **_frame(fusion, truth),
                **_walls(fusion, truth, drawn, masks_given),
                **_transport(fusion, patient, folder),
                **_motion(fusion, folder),
                **_perfusion(fusion, truth),
                **_voxels(fusion, folder),
                **_flow(fusion, truth),
                **_territory(fusion, truth),
                **_lesions(fusion, truth),
            },
        )


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))


def _frame(fusion: Fusion, truth: dict[str, Any]) -> dict[str, Any]:
    frame, axis = fusion.model.frame, np.array(truth["long_axis_lps"])

    def in_plane(drop: int) -> float:
        keep = [k for k in range(3) if k != drop]
        return _degrees(frame.axis[keep], axis[keep])

    right = np.array(truth["rv_direction_lps"])
    true_frame = LvFrame(
        apex_mm=np.array(truth["apex_lps_mm"]), mitral_mm=np.array(truth["mitral_lps_mm"]), right=right
    )
    turned = right - (right @ frame.axis) * frame.axis
    return {
        "axis_deg": _degrees(frame.axis, axis),
        "roundness": roundness(fusion.heart, frame),
        "roundness_of_true_axis": roundness(fusion.heart, true_frame),
        "axis_axial_deg": in_plane(2),
        "axis_coronal_deg": in_plane(1),
        "roll_deg": _degrees(frame.right, turned),
        "mitral_mm": float(np.linalg.norm(frame.mitral_mm - truth["mitral_lps_mm"])),
        "apex_mm": float(np.linalg.norm(frame.apex_mm - truth["apex_lps_mm"])),
    }


def _walls(fusion: Fusion, truth: dict[str, Any], drawn: Any, masks_given: bool) -> dict[str, Any]:
    true_move = np.array(truth["ct_from_cmr"])
    rigid = [wall_dice(fusion.heart, fusion.model, link, true_move, elastic=False) for link in fusion.links]
    found = {
        "dice_true_rigid": float(np.mean(rigid)),
        "dice_reoriented": fusion.dice_reoriented,
        "dice_registered": fusion.dice_registered,
        "folding_share": max(folding_share(link) for link in fusion.links),
    }
    turn = fusion.place.ct_from_cmr[:3, :3] @ true_move[:3, :3].T
    found["move_turn_deg"] = float(np.rad2deg(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
    if not masks_given:
        dice = []
        for part, own in zip(drawn.stress, fusion.slices, strict=True):
            a, b = part.masks["lv_wall"], own.wall.wall
            dice.append(2.0 * int((a & b).sum()) / max(int(a.sum() + b.sum()), 1))
        found["cmr_wall_dice"] = float(np.mean(dice))
    return found


def _true_motion(folder: Path, index: int) -> np.ndarray:
    return np.asarray(nib.load(folder / "truth" / f"motion_stress_{index}.nii.gz").get_fdata())[0, 0]  # pyright: ignore[reportAttributeAccessIssue]


def _transport(fusion: Fusion, patient: Patient, folder: Path) -> dict[str, Any]:
    found = transport_of(fusion, patient, [_true_motion(folder, k) for k in range(len(fusion.slices))])
    return {
        "transport_level_mm": found.level_mm,
        "transport_around_mm": found.around_mm,
        "transport_depth": found.depth_share,
        "dice_true_warp": found.true_warp_dice,
    }


def _motion(fusion: Fusion, folder: Path) -> dict[str, Any]:
    errors, moved = [], []
    for index, part in enumerate(fusion.slices):
        true = _true_motion(folder, index)
        true = true - true[:, part.reference : part.reference + 1]
        mm = part.part.pixel_mm[:, None]
        errors.append(np.linalg.norm((part.motion.shift_px - true) * mm, axis=0))
        moved.append(np.linalg.norm(true * mm, axis=0))
    return {
        "motion_error_mm": float(np.median(np.concatenate(errors))),
        "motion_error_95_mm": float(np.percentile(np.concatenate(errors), 95)),
        "motion_true_95_mm": float(np.percentile(np.concatenate(moved), 95)),
    }


def _perfusion(fusion: Fusion, truth: dict[str, Any]) -> dict[str, Any]:
    pairs = [
        (fusion.segments[k].stress.relative_upslope, truth["segments"][str(k)]["relative_upslope"])
        for k in range(1, 17)
    ]
    known = np.array([pair for pair in pairs if pair[0] is not None], dtype=np.float64)
    spread = float(known[:, 1].std() / known[:, 1].mean())
    ratio = known[:, 0] / known[:, 1]
    return {
        "segments_seen": len(known),
        "true_spread": spread,
        # In a heart whose segments hardly differ a correlation measures noise: only hearts with a defect count.
        "segment_r": float(np.corrcoef(known[:, 0], known[:, 1])[0, 1]) if spread > _DEFECT_SPREAD else None,
        "segment_bias": float(ratio.mean()),
        "segment_noise": float(ratio.std() / ratio.mean()),
        "segments": [[None if a is None else float(a), float(b)] for a, b in pairs],
    }


def _flow(fusion: Fusion, truth: dict[str, Any]) -> dict[str, Any]:
    """Blood flow of segments against the simulated one; cases of before it was told have no truth of it."""
    pairs = [
        (own.ml_min_g, truth["segments"][str(k)].get("stress_mbf"))
        for k in range(1, 17)
        if (own := fusion.segments[k].stress.flow) is not None and own.ml_min_g is not None
    ]
    known = np.array([pair for pair in pairs if pair[1] is not None], dtype=np.float64).reshape(-1, 2)
    if len(known) < 4:
        return {"flow_r": None, "flow_bias": None, "flow_error": None}
    told = {
        "flow_bias": float((known[:, 0] / known[:, 1]).mean()),
        "flow_error": float(np.abs(known[:, 0] - known[:, 1]).mean()),
    }
    spread = float(known[:, 1].std() / known[:, 1].mean())
    return told | {"flow_r": float(np.corrcoef(known[:, 0], known[:, 1])[0, 1]) if spread > _DEFECT_SPREAD else None}


def _voxels(fusion: Fusion, folder: Path) -> dict[str, Any]:
    voxels, affine = read_nifti_nan(folder / "truth" / "perfusion_on_ct.nii.gz")
    heart = fusion.heart
    points = heart.points_mm(heart.masks["lv_wall"])
    inverse = np.linalg.inv(affine)
    index = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < voxels.shape)).all(axis=1)
    true = np.full(len(points), np.nan)
    true[inside] = voxels[tuple(index[inside].T)]
    both = np.isfinite(true) & np.isfinite(fusion.upslope)
    if both.sum() < 100 or float(true[both].std() / true[both].mean()) < _DEFECT_SPREAD:
        return {"voxel_r": None}
    return {"voxel_r": float(np.corrcoef(true[both], fusion.upslope[both])[0, 1])}


def read_nifti_nan(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A map whose unknown voxels are NaN, which the strict reader refuses."""
    from engines.anatomy.files.nifti import LPS_FROM_RAS

    image = nib.load(path)
    return np.asarray(image.get_fdata()), LPS_FROM_RAS @ np.asarray(image.affine)  # pyright: ignore[reportAttributeAccessIssue]


def _territory(fusion: Fusion, truth: dict[str, Any]) -> dict[str, Any]:
    segments = truth["segments"]
    own = [fusion.segments[k].territory == segments[str(k)]["territory"] for k in range(1, 17)]
    default = [segments[str(k)]["aha_default"] == segments[str(k)]["territory"] for k in range(1, 17)]
    called = [not fusion.segments[k].shared for k in range(1, 17)]
    sure = [right for right, alone in zip(own, called, strict=True) if alone]
    return {
        "territory_right": float(np.mean(own)),
        "aha_right": float(np.mean(default)),
        "territory_called_right": float(np.mean(sure)) if sure else None,
        "aha_called_right": float(np.mean([right for right, alone in zip(default, called, strict=True) if alone]))
        if sure
        else None,
        "territory_called": float(np.mean(called)),
        "territory_rows": [
            [max(fusion.segments[k].chance or (0.0,)), right, alone]
            for k, right, alone in zip(range(1, 17), own, called, strict=True)
        ],
    } | _territory_mass(fusion, truth)


def _territory_mass(fusion: Fusion, truth: dict[str, Any]) -> dict[str, Any]:
    folder = truth.get("_folder")
    if folder is None or fusion.territories is None:
        return {}
    labels, affine = read_nifti(Path(folder) / "truth" / "territory_on_ct.nii.gz")
    inverse = np.linalg.inv(affine)
    index = np.rint(fusion.territories.points_mm @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < labels.shape)).all(axis=1)
    true = np.zeros(len(index), dtype=int)
    true[inside] = labels[tuple(index[inside].T)]
    known = true > 0
    return {"territory_mass_right": float((true == fusion.territories.vessel)[known].mean())}


def _lesions(fusion: Fusion, truth: dict[str, Any]) -> dict[str, Any]:
    found = result_json(fusion, 0.0)["stenoses"]
    rows, used = [], set()
    for lesion in truth["stenoses"]:
        near = [
            (float(np.linalg.norm(np.array(one["point_lps_mm"]) - lesion["point_lps_mm"])), k)
            for k, one in enumerate(found)
            if k not in used
        ]
        best = min(near, default=(np.inf, -1))
        one = found[best[1]] if best[0] < _SAME_LESION_MM else None
        if one is not None:
            used.add(best[1])
        rows.append(
            {
                "percent": lesion["percent"],
                "found_percent": one["percent"] if one else None,
                "vessel_right": one["vessel"] == lesion["vessel"] if one else None,
                "mass_g": lesion["subtended_mass_g"],
                "found_mass_g": one["subtended_mass_g"] if one else None,
                "culprit": lesion["culprit"],
                "verdict": one["verdict"] if one else None,
            }
        )
    culprits = {lesion["vessel"] for lesion in truth["stenoses"] if lesion["culprit"]}
    called = {one["vessel"] for one in found if one["verdict"] in ("matched", "shared")}
    tight = [row for row in rows if row["percent"] >= _TIGHT_PERCENT]
    return {
        "lesions": rows,
        "invented": len(found) - len(used),
        "invented_tight": sum(one["percent"] >= _TIGHT_PERCENT for k, one in enumerate(found) if k not in used),
        "tight": len(tight),
        "tight_found": sum(row["found_percent"] is not None for row in tight),
        "culprits_right": culprits == called,
        "unmatched_defects": len(fusion.defects),
    }
