"""DICOM perfusion series: slices times time, single pictures or enhanced multi-frame, stress told from rest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from jaxtyping import Float
from pydicom.errors import InvalidDicomError

from calibration.dicom_values import DAMAGED
from calibration.errors import InputError
from engines.angiography.files.dicom_encoding import is_dicom
from engines.cmr.reading.perfusion_folder import check_times
from engines.cmr.series import PerfusionSeries, PerfusionSlice

_STRESS = re.compile(r"stress|adeno|regad|dipyr|dobut|persant|\bvaso|hyper[ae]m", re.IGNORECASE)
_REST = re.compile(r"rest\b|ruhe|baseline|repos", re.IGNORECASE)
_MAX_FILES, _MAX_PX = 50_000, 4096
_SAME_LEVEL_MM = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Picture:
    """One picture of one slice at one time."""

    pixels: Float[np.ndarray, "columns rows"]
    orientation: Float[np.ndarray, " 6"]
    position_mm: Float[np.ndarray, " 3"]
    spacing_mm: tuple[float, float]
    thickness_mm: float
    acquired_ms: float | None
    trigger_ms: float | None
    instance: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Series:
    uid: str
    number: str
    description: str
    frame_of_reference: str
    pictures: list[_Picture]

    def chosen_by(self, word: str) -> bool:
        return word in (self.uid, self.number) or word.lower() in self.description.lower()


def read_perfusion_dicom(path: Path, *, stress_series: str = "", rest_series: str = "") -> PerfusionSeries:
    """Read stress and rest from a folder of MR files.

    Raises:
        InputError: no MR series over time, an ambiguous choice, times missing or equal, slices of several patients.
    """
    folder = path if path.is_dir() else path.parent
    found = _all_series(folder)
    if not found:
        raise InputError(f"{folder}: holds no DICOM MR pictures; give a DICOM folder or one with perfusion.json")
    over_time = [series for series in found if _is_over_time(series)]
    if not over_time:
        raise InputError(
            f"{folder}: none of its {len(found)} MR series shows a slice more than once; give a first-pass series"
        )
    flags: list[str] = []
    stress = _choose(over_time, stress_series, _STRESS, folder, "--stress-series")
    rest = _choose(over_time, rest_series, _REST, folder, "--rest-series")
    if not stress:
        left = [series for series in over_time if series not in rest]
        if len(left) != 1:
            names = "; ".join(f"{series.number} {series.description!r}" for series in over_time[:6])
            raise InputError(f"{folder}: no description tells stress ({names}); choose with --stress-series")
        stress = left
        flags.append("STRESS_REST_DOUBTFUL")
    frames = {series.frame_of_reference for series in (*stress, *rest) if series.frame_of_reference}
    if len({series.frame_of_reference for series in stress if series.frame_of_reference}) > 1:
        raise InputError(f"{folder}: stress slices have different frames of reference; are they of one examination?")
    return PerfusionSeries(
        stress=_slices(stress, folder),
        rest=_slices(rest, folder),
        flags=tuple(flags),
        frame_of_reference_uid=next(iter(frames), ""),
    )


def _choose(series: list[_Series], word: str, pattern: re.Pattern[str], folder: Path, option: str) -> list[_Series]:
    if word:
        chosen = [one for one in series if one.chosen_by(word)]
        if not chosen:
            names = "; ".join(f"{one.number} {one.description!r}" for one in series[:6])
            raise InputError(f"{folder}: no series fits {option} {word} (there are {names})")
        return chosen
    return [one for one in series if pattern.search(one.description)]


def _all_series(folder: Path) -> list[_Series]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "DICOMDIR")
    if len(files) > _MAX_FILES:
        raise InputError(f"{folder}: holds {len(files)} files, at most {_MAX_FILES}; give the folder of one series")
    by_uid: dict[str, _Series] = {}
    for file in files:
        try:
            dataset = pydicom.dcmread(file, force=is_dicom(file))  # without the preamble, too
        except (InvalidDicomError, EOFError):
            continue
        except DAMAGED as error:
            raise InputError(f"{file}: the DICOM file cannot be read ({error}); copy it again") from error
        if str(dataset.get("Modality", "")) != "MR" or "PixelData" not in dataset:
            continue
        uid = str(dataset.get("SeriesInstanceUID", ""))
        if uid not in by_uid:
            by_uid[uid] = _Series(
                uid=uid,
                number=str(dataset.get("SeriesNumber", "?")),
                description=str(dataset.get("SeriesDescription", "") or dataset.get("ProtocolName", "")),
                frame_of_reference=str(dataset.get("FrameOfReferenceUID", "") or ""),
                pictures=[],
            )
        try:
            by_uid[uid].pictures.extend(_pictures(dataset))
        except DAMAGED as error:
            raise InputError(f"{file}: an MR picture lacks pixels, place or time ({error}); export it again") from error
    return list(by_uid.values())


def _pictures(dataset: pydicom.Dataset) -> Iterator[_Picture]:
    if max(int(dataset.Rows), int(dataset.Columns)) > _MAX_PX:
        raise ValueError(f"{dataset.Columns}x{dataset.Rows} pixels")
    pixels = np.asarray(dataset.pixel_array)
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        yield _picture(dataset, [dataset], pixels)
        return
    shared = dataset.SharedFunctionalGroupsSequence[0]
    stack = pixels if pixels.ndim == 3 else pixels[None]
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        yield _picture(dataset, [*_items(groups), *_items(shared), dataset], stack[index], index)


def _items(groups: pydicom.Dataset) -> list[pydicom.Dataset]:
    """The data sets inside the functional groups, one level down."""
    return [element.value[0] for element in groups if element.VR == "SQ" and len(element.value)]


def _picture(dataset: pydicom.Dataset, sources: list[Any], pixels: np.ndarray, index: int = 0) -> _Picture:
    def value(*keywords: str) -> Any:
        for keyword in keywords:
            for source in sources:
                if keyword in source and source[keyword].value not in (None, ""):
                    return source[keyword].value
        return None

    slope, intercept = float(value("RescaleSlope") or 1.0), float(value("RescaleIntercept") or 0.0)
    spacing = value("PixelSpacing")
    acquired = value("FrameAcquisitionDateTime", "FrameReferenceDateTime", "AcquisitionDateTime")
    trigger = value("NominalCardiacTriggerDelayTime", "TriggerTime")
    clock = value("AcquisitionTime", "ContentTime")
    thickness = value("SliceThickness") or value("SpacingBetweenSlices")
    if thickness is None:
        raise ValueError("no SliceThickness")
    return _Picture(
        pixels=(pixels.astype(np.float32) * slope + intercept).T,
        orientation=np.array([float(v) for v in value("ImageOrientationPatient")]),
        position_mm=np.array([float(v) for v in value("ImagePositionPatient")]),
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        thickness_mm=float(thickness),
        acquired_ms=_milliseconds(str(acquired)[8:] if acquired is not None else clock),
        trigger_ms=float(trigger) if trigger is not None else None,
        instance=index or int(dataset.get("InstanceNumber", 0) or 0),
    )


def _milliseconds(clock: Any) -> float | None:
    """Of a DICOM time HHMMSS.ffffff; None where there is none."""
    match = re.match(r"^(\d{2})(\d{2})(\d{2}(?:\.\d+)?)", str(clock or ""))
    if match is None:
        return None
    return 1000.0 * (3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]))


def _levels(series: list[_Series]) -> list[list[_Picture]]:
    """Pictures of each slice: the same place along the normal, and the same orientation."""
    levels: list[list[_Picture]] = []
    for picture in (picture for one in series for picture in one.pictures):
        normal = np.cross(picture.orientation[:3], picture.orientation[3:])
        for level in levels:
            first = level[0]
            same = np.allclose(first.orientation, picture.orientation, atol=2e-3)
            if same and abs(float((picture.position_mm - first.position_mm) @ normal)) < _SAME_LEVEL_MM:
                level.append(picture)
                break
        else:
            levels.append([picture])
    return levels


def _is_over_time(series: _Series) -> bool:
    return any(len(level) > 1 for level in _levels([series]))


def _slices(series: list[_Series], folder: Path) -> tuple[PerfusionSlice, ...]:
    if not series:
        return ()
    name = f"{series[0].number} {series[0].description}".strip()
    return tuple(
        _slice(level, f"{name} slice {index}", folder) for index, level in enumerate(_levels(series)) if len(level) > 1
    )


def _slice(level: list[_Picture], name: str, folder: Path) -> PerfusionSlice:
    where = f"{folder}: {name}"
    by_shape: dict[tuple[int, ...], int] = defaultdict(int)
    for picture in level:
        by_shape[picture.pixels.shape] += 1
    if len(by_shape) > 1:
        raise InputError(f"{where} has pictures of {sorted(by_shape)} pixels, expected one size; choose one series")
    level, times_ms = _timed(level, where)
    check_times(times_ms, len(level), where)
    first = level[0]
    lps_from_index = np.eye(4)
    lps_from_index[:3, 0] = first.orientation[:3] * first.spacing_mm[1]
    lps_from_index[:3, 1] = first.orientation[3:] * first.spacing_mm[0]
    lps_from_index[:3, 2] = np.cross(first.orientation[:3], first.orientation[3:]) * first.thickness_mm
    lps_from_index[:3, 3] = first.position_mm
    frames = np.stack([picture.pixels for picture in level], axis=-1)
    return PerfusionSlice(name=name, frames=frames, times_ms=times_ms, lps_from_index=lps_from_index)


def _timed(level: list[_Picture], where: str) -> tuple[list[_Picture], Float[np.ndarray, " time"]]:
    """Pictures in order of time: by acquisition times, else by trigger times that accumulate."""
    acquired = [picture.acquired_ms for picture in level]
    if all(value is not None for value in acquired) and len(set(acquired)) == len(level):
        order = np.argsort(np.array(acquired, dtype=np.float64), kind="stable")
        times = np.array(acquired, dtype=np.float64)[order]
        return [level[k] for k in order], times - times[0]
    by_instance = sorted(level, key=lambda picture: picture.instance)
    trigger = [picture.trigger_ms for picture in by_instance]
    if all(value is not None for value in trigger):
        times = np.array(trigger, dtype=np.float64)
        # Within one heart beat trigger times are phases of a cine, not a first pass.
        if (np.diff(times) > 0).all() and times[-1] - times[0] > 5000.0:
            return by_instance, times - times[0]
    raise InputError(
        f"{where} has {len(level)} pictures whose acquisition times are missing or equal and whose trigger "
        "times do not accumulate; export the series with its acquisition times"
    )
