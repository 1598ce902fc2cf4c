"""Simulate fluoroscopy of a real CTA: its own tissue, and contrast in its labelled lumen, with exact truth."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import ndimage
from scipy.spatial import KDTree

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.cases.case import write_case
from engines.anatomy.centerlines.skeleton import centerlines_from_labels
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.files.ct import save_ct
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, LabelVolume
from engines.angiography.files.xa_writer import XaRecord, instance_uid, write_xa
from engines.simulation.anatomies.anatomy import water_and_bone
from engines.simulation.imaging.collimator import draw_opening
from engines.simulation.imaging.shadow import line_integrals_mm
from engines.simulation.imaging.xray import Shadow, Tone, expose, typical_signal
from engines.simulation.runs.bolus import Filling, Injection, plan_filling
from engines.simulation.runs.carm_views import draw_view, place_patient, view_text
from engines.simulation.runs.coronary_runs import draw_cine_detector
from engines.simulation.runs.motion import Moment
from engines.simulation.runs.run_rendering import AORTA, VISIBLE_SHARE, RenderedRun, RunPlan
from engines.simulation.runs.truth import write_truth
from engines.simulation.shapes.voxels import BLOOD_HU

_FRAME_TIME_MS = 66.7
_PIECES = 10  # pieces of the lumen; each is filled as a whole
_LUMEN_HU, _LUMEN_MM = 170.0, 3.0  # from this level and thickness on, enhanced vessels beside the lumen are emptied
_VISIBLE_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Body:
    """The body that the beam passes."""

    water: Float32[np.ndarray, "i j k"]
    bone: Float32[np.ndarray, "i j k"]
    pieces: tuple[Float32[np.ndarray, "i j k"], ...]
    piece_points: tuple[np.ndarray, ...]
    lps_from_index: Float[np.ndarray, "4 4"]
    step_mm: float


def simulate_from_cta(
    ct: CtVolume, labels: LabelVolume, seed: int, out_dir: Path | str, *, runs: int = 2, frames: int = 24
) -> Path:
    """Write a TAVI case with a real CTA and simulated runs; the truth is exact even if the labels are not.

    The CTA's own contrast is taken out of the lumen and of everything as bright and thick as blood; then a bolus
    runs through the lumen from the centerline's root. Nothing moves. The case's models are those of `labels`.

    Args:
        ct: the anatomy.
        labels: the lumen, on the CT's grid.
        seed: for views, position on the table, bolus and detector.
        out_dir: folder to be made.
        runs: number of views.
        frames: frames per run.

    Raises:
        InputError: the labels lie on another grid, the lumen is empty, or the folder exists.
    """
    target = Path(out_dir)
    if target.exists():
        raise InputError(f"{target}: exists; choose another output folder")
    same_place = labels.labels.shape == ct.voxels_hu.shape and np.allclose(
        labels.lps_from_index, ct.lps_from_index, atol=1e-2
    )
    if not same_place:
        raise InputError("the labels lie on another grid than the CTA; export them on the CTA's voxels")
    rng = np.random.default_rng([seed, 17])
    tree = centerlines_from_labels(labels, min_branch_mm=10.0)
    body = _body(ct, labels, tree)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".part-{target.name}-"))
    try:
        _write(beside, ct, labels, tree, body, rng, seed, runs, frames)
        beside.chmod(0o755)
        beside.replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _body(ct: CtVolume, labels: LabelVolume, tree: CenterlineTree) -> _Body:
    hu = ct.voxels_hu.astype(np.float32)
    lumen = labels.labels > 0
    bright = (hu > _LUMEN_HU) & (hu < 3.0 * float(np.median(hu[lumen])))
    steps = max(1, round(_LUMEN_MM / float(min(ct.spacing_mm))))
    thick = np.asarray(ndimage.binary_opening(bright, iterations=steps), dtype=bool)
    spread = ndimage.generic_gradient_magnitude(hu, ndimage.sobel)
    blood = thick & (ndimage.uniform_filter(np.asarray(spread), 3) < 1500.0)
    emptied = lumen | np.asarray(ndimage.binary_dilation(blood, iterations=1), dtype=bool) & (hu > 0)
    hu = np.where(emptied, np.minimum(hu, BLOOD_HU), hu).astype(np.float32)
    water, bone = water_and_bone(hu)
    occupancy = ndimage.gaussian_filter(lumen.astype(np.float32), 0.5)
    points = tree.points_mm()
    index = np.argwhere(occupancy > 0.02)
    nearest = KDTree(points).query(index @ ct.lps_from_index[:3, :3].T + ct.lps_from_index[:3, 3])[1]
    groups = np.array_split(np.argsort(_arrival(tree)), _PIECES)
    piece_of_point = np.empty(len(points), dtype=int)
    for number, group in enumerate(groups):
        piece_of_point[group] = number
    pieces = []
    for number in range(_PIECES):
        own = index[piece_of_point[nearest] == number]
        piece = np.zeros(occupancy.shape, dtype=np.float32)
        piece[tuple(own.T)] = occupancy[tuple(own.T)]
        pieces.append(piece)
    return _Body(
        water=water,
        bone=bone,
        pieces=tuple(pieces),
        piece_points=tuple(groups),
        lps_from_index=ct.lps_from_index,
        step_mm=float(min(ct.spacing_mm)),
    )


def _arrival(tree: CenterlineTree) -> Float[np.ndarray, " n"]:
    unit = Injection(arrival_s=0.0, speed_mm_per_s=1.0, duration_s=1.0, rise_s=1.0, fall_s=1.0, peak_g_per_cm3=1.0)
    return plan_filling(tree, ("lumen",) * len(tree.branches), {"lumen": unit}, frozenset()).arrival_s


def _write(
    folder: Path,
    ct: CtVolume,
    labels: LabelVolume,
    tree: CenterlineTree,
    body: _Body,
    rng: np.random.Generator,
    seed: int,
    runs: int,
    frames: int,
) -> None:
    case_id = f"tavi-cta-{seed}"
    save_ct(folder / "cta.nii.gz", ct)
    save_labels(folder / "vessels.nii.gz", labels)
    save_surface(folder / "surface.vtp", surface_from_labels(labels))
    save_centerlines(folder / "centerlines.vtp", tree)
    (folder / "xa").mkdir()
    (folder / "truth").mkdir()
    recordings = []
    points = tree.points_mm()
    # The arch and the aorta before it, which a procedure at the valve shows.
    target_mm = points[points[:, 2] > np.percentile(points[:, 2], 45)].mean(axis=0)
    pose = place_patient(rng, target_mm)
    for number in range(runs):
        angles = ((rng.uniform(2, 14), rng.uniform(-22, 12)), (rng.uniform(28, 45), rng.uniform(-10, 10)))[number % 2]
        geometry = draw_view(
            rng, primary_deg=angles[0], secondary_deg=angles[1], spread_deg=1.5, sid_mm=(1000, 1150),
            sod_mm=(720, 790), field_mm=(270.0, 300.0),
        )  # fmt: skip
        run = _run(rng, body, tree, geometry, pose, f"run{number + 1}", frames)
        uid = f"cta {seed} {run.plan.name}"
        record = XaRecord(
            pixels=run.pixels, geometry=geometry, frame_time_ms=_FRAME_TIME_MS, uid_seed=uid, patient_id=case_id,
            series_number=number + 1, instance_number=number + 1, description=f"simulated from CTA {run.plan.name}",
            mask_frames=(), intensity="DISP", acquired=f"20200101{12 + number:02d}0000", compression="jpeg2000",
        )  # fmt: skip
        file = f"xa/{run.plan.name}.dcm"
        write_xa(folder / file, record)
        write_truth(folder / "truth", run, case_id=case_id, file=f"{run.plan.name}.dcm",
                    sop_instance_uid=instance_uid(uid))  # fmt: skip
        recordings.append((file, "xa"))
    write_case(
        folder, case_id=case_id, kind="tavi", frame_of_reference_uid=ct.frame_of_reference_uid,
        files={"cta": "cta.nii.gz", "vessels": "vessels.nii.gz", "surface": "surface.vtp",
               "centerlines": "centerlines.vtp"},
        recordings=recordings, vessels_names=dict(labels.names),
    )  # fmt: skip


def _run(
    rng: np.random.Generator,
    body: _Body,
    tree: CenterlineTree,
    geometry: CArmGeometry,
    pose: RigidPose,
    name: str,
    frames: int,
) -> RenderedRun:
    seconds = frames * _FRAME_TIME_MS / 1000.0
    bolus = Injection(
        arrival_s=0.14 * seconds, speed_mm_per_s=rng.uniform(900, 1300) / seconds, duration_s=0.4 * seconds,
        rise_s=0.1 * seconds, fall_s=0.15 * seconds, peak_g_per_cm3=rng.uniform(0.026, 0.045),
    )  # fmt: skip
    filling = plan_filling(tree, ("lumen",) * len(tree.branches), {"lumen": bolus}, frozenset())
    plan = RunPlan(
        name=name,
        geometry=geometry,
        frame_time_ms=_FRAME_TIME_MS,
        moments=(Moment(isocentre_from_lps=pose, contraction=0.0, breath_mm=np.zeros(3)),) * frames,
        filling=filling,
        devices=(),
        detector=draw_cine_detector(rng, photons=(700.0, 1500.0), contrast=(75.0, 105.0)),
        opening=draw_opening(rng, geometry.shape_px, view_text(geometry)),
    )
    paths = _paths_mm(body, plan)
    pictures = np.empty((frames, *geometry.shape_px), dtype=np.uint8)
    labels = np.zeros_like(pictures)
    field, tone, typical = plan.opening.field_of_view, None, 0.0
    for number in range(frames):
        iodine, labels[number] = _iodine(body, paths[2:], filling, number * _FRAME_TIME_MS / 1000.0)
        labels[number][~field] = 0
        shadow = Shadow(water_mm=paths[0], bone_mm=paths[1], iodine_g_per_cm2=iodine)
        if tone is None:
            typical = typical_signal(shadow, field)
        log_signal = expose(rng, shadow, plan.detector, typical=typical, field_of_view=field)
        if tone is None:
            tone = Tone.of_first_frame(log_signal, plan.detector, field)
        pictures[number] = plan.opening.write_text(tone.grey(log_signal, plan.opening.blade), number)
    seen = geometry.projection(pose).project(tree.points_mm())[0].astype(np.float32)
    return RenderedRun(
        plan=plan,
        pixels=pictures,
        labels=labels,
        isocentre_from_lps=(pose,) * frames,
        points_px=np.repeat(seen[None], frames, axis=0),
    )


def _paths_mm(body: _Body, plan: RunPlan) -> list[Float32[np.ndarray, "rows columns"]]:
    """Ray lengths in water, in bone, then in every piece of the lumen."""
    projection = plan.geometry.projection(plan.moments[0].isocentre_from_lps)
    rows, columns = projection.shape_px
    small = projection.resized((rows // 2, columns // 2))
    paths = line_integrals_mm(
        [body.water, body.bone, *body.pieces], body.lps_from_index, small, step_mm=1.2 * body.step_mm
    )
    return [np.maximum(cv2.resize(path, (columns, rows), interpolation=cv2.INTER_CUBIC), 0.0) for path in paths]


def _iodine(
    body: _Body, lumen_mm: list[Float32[np.ndarray, "rows columns"]], filling: Filling, at_s: float
) -> tuple[Float32[np.ndarray, "rows columns"], UInt8[np.ndarray, "rows columns"]]:
    concentration = filling.concentration_g_per_cm3(at_s)
    peak = float(filling.peak_g_per_cm3.max())
    iodine = np.zeros(lumen_mm[0].shape, dtype=np.float32)
    visible = np.zeros(lumen_mm[0].shape, dtype=np.float32)
    for points, path_mm in zip(body.piece_points, lumen_mm, strict=True):
        mean = float(concentration[points].mean())
        iodine += np.float32(mean / 10.0) * path_mm
        if mean > VISIBLE_SHARE * peak:
            visible += path_mm
    return iodine, np.where(visible > _VISIBLE_MM, AORTA, 0).astype(np.uint8)
