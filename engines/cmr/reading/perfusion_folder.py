"""A folder with `perfusion.json` and one 4-D NIfTI a slice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from calibration.errors import InputError
from engines.cmr.reading.slice_files import read_slice_mask, read_slice_over_time
from engines.cmr.series import PerfusionSeries, PerfusionSlice

MASK_NAMES = ("lv_wall", "lv_pool", "rv_pool")
_EDGE_SHARE = 0.02  # of a wall's pixels on the picture's border: more means that it leaks out


def read_perfusion_folder(folder: Path) -> PerfusionSeries:
    """Read `perfusion.json` and the files that it names.

    Raises:
        InputError: anything that the contract does not allow; the text names file, slice and value.
    """
    path = folder / "perfusion.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({error}); write it as the documentation has it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {type(content).__name__}, expected an object with `stress` and `rest`")
    stress = _slices(content.get("stress"), "stress", folder)
    if not stress:
        raise InputError(f"{path}: `stress` has no slices, expected at least one; name the stress files there")
    rest = _slices(content.get("rest") or [], "rest", folder)
    saturation = content.get("saturation_time_ms")
    if saturation is not None and not (_is_number(saturation) and 0 < saturation < 2000):
        raise InputError(f"{path}: saturation_time_ms is {saturation!r}, expected milliseconds between 0 and 2000")
    return PerfusionSeries(
        stress=stress, rest=rest, saturation_time_ms=float(saturation) if saturation is not None else None
    )


def _slices(entries: Any, kind: str, folder: Path) -> tuple[PerfusionSlice, ...]:
    where = folder / "perfusion.json"
    if not isinstance(entries, list):
        raise InputError(f"{where}: `{kind}` is {type(entries).__name__}, expected a list of slices")
    return tuple(_slice(entry, f"{kind}[{index}]", folder) for index, entry in enumerate(entries))


def _slice(entry: Any, what: str, folder: Path) -> PerfusionSlice:
    where = folder / "perfusion.json"
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        raise InputError(f'{where}: {what} is no slice, expected {{"file": "...", "times_ms": [...]}}')
    frames, lps_from_index = read_slice_over_time(folder / entry["file"])
    times = entry.get("times_ms")
    if not isinstance(times, list) or not all(_is_number(value) for value in times):
        raise InputError(f"{where}: {what} has no times_ms, expected one number a frame")
    times_ms = np.array(times, dtype=np.float64)
    check_times(times_ms, frames.shape[2], f"{where}: {what}")
    frame = entry.get("mask_frame")
    if frame is not None and not (isinstance(frame, int) and not isinstance(frame, bool) and 0 <= frame < len(times)):
        raise InputError(f"{where}: {what} has mask_frame {frame!r}, expected 0 to {len(times) - 1}")
    masks = entry.get("masks") or {}
    if not isinstance(masks, dict) or set(masks) - set(MASK_NAMES):
        found = sorted(set(masks) - set(MASK_NAMES)) if isinstance(masks, dict) else masks
        raise InputError(f"{where}: {what} has masks {found!r}, expected some of {', '.join(MASK_NAMES)}")
    shape = (frames.shape[0], frames.shape[1])
    read = {name: read_slice_mask(folder / str(file), shape, lps_from_index) for name, file in masks.items()}
    for name, mask in read.items():
        border = mask[[0, -1]].sum() + mask[:, [0, -1]].sum()
        if name != "rv_pool" and border > _EDGE_SHARE * mask.sum():
            raise InputError(f"{where}: the {name} of {what} reaches the picture's border; it leaks, draw it again")
    return PerfusionSlice(
        name=entry["file"],
        frames=frames,
        times_ms=times_ms,
        lps_from_index=lps_from_index,
        mask_frame=frame,
        masks=read,
    )


def check_times(times_ms: np.ndarray, count: int, where: str) -> None:
    """Refuse times that are not one increasing number a frame.

    Raises:
        InputError: another count, not finite, equal or falling.
    """
    if len(times_ms) != count:
        raise InputError(f"{where} has {len(times_ms)} times for {count} frames; give one a frame")
    if not np.isfinite(times_ms).all():
        raise InputError(f"{where} has a time that is no finite number; correct times_ms")
    steps = np.diff(times_ms)
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0])
        raise InputError(
            f"{where} has time {times_ms[at]:g} ms at frame {at} and {times_ms[at + 1]:g} ms at frame {at + 1}, "
            "expected increasing times; sort the frames or correct times_ms"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
