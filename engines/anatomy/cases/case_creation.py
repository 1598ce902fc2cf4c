"""Make a case folder from the models that exist: a CTA, labels, a surface or centerlines."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from calibration.errors import InputError
from calibration.store import check_folder_for
from engines.anatomy.cases.case import Case, CaseKind, FieldOfView, load_case, write_case
from engines.anatomy.cases.model_files import save_model
from engines.anatomy.cases.patient_hashes import PatientHashes
from engines.anatomy.centerlines.aortic_lines import aortic_lines
from engines.anatomy.centerlines.lumen_radius import with_radii_from_ct
from engines.anatomy.centerlines.model_completion import completed
from engines.anatomy.centerlines.same_place import check_in_contrast, check_same_place
from engines.anatomy.centerlines.twigs import TwigLimits, without_twigs
from engines.anatomy.extraction.extraction import extract_vessels
from engines.anatomy.extraction.inflows import parted_by_inflow
from engines.anatomy.files.centerline_file import read_centerlines
from engines.anatomy.files.coordinate_system import Declared
from engines.anatomy.files.ct import hu_doubt, load_ct, save_ct
from engines.anatomy.files.notes import Note, logged
from engines.anatomy.files.surface_file import read_surface
from engines.anatomy.placement import moved_centerlines, moved_surface, read_placement
from engines.anatomy.structures.given_names import load_named_labels
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, VesselModel

Report = Callable[[str], None]
# Of a head's CTA thinner or shorter ends are as often bone or noise as vessel: what is left a surgeon would name.
_HEAD_TWIGS = TwigLimits(shortest_mm=10.0, thin_mm=0.9, thin_shortest_mm=40.0)
_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _silent(_: str) -> None:
    """The progress report of callers that show none."""


def create_case(
    out: Path | str,
    kind: str,
    cta: Path | str | None = None,
    vessels: Path | str | None = None,
    surface: Path | str | None = None,
    centerlines: Path | str | None = None,
    placement: Path | str | None = None,
    field_of_view: str = "upper",
    case_id: str | None = None,
    names: str | None = None,
    phase: int | None = None,
    nifti_form: str | None = None,
    hu_offset: float | None = None,
    cta_within: Path | None = None,
    report: Report = _silent,
    note: Note = logged,
) -> Case:
    """Write a new case folder completely, or write nothing.

    Args:
        out: the folder to make; it must be absent or empty.
        kind: evt, tavi or coronary.
        cta: DICOM folder, one of its files, or NIfTI; vessels are extracted from it if no other model is given.
        vessels: a label volume, or a folder of masks.
        surface: STL, VTP, VTK, OBJ or PLY.
        centerlines: VTP, VTK or CSV.
        placement: JSON with `model_to_lps` (4x4), applied to surface and centerlines.
        field_of_view: "lower" if the recordings of a tavi case show the access vessels instead of the root.
        case_id: pseudonym, random by default; the patient's identity is never copied.
        names: what the labels of `vessels` are: "1=artery,2=vein", or the path of a file that names them.
        phase: of a CTA of several phases: its number, or its percentage of the cardiac cycle.
        nifti_form: "sform" or "qform", where a NIfTI CTA's two disagree.
        hu_offset: added to the CTA's values.
        cta_within: folder in which the series of a CTA's file lies, where that is not the file's own.
        report: called with a short text at each step, for progress.
        note: told, in one line each, what was assumed, guessed or left out.

    Raises:
        InputError: no model is given, a file is unusable, the models lie in different places, or `out` is in use.
    """
    out = Path(out)
    _check_options(out, kind, field_of_view, case_id, [cta, vessels, surface, centerlines])
    _check_choices(cta, vessels, names, phase, nifti_form, hu_offset)
    if placement is not None and surface is None and centerlines is None:
        raise InputError(f"{placement}: a placement moves a surface or centerlines; give one of them too")
    ct = None
    if cta is not None:
        report(f"reading CTA {cta}")
        ct = load_ct(cta, phase=phase, nifti_form=nifti_form, hu_offset=hu_offset, within=cta_within, note=note)
        if (doubt := hu_doubt(ct.voxels_hu)) and hu_offset is None and not any((vessels, surface, centerlines)):
            raise InputError(f"{cta}: no vessels can be found in it: {doubt}")
    model = _model(ct, kind, vessels, surface, centerlines, placement, names, report, note)
    labels_are_own = vessels is None and model.labels is not None
    check_same_place(model, ct, str(out), note)
    if model.surface is None and model.labels is not None:
        report("surface from labels")
        model = replace(model, surface=surface_from_labels(model.labels))
    report("centerlines and radii")
    if kind == "tavi" and labels_are_own and model.labels is not None:
        model = replace(model, centerlines=aortic_lines(model.labels))
    model = completed(model, str(out), kind)
    if model.centerlines is not None:
        if ct is not None and not labels_are_own:
            check_in_contrast(model.centerlines, ct, str(out), note)
        if all(branch.vessel_class == "vein" for branch in model.centerlines.branches):
            note(f"{out}: the model has veins alone, of which an arterial injection fills nothing; give arteries too")
    if ct is not None and labels_are_own and model.centerlines is not None:
        model = replace(model, centerlines=_measured(model.centerlines, ct, kind))
    return _written_whole(out, lambda folder: _write(folder, kind, field_of_view, case_id, ct, model, report))


def _check_options(
    out: Path, kind: str, field_of_view: str, case_id: str | None, models: list[Path | str | None]
) -> None:
    if kind not in get_args(CaseKind):
        raise InputError(f"kind is {kind!r}, expected one of {', '.join(get_args(CaseKind))}; choose one")
    if field_of_view not in get_args(FieldOfView):
        raise InputError(f"field of view is {field_of_view!r}, expected upper or lower; choose one")
    if field_of_view == "lower" and kind != "tavi":
        raise InputError(f"{kind}: has no lower field of view; only tavi cases show access vessels, leave --field out")
    if case_id is not None and not _ID_PATTERN.fullmatch(case_id):
        raise InputError(
            f"id {case_id!r}: expected up to 64 letters, digits, '.', '-' or '_'; choose a pseudonym, no patient text"
        )
    if all(model is None for model in models):
        raise InputError("a case needs a model; give at least one of --cta, --vessels, --surface, --centerlines")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not an empty folder; choose another name or remove it")
    check_folder_for(out)  # before reading and extraction, which take up to a minute


def _check_choices(
    cta: Path | str | None,
    vessels: Path | str | None,
    names: str | None,
    phase: int | None,
    nifti_form: str | None,
    hu_offset: float | None,
) -> None:
    if names is not None and vessels is None:
        raise InputError("--names says what the labels of --vessels are; give --vessels too")
    of_the_cta = {"--phase": phase, "--nifti-form": nifti_form, "--hu-offset": hu_offset}
    given = [option for option, value in of_the_cta.items() if value is not None]
    if given and cta is None:
        raise InputError(f"{' and '.join(given)} is about the CTA; give --cta too")
    if nifti_form not in (None, "sform", "qform"):
        raise InputError(f"--nifti-form is {nifti_form!r}, expected sform or qform; choose one")


def _model(
    ct: CtVolume | None,
    kind: str,
    vessels: Path | str | None,
    surface: Path | str | None,
    centerlines: Path | str | None,
    placement: Path | str | None,
    names: str | None,
    report: Report,
    note: Note,
) -> VesselModel:
    lps_from_model = read_placement(placement) if placement is not None else None
    labels = None
    if vessels is not None:
        named = load_named_labels(vessels, kind, names, ct)
        labels = named.labels
        for line in named.notes:
            note(line)
    read_mesh = read_surface(surface) if surface is not None else None
    read_tree = read_centerlines(centerlines) if centerlines is not None else None
    _say_assumed({surface: read_mesh and read_mesh.declared, centerlines: read_tree and read_tree.declared}, note)
    mesh = read_mesh.surface if read_mesh is not None else None
    tree = read_tree.tree if read_tree is not None else None
    if lps_from_model is not None:
        mesh = moved_surface(mesh, lps_from_model) if mesh is not None else None
        tree = moved_centerlines(tree, lps_from_model) if tree is not None else None
    if labels is None and mesh is None and tree is None:
        assert ct is not None  # _check_options has refused a call without any model
        report("extracting vessels from the CTA")
        labels = extract_vessels(ct, kind)
    return VesselModel(centerlines=tree, surface=mesh, labels=labels)


def _say_assumed(declared: Mapping[Path | str | None, Declared | None], note: Note) -> None:
    silent = [Path(path).name for path, said in declared.items() if path and said is not None and not said.system]
    if silent:
        verb = "declares" if len(silent) == 1 else "declare"
        note(f"{' and '.join(silent)} {verb} no coordinate system: taken as LPS mm")


def _measured(tree: CenterlineTree, ct: CtVolume, kind: str) -> CenterlineTree:
    """The tree with what the CT adds to its labels: radii; a head loses its twigs and is divided by inflow."""
    tree = with_radii_from_ct(tree, ct)
    return parted_by_inflow(without_twigs(tree, _HEAD_TWIGS)) if kind == "evt" else tree


def _write(
    folder: Path,
    kind: str,
    field_of_view: str,
    case_id: str | None,
    ct: CtVolume | None,
    model: VesselModel,
    report: Report,
) -> None:
    files: dict[str, str] = {}
    if ct is not None:
        report("writing the CTA")
        save_ct(folder / "cta.nii.gz", ct)
        files["cta"] = "cta.nii.gz"
    files |= save_model(folder, model)
    write_case(
        folder,
        case_id=case_id or f"case-{secrets.token_hex(4)}",
        kind=cast(CaseKind, kind),
        frame_of_reference_uid=ct.frame_of_reference_uid if ct is not None else "",
        files=files,
        vessels_names=model.labels.names if model.labels is not None else {},
        patient=PatientHashes.of(ct.patient) if ct is not None else None,
        field_of_view=cast(FieldOfView, field_of_view),
    )


def _written_whole(out: Path, write: Callable[[Path], None]) -> Case:
    """Fill a folder beside `out`, check that it loads, and rename it to `out`; any error removes it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=out.parent, prefix=".part-"))
    except OSError as error:
        raise InputError(f"{out}: cannot write here ({error.strerror}); choose another folder") from error
    try:
        write(beside)
        load_case(beside)
        beside.chmod(0o755)
        if out.exists():
            out.rmdir()
        beside.rename(out)
    except OSError as error:
        raise InputError(f"{out}: writing the case failed ({error.strerror or error}); free space or choose another "
                         "folder") from error  # fmt: skip
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return load_case(out)
