"""One CT series from DICOM files in any order, checked slice by slice before pixels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.ct_series.ct_phases import Phase, chosen_phase, phases_of, place_numbers
from engines.anatomy.files.ct_series.ct_slice import CtSlice, hounsfield, slices_of_file
from engines.anatomy.files.nifti import MAX_SPACING_MM, MAX_VOXELS, MIN_SPACING_MM
from engines.anatomy.files.notes import Note, logged
from engines.anatomy.vessel_model import CtVolume

_MAX_FILES = 20_000
_MAX_SLICE_PX = 8192
_SAME_PLACE_MM = 0.01
# Table positions are often rounded to one decimal, so two slice distances may differ by twice that rounding.
_UNEVEN_MM, _UNEVEN_SHARE = 0.11, 0.03
_TILT_SHARE = 4e-3  # sideways drift per millimetre of travel: 0.2 degrees
_SAME_ORIENTATION = 1e-3  # of a direction cosine; headers round in the fourth to sixth digit
_SAME_SPACING = 1e-4  # share
_SCOUT_COSINE = 0.98  # scouts lie at more than 11 degrees to the slices
_MOST_SCOUTS, _SCOUT_SHARE = 3, 0.1


def read_ct_series(
    path: Path, phase: int | None = None, note: Note = logged, *, within: Path | None = None
) -> CtVolume:
    """Read the one CT series of a folder (searched with its subfolders), or the series of the given file.

    Identical copies of slices and scouts are passed over, which `note` says.

    Args:
        phase: of several phases in one series, its number in the list, from 1, or its percentage of the cardiac cycle.
        within: folder in which the series of a given file lies, where that is not the file's own.

    Raises:
        InputError: there is no CT, there are several series or phases, or the series is not a complete, even, straight
            stack.
    """
    folder = path if path.is_dir() else within or path.parent
    wanted = None
    if not path.is_dir():
        own = slices_of_file(path)
        if not own:
            raise InputError(f"{path}: is neither NIfTI nor a DICOM CT slice; give a DICOM folder or a .nii.gz file")
        wanted = own[0]
    slices = _slices_of(folder)
    if wanted is not None:
        slices = [part for part in slices if part.series == wanted.series]
        if wanted.frame == 0 and len(slices_of_file(path)) > 1:
            slices = [part for part in slices if part.path == wanted.path]  # an Enhanced object is a series by itself
    slices = _one_series(slices, folder, note)
    slices = _without_copies(slices, folder, note)
    phases = phases_of(slices, _along_mm(slices))
    if phases:
        slices = list(chosen_phase(phases, phase, folder, wanted).slices)
    slices, step_mm = stacked(slices, folder)
    first, last = slices[0], slices[-1]
    column_axis, row_axis = first.orientation[:3], first.orientation[3:]
    lps_from_index = np.eye(4)
    # Index (i, j, k) is (column, row, slice); row spacing is the distance between rows, so it scales j.
    lps_from_index[:3, 0] = column_axis * first.spacing_mm[1]
    lps_from_index[:3, 1] = row_axis * first.spacing_mm[0]
    lps_from_index[:3, 2] = (last.position_mm - first.position_mm) / (len(slices) - 1)
    lps_from_index[:3, 3] = first.position_mm
    assert step_mm > 0
    frame_of_reference = next((part.frame_of_reference for part in slices if part.frame_of_reference), "")
    return CtVolume(
        voxels_hu=hounsfield(slices),
        lps_from_index=lps_from_index,
        frame_of_reference_uid=frame_of_reference,
        patient=slices[0].patient,
    )


def phases_in_series(slices: list[CtSlice], folder: Path, note: Note = logged) -> list[Phase]:
    """The phases of the slices of one series, from their headers; pixels are read only of doubled slices.

    Raises:
        InputError: the series mixes sizes, spacings, orientations or frames of reference, or slices are doubled and
            nothing tells them apart.
    """
    slices = _one_series(slices, folder, note)
    phases = phases_of(slices, _along_mm(slices))
    if not phases:
        slices = _without_copies(slices, folder, note)
        phases = phases_of(slices, _along_mm(slices))
    if not phases:
        stacked(slices, folder)  # says which are doubled
    return phases


def _slices_of(folder: Path) -> list[CtSlice]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "DICOMDIR")
    if not files:
        raise InputError(f"{folder}: the folder is empty; give the folder of one CT series")
    if len(files) > _MAX_FILES:
        raise InputError(f"{folder}: holds {len(files)} files, at most {_MAX_FILES}; give the folder of one CT series")
    slices = [part for file in files for part in slices_of_file(file)]
    if not slices:
        raise InputError(
            f"{folder}: none of its {len(files)} files is a DICOM CT slice; give the folder of a CT series"
        )
    return slices


def _one_series(slices: list[CtSlice], folder: Path, note: Note) -> list[CtSlice]:
    """The slices of the one series, without scouts."""
    by_series: dict[str, list[CtSlice]] = {}
    for part in slices:
        by_series.setdefault(part.series, []).append(part)
    if len(by_series) > 1:
        largest = max(by_series.values(), key=len)
        scouts = [parts for parts in by_series.values() if parts is not largest and _are_scouts(parts, largest)]
        if len(scouts) == len(by_series) - 1:
            _say_scouts([part for parts in scouts for part in parts], folder, note)
            by_series = {largest[0].series: largest}
    if len(by_series) > 1:
        found = "; ".join(
            f"series {parts[0].number}: {len(parts)} slices of {parts[0].shape[1]}x{parts[0].shape[0]}, "
            f"e.g. {parts[0].path.relative_to(folder)}"
            for parts in sorted(by_series.values(), key=len, reverse=True)[:6]
        )
        raise InputError(
            f"{folder}: holds {len(by_series)} CT series ({found}); choose one by giving the path of one of its files"
        )
    slices = next(iter(by_series.values()))
    groups = _groups(slices, lambda part: part.orientation, _SAME_ORIENTATION)
    main = max(groups, key=len)
    rest = [part for group in groups if group is not main for part in group]
    if rest and _are_scouts(rest, main) and not _has_hole(main):
        _say_scouts(rest, folder, note)
        slices, groups = main, [main]
    spacings = _groups(
        slices, lambda part: np.array(part.spacing_mm), _SAME_SPACING * max(max(part.spacing_mm) for part in slices)
    )
    for what, counts in (
        ("picture sizes", Counter(str(part.shape) for part in slices)),
        ("pixel spacings", {str(group[0].spacing_mm): len(group) for group in spacings}),
        ("orientations", {str(np.round(group[0].orientation, 6).tolist()): len(group) for group in groups}),
        ("frames of reference", Counter(part.frame_of_reference for part in slices if part.frame_of_reference)),
    ):
        if len(counts) > 1:
            most = sorted(counts.items(), key=lambda item: -item[1])[:4]
            listed = ", ".join(f"{count} of {value}" for value, count in most)
            raise InputError(f"{folder}: the series mixes {len(counts)} {what} ({listed}); export one stack alone")
    nowhere = sum(not part.frame_of_reference for part in slices)
    if 0 < nowhere < len(slices):
        note(f"{folder}: {nowhere} of {len(slices)} slices name no frame of reference; taken as that of the others")
    return slices


def _groups(
    slices: Sequence[CtSlice], value: Callable[[CtSlice], Float[np.ndarray, " n"]], tolerance: float
) -> list[list[CtSlice]]:
    """Slices whose values agree with that of the group's first within a tolerance."""
    groups: list[list[CtSlice]] = []
    for part in slices:
        own = value(part)
        for group in groups:
            if np.abs(value(group[0]) - own).max() <= tolerance:
                group.append(part)
                break
        else:
            groups.append([part])
    return groups


def _are_scouts(few: Sequence[CtSlice], many: Sequence[CtSlice]) -> bool:
    """A handful of pictures that lie across the slices, whatever their image type says."""
    if len(few) > max(_MOST_SCOUTS, _SCOUT_SHARE * len(many)) or len(many) < 3 * len(few):
        return False
    return all(abs(float(_normal(part) @ _normal(many[0]))) < _SCOUT_COSINE for part in few)


def _say_scouts(scouts: Sequence[CtSlice], folder: Path, note: Note) -> None:
    names = ", ".join(part.place for part in scouts[:4])
    note(f"{folder}: left out as scouts, for they lie across the slices: {names}")


def _has_hole(slices: Sequence[CtSlice]) -> bool:
    steps = np.diff(np.sort(_along_mm(slices)))
    steps = steps[steps > _SAME_PLACE_MM]
    return len(steps) > 0 and bool((steps > 1.5 * np.median(steps)).any())


def _normal(part: CtSlice) -> Float[np.ndarray, " 3"]:
    return np.cross(part.orientation[:3], part.orientation[3:])


def _along_mm(slices: Sequence[CtSlice]) -> Float[np.ndarray, " n"]:
    return np.array([part.position_mm for part in slices]) @ _normal(slices[0])


def _without_copies(slices: list[CtSlice], folder: Path, note: Note) -> list[CtSlice]:
    """Each object once; the same picture in the same place under another number is a copy too."""
    kept: dict[str, CtSlice] = {}
    for part in slices:
        other = kept.setdefault(part.instance, part)
        if other is not part and np.abs(other.position_mm - part.position_mm).max() > _SAME_PLACE_MM:
            kept[f"{part.instance} {part.path}"] = part  # anonymised to one number for all
    whole = _without_same_pictures(list(kept.values()))
    if len(whole) < len(slices):
        note(f"{folder}: {len(slices) - len(whole)} identical copies of slices are left out")
    return whole


def _without_same_pictures(slices: list[CtSlice]) -> list[CtSlice]:
    places = place_numbers(_along_mm(slices))
    at_place: dict[int, list[CtSlice]] = {}
    for part, place in zip(slices, places.tolist(), strict=True):
        at_place.setdefault(place, []).append(part)
    dropped: set[int] = set()
    for parts in at_place.values():
        seen: set[bytes] = set()
        for part in parts if len(parts) > 1 else ():
            picture = hounsfield([part]).tobytes()
            # Of different phases, air above the patient may be the same: only the same moment makes a copy.
            key = picture + repr(replace(part.moment, instance=None)).encode()
            if key in seen:
                dropped.add(id(part))
            seen.add(key)
    return [part for part in slices if id(part) not in dropped]


def stacked(slices: list[CtSlice], folder: Path) -> tuple[list[CtSlice], float]:
    """Slices sorted along their normal, and the step in mm; refuses a stack that is not even and straight."""
    first = slices[0]
    if len(slices) < 2:
        raise InputError(f"{first.path}: is the only CT slice here, a volume needs at least 2; copy the whole series")
    if min(first.shape) < 2 or max(first.shape) > _MAX_SLICE_PX or len(slices) * np.prod(first.shape) > MAX_VOXELS:
        raise InputError(f"{folder}: {len(slices)} slices of {first.shape[1]}x{first.shape[0]} are too large; crop it")
    if min(first.spacing_mm) < MIN_SPACING_MM or max(first.spacing_mm) > MAX_SPACING_MM:
        raise InputError(
            f"{first.path}: pixel spacing is {first.spacing_mm} mm, expected {MIN_SPACING_MM:g} to "
            f"{MAX_SPACING_MM:g}; export the series again"
        )
    column_axis, row_axis = first.orientation[:3], first.orientation[3:]
    gram = np.array([column_axis @ column_axis - 1, row_axis @ row_axis - 1, column_axis @ row_axis])
    if np.abs(gram).max() > 1e-3:
        raise InputError(f"{first.path}: image axes are not at right angles; export the series again")
    normal = np.cross(column_axis, row_axis)
    slices = sorted(slices, key=lambda part: float(part.position_mm @ normal))
    positions = np.array([part.position_mm for part in slices])
    along_mm = positions @ normal
    steps_mm = np.diff(along_mm)
    for index in np.flatnonzero(steps_mm < _SAME_PLACE_MM)[:1]:
        raise InputError(
            f"{slices[index + 1].path}: lies in the same place as {slices[index].place} "
            f"({int((steps_mm < _SAME_PLACE_MM).sum())} doubled slices; copies, or several phases?); keep one each"
        )
    typical_mm = float(np.median(steps_mm))
    worst = int(np.argmax(np.abs(steps_mm - typical_mm)))
    if abs(steps_mm[worst] - typical_mm) > max(_UNEVEN_MM, _UNEVEN_SHARE * typical_mm):
        gone = round(float(steps_mm[worst]) / typical_mm) - 1
        what = f"{gone} slices are missing" if gone >= 1 else "slices are unevenly spaced"
        raise InputError(
            f"{folder}: {what} between {slices[worst].place} and {slices[worst + 1].place} "
            f"({steps_mm[worst]:.2f} mm apart, expected {typical_mm:.2f}); copy the whole series"
        )
    travel = positions[-1] - positions[0]
    sideways_mm = float(np.linalg.norm(travel - (travel @ normal) * normal))
    if sideways_mm > max(_UNEVEN_MM, _TILT_SHARE * float(travel @ normal)):
        tilt_deg = np.rad2deg(np.arctan2(sideways_mm, travel @ normal))
        raise InputError(
            f"{folder}: slices are stacked askew by {tilt_deg:.1f} degrees (gantry tilt); export a straight "
            "reconstruction or resample it"
        )
    return slices, typical_mm
