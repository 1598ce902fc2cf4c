"""Scans among the files: CT series phase by phase, NIfTI volumes, and series of other modalities."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from calibration.dicom_values import DAMAGED, stored_text
from calibration.errors import InputError
from engines.anatomy.files.ct_series.ct_phases import Phase
from engines.anatomy.files.ct_series.ct_slice import CtSlice, hounsfield
from engines.anatomy.files.ct_series.dicom_series import phases_in_series, stacked
from engines.anatomy.intake.found import FoundScan
from engines.anatomy.intake.look import look_at, sampled, thinned
from engines.angiography.files.dicom_encoding import read_header

_FEWEST_SLICES = 20  # fewer are a test bolus, a perfusion slab or a report
_DESCRIBED = ("SeriesDescription", "StudyDescription", "BodyPartExamined", "ProtocolName", "ImageType",
              "ConvolutionKernel", "Modality", "SeriesNumber")  # fmt: skip
_REGION = _DESCRIBED[:4]
_MIP = re.compile(r"\b(?:MIP|MPR|VRT|VR|CURVED)\b", re.IGNORECASE)
_SHARP = re.compile(r"\b[BHIQ]+[a-z]?([6-9]\d)[a-z]?\b|LUNG|BONE|EDGE", re.IGNORECASE)
_SHORTEST_MM = 30.0


@dataclass(slots=True, kw_only=True)
class SeriesFiles:
    """The slices of one CT series, as they are met.

    Args:
        damaged: why some of its files were left out.
    """

    slices: list[CtSlice] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def scans_of_series(
    series: SeriesFiles, folder: Path, name: str, letter_of: Callable[[CtSlice], str]
) -> list[FoundScan]:
    """Each phase of a CT series, with what speaks against it; pictures are written into `folder`.

    Args:
        name: begins the names of the pictures.
        letter_of: which patient a slice is of.
    """
    slices = series.slices
    within = _common_folder(slices)
    header = _header(slices[0].path)
    base = FoundScan(
        path=slices[0].path,
        words=_words(header, slices[0].number),
        within=within if within != slices[0].path.parent else None,
        slices=len(slices),
        size_px=(slices[0].shape[1], slices[0].shape[0]),
        region=" ".join(stored_text(header, keyword) for keyword in _REGION),
        patient=letter_of(slices[0]),
    )
    try:
        phases = phases_in_series(slices, within, _silent)
    except InputError as error:
        return [base.model_copy(update={"why_not": _without_path(error)})]
    scans = [
        _scan_of_phase(base, phase, number, len(phases), header, folder, f"{name}-{number}.png")
        for number, phase in enumerate(phases, start=1)
    ]
    if not series.damaged:
        return scans
    lost = f"{len(series.damaged)} of its files cannot be read ({series.damaged[0]})"
    return [scan.model_copy(update={"doubt": "; ".join(filter(None, (scan.doubt, lost)))}) for scan in scans]


def other_scan(path: Path, files: int, letter: str) -> FoundScan:
    """A series of another modality, listed so that a person sees why it is not offered."""
    header = _header(path)
    modality = stored_text(header, "Modality") or "?"
    return FoundScan(
        path=path, modality=modality, words=_words(header, stored_text(header, "SeriesNumber")), slices=files,
        why_not=f"is {modality}; vessels are taken from a CT with contrast", patient=letter,
    )  # fmt: skip


def scan_of_volume(
    path: Path, voxels_hu: np.ndarray, lps_from_index: np.ndarray, folder: Path, name: str, doubt: str
) -> FoundScan:
    """A NIfTI volume in Hounsfield units."""
    seen = look_at(*thinned(voxels_hu, lps_from_index))
    spacing = np.linalg.norm(lps_from_index[:3, :3], axis=0).tolist()
    columns, rows, slices = voxels_hu.shape
    base = FoundScan(
        path=path, words=f"{path.parent.name}/{path.name}", picture=seen.save(folder, name), slices=slices,
        size_px=(columns, rows), spacing_mm=(spacing[0], spacing[1], spacing[2]), contrast=seen.contrast,
    )  # fmt: skip
    return _judged(base, "", doubt)


def _scan_of_phase(
    base: FoundScan, phase: Phase, number: int, phases: int, header: Dataset, folder: Path, name: str
) -> FoundScan:
    scan = base.model_copy(
        update={
            "path": phase.slices[0].path,
            "slices": len(phase.slices),
            "percent": phase.percent,
            "phase": number if phases > 1 else None,
            "phase_words": phase.words if phases > 1 else "",
        }
    )
    folder_of = scan.within or scan.path.parent
    try:
        slices, step_mm = stacked(list(phase.slices), folder_of)
    except InputError as error:
        return scan.model_copy(update={"why_not": _without_path(error)})
    first = slices[0]
    scan = scan.model_copy(update={"spacing_mm": (first.spacing_mm[1], first.spacing_mm[0], step_mm)})
    try:
        voxels, affine = _sample(slices)
    except InputError as error:
        return scan.model_copy(update={"why_not": _without_path(error)})
    seen = look_at(voxels, affine)
    scan = scan.model_copy(update={"picture": seen.save(folder, name), "contrast": seen.contrast})
    return _judged(scan, f"{stored_text(header, 'ImageType')} {scan.words}", _sharpness(header))


def _judged(scan: FoundScan, kind: str, doubt: str) -> FoundScan:
    length_mm = scan.slices * (scan.spacing_mm or (0.0, 0.0, 0.0))[2]
    if found := _MIP.search(kind):
        return scan.model_copy(update={"why_not": f"is made from another scan ({found[0]}), not measured; take that"})
    if scan.slices < _FEWEST_SLICES:
        return scan.model_copy(update={"why_not": f"{scan.slices} slices are too few, at least {_FEWEST_SLICES}"})
    if length_mm < _SHORTEST_MM:
        return scan.model_copy(
            update={"why_not": f"is {length_mm:.0f} mm long, too short to follow vessels (at least {_SHORTEST_MM:g})"}
        )
    doubts = [] if scan.contrast else ["no contrast is seen in blood"]
    return scan.model_copy(update={"doubt": "; ".join([*doubts, *filter(None, [doubt])])})


def _sample(slices: Sequence[CtSlice]) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of some of the slices, thinned, and their affine."""
    chosen = sampled(len(slices))
    first, last = slices[chosen[0]], slices[chosen[-1]]
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[:3] * first.spacing_mm[1]
    affine[:3, 1] = first.orientation[3:] * first.spacing_mm[0]
    affine[:3, 2] = (last.position_mm - first.position_mm) / max(len(chosen) - 1, 1)
    affine[:3, 3] = first.position_mm
    return thinned(hounsfield([slices[index] for index in chosen]), affine)


def _sharpness(header: Dataset) -> str:
    kernel = stored_text(header, "ConvolutionKernel")
    return f"sharp kernel {kernel}: noise hides thin vessels" if _SHARP.search(kernel) else ""


def _header(path: Path) -> Dataset:
    try:
        return read_header(path, _DESCRIBED)
    except DAMAGED:  # a deflated object: what it is called is not worth inflating it
        return Dataset()


def _words(header: Dataset, number: str) -> str:
    described = stored_text(header, "SeriesDescription") or stored_text(header, "ProtocolName")
    return f"Series {number or '?'}" + (f": {described}" if described else "")


def _common_folder(slices: Sequence[CtSlice]) -> Path:
    return Path(os.path.commonpath([part.path.parent for part in slices]))


def _without_path(error: InputError) -> str:
    """The reason alone: the series that it stands under is known."""
    text = str(error)
    before, mark, reason = text.partition(": ")
    return reason if mark and ("/" in before or "\\" in before) else text


def _silent(_: str) -> None:
    """What a reader assumed is said when the case is made."""
