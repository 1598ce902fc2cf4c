"""One edit applied to a model: a new model, and what was done in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from calibration.errors import InputError
from engines.anatomy.cases.case_correction import corrected
from engines.anatomy.correcting.adding import FoundVessel, found_vessel
from engines.anatomy.correcting.cutting import cut_at, cut_between
from engines.anatomy.correcting.edits import (
    EDITS_OF_VOXELS,
    AddVessel,
    Brush,
    Cut,
    CutAt,
    Edit,
    ErasePart,
    NameBranch,
    SayPart,
    SayStructure,
)
from engines.anatomy.correcting.places import (
    as_index,
    check_class,
    class_at,
    labelled_near,
    number_for,
    part_at,
    spacing_of,
)
from engines.anatomy.correcting.tree_changes import tree_after, tree_with
from engines.anatomy.correcting.tree_naming import erased_limb, named, said_limb
from engines.anatomy.structure_names import NO_VESSEL, vessel_class_of
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, LabelVolume, VesselModel

_AORTA_RADIUS_MM = 6.0  # the aorta of a small woman; the brachiocephalic trunk stays below


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Edited:
    """The model after an edit, without a surface where it has labels: that is made anew when it is kept."""

    model: VesselModel
    words: str


def edited(model: VesselModel, edit: Edit, ct: Callable[[], CtVolume | None]) -> Edited:
    """Apply one edit; the model that was given stays as it is.

    Args:
        ct: is asked for where a vessel is added.

    Raises:
        InputError: in one line why the edit cannot be done; nothing is changed then.
    """
    labels = model.labels
    if labels is None and isinstance(edit, EDITS_OF_VOXELS):
        raise InputError(
            "the model is no label volume, so nothing can be added, brushed or cut; make the case from its CT"
        )
    match edit:
        case SayStructure():
            return Edited(
                model=corrected(_bare(model), {edit.structure: edit.said}), words=f"{edit.structure} is {edit.said}"
            )
        case NameBranch():
            tree, words = named(_tree_of(model), edit)
            return Edited(model=replace(model, centerlines=tree), words=words)
        case ErasePart() if labels is None and model.surface is not None:
            raise InputError(
                "the model's surface is of one piece: erased lines would still be drawn; give labels instead"
            )
        case ErasePart() if labels is None:
            tree, words = erased_limb(_tree_of(model), edit)
            return Edited(model=replace(model, centerlines=tree), words=words)
        case SayPart() if labels is None:
            tree, words = said_limb(_tree_of(model), edit)
            return Edited(model=replace(model, centerlines=tree), words=words)
        case AddVessel():
            assert labels is not None
            return _added(model, labels, edit, ct)
        case _:
            assert labels is not None
            return _without_or_said(model, labels, edit)


def _added(model: VesselModel, labels: LabelVolume, edit: AddVessel, ct: Callable[[], CtVolume | None]) -> Edited:
    volume = ct()
    if volume is None:
        raise InputError("the case has no CT in which a vessel could be found; make the case from its CTA")
    if edit.said:
        check_class(edit.said)
    found = found_vessel(labels, volume, edit)
    said = edit.said or _branch_class(labels, found)
    number, names = number_for(labels, said, beside=found.number)
    voxels = labels.labels.copy()
    part = voxels[found.box]
    part[found.lumen & (part == 0)] = number
    name = names[number]
    line = replace(found.line, name=name, vessel_class=vessel_class_of(name))
    after = replace(labels, labels=voxels, names=names)
    model = VesselModel(labels=after, centerlines=tree_with(model.centerlines, line))
    return Edited(model=model, words=f"added {line.length_mm:.0f} mm to {name}")


def _branch_class(labels: LabelVolume, found: FoundVessel) -> str:
    """That of the vessel that it springs from; what is thinner than any aorta is an artery of it."""
    said = class_at(labels, found.number)
    is_thin = float(np.median(found.line.radius_mm)) < _AORTA_RADIUS_MM
    return "artery" if is_thin and vessel_class_of(said) == "aorta" else said


def _without_or_said(model: VesselModel, labels: LabelVolume, edit: Edit) -> Edited:
    becomes = NO_VESSEL
    match edit:
        case Brush():
            mask, what = _brushed(labels, edit), "brushed away"
        case ErasePart():
            mask, what = part_at(labels.labels, labelled_near(labels, edit.at_mm)), "erased"
        case Cut():
            mask, what, becomes = cut_between(labels, edit), "cut off", edit.becomes
        case CutAt():
            mask, what, becomes = cut_at(labels, edit), "cut off", edit.becomes
        case SayPart():
            mask, what, becomes = part_at(labels.labels, labelled_near(labels, edit.at_mm)), "", edit.said
        case _:
            raise AssertionError(edit)
    check_class(becomes, or_none=True)
    voxels = labels.labels.copy()
    names = dict(labels.names)
    if becomes == NO_VESSEL:
        voxels[mask] = 0
    else:
        beside = int(labels.labels[mask][0])
        number, names = number_for(labels, becomes, beside=beside)
        if what == "" and number == beside:
            raise InputError(f"it is {becomes} already")
        voxels[mask] = number
        what = f"{what}, now {names[number]}" if what else f"now {names[number]}"
    if not voxels.any():
        raise InputError("nothing would be left of the model; keep at least one vessel")
    present = set(np.flatnonzero(np.bincount(voxels.ravel())).tolist())
    after = replace(labels, labels=voxels, names={number: name for number, name in names.items() if number in present})
    tree = tree_after(model.centerlines, labels, after)
    ml = float(mask.sum()) * float(np.prod(spacing_of(labels))) / 1000.0
    return Edited(model=VesselModel(labels=after, centerlines=tree), words=f"{ml:.2f} ml {what}")


def _brushed(labels: LabelVolume, edit: Brush) -> Bool[np.ndarray, "i j k"]:
    """Raises InputError where the brush met no vessel."""
    spacing, shape = spacing_of(labels), np.array(labels.labels.shape)
    mask = np.zeros(labels.labels.shape, dtype=bool)
    reach = np.ceil(edit.radius_mm / spacing).astype(int)
    offsets = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1).reshape(-1, 3)
    for centre in edit.centres_mm:
        at = as_index(labels, centre)
        index = np.rint(at).astype(int) + offsets
        near = (np.linalg.norm((index - at) * spacing, axis=1) <= edit.radius_mm) & (
            (index >= 0) & (index < shape)
        ).all(1)
        mask[tuple(index[near].T)] = True
    mask &= labels.labels > 0
    if not mask.any():
        raise InputError("the brush met no vessel of the model")
    return mask


def _bare(model: VesselModel) -> VesselModel:
    return VesselModel(labels=model.labels, centerlines=model.centerlines) if model.labels is not None else model


def _tree_of(model: VesselModel) -> CenterlineTree:
    if model.centerlines is None:
        raise InputError("the model has no centerlines, so no branch can be named; make the case again")
    return model.centerlines
