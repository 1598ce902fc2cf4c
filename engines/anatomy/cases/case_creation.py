"""Make a case folder from the models that exist: a CTA, labels, a surface or centerlines."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from calibration.errors import InputError
from calibration.store import check_folder_for
from engines.anatomy.cases.case import Case, CaseKind, FieldOfView, load_case, write_case
from engines.anatomy.centerlines.lumen_radius import with_radii_from_ct
from engines.anatomy.centerlines.model_completion import check_same_place, completed
from engines.anatomy.extraction.extraction import extract_vessels
from engines.anatomy.extraction.inflows import parted_by_inflow
from engines.anatomy.files.centerline_file import load_centerlines, save_centerlines
from engines.anatomy.files.ct import load_ct, save_ct
from engines.anatomy.files.labels import load_labels, save_labels
from engines.anatomy.files.surface_file import load_surface, save_surface
from engines.anatomy.placement import moved_centerlines, moved_surface, read_placement
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, VesselModel

Report = Callable[[str], None]
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
    report: Report = _silent,
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
        report: called with a short text at each step, for progress.

    Raises:
        InputError: no model is given, a file is unusable, the models lie in different places, or `out` is in use.
    """
    out = Path(out)
    _check_options(out, kind, field_of_view, case_id, [cta, vessels, surface, centerlines])
    if placement is not None and surface is None and centerlines is None:
        raise InputError(f"{placement}: a placement moves a surface or centerlines; give one of them too")
    ct = None
    if cta is not None:
        report(f"reading CTA {cta}")
        ct = load_ct(cta)
    model = _model(ct, kind, vessels, surface, centerlines, placement, report)
    labels_are_own = vessels is None and model.labels is not None
    check_same_place(model, ct, str(out))
    if model.surface is None and model.labels is not None:
        report("surface from labels")
        model = replace(model, surface=surface_from_labels(model.labels))
    report("centerlines and radii")
    model = completed(model, str(out), kind)
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


def _model(
    ct: CtVolume | None,
    kind: str,
    vessels: Path | str | None,
    surface: Path | str | None,
    centerlines: Path | str | None,
    placement: Path | str | None,
    report: Report,
) -> VesselModel:
    lps_from_model = read_placement(placement) if placement is not None else None
    labels = load_labels(vessels) if vessels is not None else None
    mesh = load_surface(surface) if surface is not None else None
    tree = load_centerlines(centerlines) if centerlines is not None else None
    if lps_from_model is not None:
        mesh = moved_surface(mesh, lps_from_model) if mesh is not None else None
        tree = moved_centerlines(tree, lps_from_model) if tree is not None else None
    if labels is None and mesh is None and tree is None:
        assert ct is not None  # _check_options has refused a call without any model
        report("extracting vessels from the CTA")
        labels = extract_vessels(ct, kind)
    return VesselModel(centerlines=tree, surface=mesh, labels=labels)


def _measured(tree: CenterlineTree, ct: CtVolume, kind: str) -> CenterlineTree:
    """The tree with what the CT adds to its labels: radii, and for a head which artery feeds which branch."""
    tree = with_radii_from_ct(tree, ct)
    return parted_by_inflow(tree) if kind == "evt" else tree


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
    if model.labels is not None:
        save_labels(folder / "vessels.nii.gz", model.labels)
        files["vessels"] = "vessels.nii.gz"
    if model.surface is not None:
        save_surface(folder / "surface.vtp", model.surface)
        files["surface"] = "surface.vtp"
    if model.centerlines is not None:
        save_centerlines(folder / "centerlines.vtp", model.centerlines)
        files["centerlines"] = "centerlines.vtp"
    write_case(
        folder,
        case_id=case_id or f"case-{secrets.token_hex(4)}",
        kind=cast(CaseKind, kind),
        frame_of_reference_uid=ct.frame_of_reference_uid if ct is not None else "",
        files=files,
        vessels_names=model.labels.names if model.labels is not None else {},
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
