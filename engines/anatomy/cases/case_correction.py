"""Correct what was found in a case: say what a structure is, or leave it out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.cases.case import Case, write_case
from engines.anatomy.cases.model_files import save_model
from engines.anatomy.structure_names import CLASSES, NO_VESSEL, said_to_be, vessel_class_of
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume, VesselModel

LEFT_OUT = NO_VESSEL
_KEPT_ROLES = ("cta", "landmarks", "planes")


def corrected(model: VesselModel, said: Mapping[str, str]) -> VesselModel:
    """The model as a person says it is.

    The surface is made anew from labels where something is left out; one that came without labels stays whole.

    Args:
        said: class, or `LEFT_OUT`, of the structures that change, by their names.

    Raises:
        InputError: a structure that is not there, a class that does not exist, or nothing is left.
    """
    known = set(model.labels.names.values()) if model.labels is not None else set()
    known |= {_structure_of(branch) for branch in (model.centerlines.branches if model.centerlines else ())}
    for name, word in said.items():
        if name not in known:
            raise InputError(f"{name}: the model has no such structure; it has {', '.join(sorted(known)[:12])}")
        if word not in (*CLASSES, LEFT_OUT):
            raise InputError(f"{name}: {word!r} is no class; expected one of {', '.join(CLASSES)} or {LEFT_OUT}")
    gone = {name for name, word in said.items() if word == LEFT_OUT}
    if gone >= known:
        raise InputError("nothing is left of the model; keep at least one structure")
    renamed = {name: said_to_be(name, word) for name, word in said.items() if word != LEFT_OUT}
    labels = _labels(model.labels, gone, renamed) if model.labels is not None else None
    surface = surface_from_labels(labels) if labels is not None and gone and model.surface else model.surface
    tree = _tree(model.centerlines, gone, renamed) if model.centerlines is not None else None
    return VesselModel(labels=labels, surface=surface, centerlines=tree)


def write_model(case: Case, folder: Path, model: VesselModel) -> None:
    """Write the case with another model into an empty folder; the case itself stays as it is.

    Raises:
        InputError: the disk is full.
    """
    files = {role: case.files[role].relative for role in _KEPT_ROLES if role in case.files}
    anew = {case.files[role].relative for role in case.files if role not in _KEPT_ROLES} | {"case.json"}
    try:
        for path in sorted(case.folder.rglob("*")):
            relative = path.relative_to(case.folder)
            if path.is_file() and relative.as_posix() not in anew:  # whatever else somebody put there stays too
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / relative)
    except OSError as error:
        raise InputError(f"{folder}: copying the case failed ({error.strerror}); free space, then try again") from error
    files |= save_model(folder, model)
    write_case(
        folder,
        case_id=case.id,
        kind=case.kind,
        frame_of_reference_uid=case.frame_of_reference_uid,
        files=files,
        recordings=[(run.relative, run.kind) for run in case.recordings],
        vessels_names=model.labels.names if model.labels is not None else {},
        field_of_view=case.field_of_view,
        patient=case.patient,
    )


def _structure_of(branch: Branch) -> str:
    return branch.name or branch.vessel_class


def _labels(labels: LabelVolume, gone: set[str], renamed: Mapping[str, str]) -> LabelVolume:
    lost = [number for number, name in labels.names.items() if name in gone]
    names = {n: renamed.get(name, name) for n, name in labels.names.items() if n not in lost}
    voxels = np.where(np.isin(labels.labels, lost), 0, labels.labels) if lost else labels.labels
    return replace(labels, labels=voxels, names=names)


def _tree(tree: CenterlineTree, gone: set[str], renamed: Mapping[str, str]) -> CenterlineTree | None:
    """Without lost branches; what sprang from one begins a tree of its own."""
    kept = [index for index, branch in enumerate(tree.branches) if _structure_of(branch) not in gone]
    place = {old: new for new, old in enumerate(kept)}
    branches = []
    for index in kept:
        branch = tree.branches[index]
        name = renamed.get(_structure_of(branch))
        branches.append(
            replace(
                branch,
                name=branch.name if name is None else name,
                vessel_class=branch.vessel_class if name is None else vessel_class_of(name),
                parent=place.get(branch.parent, -1),
            )
        )
    return CenterlineTree(branches=tuple(branches)) if branches else None
