"""A whole simulated case: patient, CTA, models, runs and truth in one folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from calibration.errors import InputError
from engines.anatomy.cases.case import FieldOfView, write_case
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.files.ct import save_ct
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.vessel_model import CtVolume
from engines.angiography.files.xa_writer import Compression, XaRecord, instance_uid, write_xa
from engines.simulation.anatomies.anatomy import CaseKind, Patient
from engines.simulation.anatomies.model_tree import model_tree
from engines.simulation.anatomies.models import enhanced_ct, lumen_surface, vessel_labels
from engines.simulation.runs.run_rendering import RenderedRun, RunPlan, render_run
from engines.simulation.runs.truth import write_truth

HELD_OUT_FROM_SEED = 1000
Progress = Callable[[str, float], None]


def simulate_case(
    kind: str,
    seed: int,
    out_dir: Path | str,
    *,
    field_of_view: FieldOfView = "upper",
    case_id: str | None = None,
    frames: int | None = None,
    compression: Compression = "jpeg2000",
    progress: Progress = lambda _text, _share: None,
) -> Path:
    """Invent a patient and record runs; the same arguments give the same files.

    Seeds from 1000 on are held out for evaluation: nothing is tuned on them. The bundled cases use seeds below 100.

    Args:
        kind: "evt", "tavi" or "coronary".
        seed: not negative.
        out_dir: folder to be made; its parent is made too.
        field_of_view: "lower" for the access vessels of a "tavi" patient.
        case_id: default `<kind>-<seed>`, `<kind>-lower-<seed>`.
        frames: frames per run, fewer than usual for a small case; None for the usual number.
        compression: compression of the runs' pictures.
        progress: called with the current step and the progress, 0 to 1.

    Returns:
        `out_dir`, complete; nothing is left there if anything fails.

    Raises:
        InputError: the kind is unknown, the seed negative, or the folder exists or cannot be written to.
    """
    if kind not in get_args(CaseKind):
        raise InputError(f"{kind}: no kind of case; choose one of {', '.join(get_args(CaseKind))}")
    if field_of_view == "lower" and kind != "tavi":
        raise InputError(f"{kind}: has no lower field of view; only tavi cases show access vessels")
    if seed < 0:
        raise InputError(f"seed {seed}: seeds are whole numbers from 0 on; choose one")
    if frames is not None and frames < 4:
        raise InputError(f"{frames} frames: a run needs 4 or more to show contrast come and go")
    target = Path(out_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists and is not an empty folder; choose another output folder or remove it")
    beside = _make_beside(target)
    try:
        scene = _Scene(kind, field_of_view)
        _fill(beside, scene, seed, case_id or f"{scene.name}-{seed}", frames, compression, progress)
        if target.exists():
            target.rmdir()
        beside.replace(target)
    except OSError as error:
        raise InputError(
            f"{target}: writing failed ({error.strerror or error}); free space or choose another"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _make_beside(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".part-{target.name}-"))
        folder.chmod(0o755)
    except OSError as error:
        raise InputError(f"{target}: cannot write here ({error.strerror}); choose another output folder") from error
    return folder


def _fill(
    folder: Path,
    scene: _Scene,
    seed: int,
    case_id: str,
    frames: int | None,
    compression: Compression,
    progress: Progress,
) -> None:
    _, _, ct_rng, *run_rngs = _streams(scene.name, seed)
    progress("inventing the patient", 0.02)
    patient, plans = draw_case(scene.kind, seed, frames, field_of_view=scene.field_of_view)
    progress("writing CTA and models", 0.15)
    frame_of_reference = instance_uid(f"frame-of-reference {scene.name} {seed}")
    vessels_names = _write_models(folder, patient, ct_rng, frame_of_reference)
    (folder / "xa").mkdir()
    (folder / "truth").mkdir()
    recordings: list[tuple[str, str]] = []
    for number, plan in enumerate(plans):
        start, span = 0.25 + 0.75 * number / len(plans), 0.75 / len(plans)

        def tell(share: float, start: float = start, span: float = span, name: str = plan.name) -> None:
            progress(f"exposing {name}", start + span * share)

        run = render_run(run_rngs[number], patient, plan, tell)
        file = f"xa/{plan.name}.dcm"
        uid_seed = f"{scene.name} {seed} {plan.name} {frames}"
        write_xa(folder / file, _record(run, case_id, number, uid_seed, patient, compression))
        write_truth(
            folder / "truth", run, case_id=case_id, file=f"{plan.name}.dcm", sop_instance_uid=instance_uid(uid_seed)
        )
        recordings.append((file, "xa"))
    write_case(
        folder,
        case_id=case_id,
        kind=patient.kind,
        frame_of_reference_uid=frame_of_reference,
        files={
            "cta": "cta.nii.gz",
            "vessels": "vessels.nii.gz",
            "surface": "surface.vtp",
            "centerlines": "centerlines.vtp",
        },
        recordings=recordings,
        vessels_names=vessels_names,
        field_of_view=scene.field_of_view,
    )
    progress("done", 1.0)


class _Scene(NamedTuple):
    kind: str
    field_of_view: FieldOfView

    @property
    def name(self) -> str:
        return self.kind if self.field_of_view == "upper" else f"{self.kind}-{self.field_of_view}"


_SCENE_NUMBER = {"evt": 1, "tavi": 2, "coronary": 3, "tavi-lower": 4}


def _streams(scene: str, seed: int) -> tuple[np.random.Generator, ...]:
    # One generator per part, so that a change to the pictures does not change the patients.
    return tuple(np.random.default_rng(part) for part in np.random.SeedSequence([seed, _SCENE_NUMBER[scene]]).spawn(8))


def draw_case(
    kind: str, seed: int, frames: int | None = None, *, field_of_view: FieldOfView = "upper"
) -> tuple[Patient, tuple[RunPlan, ...]]:
    """The patient of a seed and its planned runs, before any exposure."""
    patient_rng, plan_rng, *_ = _streams(_Scene(kind, field_of_view).name, seed)
    # The origin of a CT's LPS depends on the scanner; it is not the isocentre of the C-arm.
    offset_mm = patient_rng.uniform(-45.0, 45.0, size=3)
    if kind == "evt":
        from engines.simulation.anatomies.head import make_head
        from engines.simulation.runs.head_runs import plan_head_runs

        patient = make_head(patient_rng, offset_mm)
        return patient, plan_head_runs(plan_rng, patient, frames)
    if field_of_view == "lower":
        from engines.simulation.anatomies.iliac import make_iliac
        from engines.simulation.runs.iliac_runs import plan_iliac_runs

        patient = make_iliac(patient_rng, offset_mm)
        return patient, plan_iliac_runs(plan_rng, patient, frames)
    if kind == "tavi":
        from engines.simulation.anatomies.aorta import make_aorta
        from engines.simulation.runs.aorta_runs import plan_aorta_runs

        patient = make_aorta(patient_rng, offset_mm)
        return patient, plan_aorta_runs(plan_rng, patient, frames)
    from engines.simulation.anatomies.coronaries import make_coronaries
    from engines.simulation.runs.coronary_runs import plan_coronary_runs

    patient = make_coronaries(patient_rng, offset_mm)
    return patient, plan_coronary_runs(plan_rng, patient, frames)


def _write_models(folder: Path, patient: Patient, rng: np.random.Generator, frame_of_reference: str) -> dict[int, str]:
    lps_from_index = patient.cta_grid.lps_from_index(patient.offset_mm)
    labels = vessel_labels(patient)
    save_labels(folder / "vessels.nii.gz", labels)
    ct = CtVolume(
        voxels_hu=enhanced_ct(patient, rng), lps_from_index=lps_from_index, frame_of_reference_uid=frame_of_reference
    )
    save_ct(folder / "cta.nii.gz", ct)
    save_surface(folder / "surface.vtp", lumen_surface(patient))
    save_centerlines(folder / "centerlines.vtp", model_tree(patient.tree))
    return dict(labels.names)


def _record(
    run: RenderedRun, case_id: str, number: int, uid_seed: str, patient: Patient, compression: Compression
) -> XaRecord:
    plan = run.plan
    return XaRecord(
        pixels=run.pixels,
        geometry=plan.geometry,
        frame_time_ms=plan.frame_time_ms,
        uid_seed=uid_seed,
        patient_id=case_id,
        series_number=number + 1,
        instance_number=number + 1,
        description=f"simulated {patient.kind} {plan.name}",
        mask_frames=plan.mask_frames,
        intensity="LOG" if plan.mask_frames else "DISP",
        acquired=f"20200101{12 + number:02d}0000",
        compression=compression,
    )
