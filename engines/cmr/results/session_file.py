"""`session.npz`: what a fusion computed and a panel shows again: pictures over time, motion, walls, curves and slopes.

Plain arrays alone, so that reading it runs nothing. A result without it is still a result.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.cmr.fusion.elastic import SliceLink
from engines.cmr.fusion.transport import places_in_ct
from engines.cmr.fusion_result import Fusion
from engines.cmr.perfusion.segments import segments_of
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion, right_curve
from engines.cmr.perfusion.steepness import steepest

SESSION = "session.npz"
_SCHEMA = "guidance-app/cmr-session/1"
_MARGIN_MM = 42.0  # of the pictures about the wall
_BEATS = 4
_SLICE = ("frames", "aligned", "times_ms", "lps_from_index", "cmr_from_ct", "excluded", "reference", "wall", "pool",
          "left", "right", "pixels", "pixel_curves", "numbers", "measured", "uptake", "slopes")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionSlice:
    """One stress slice.

    Args:
        frames, aligned: pictures as stored, and brought to the reference frame's place.
        lps_from_index: of these pictures, CMR LPS.
        cmr_from_ct: LPS of the CT to LPS of this slice, breath-hold included.
        excluded: frames left out.
        left, right: curves of the pools over their baseline; `right` is empty where the slice hardly sees it.
        pixels: (n, 2) column and row of the pixels whose curve is the wall's alone.
        pixel_curves: (n, time) over their baseline.
        numbers: AHA segments that this slice sees; `measured`, `uptake` and `slopes` have a row each.
        measured, uptake: mean curve, and what of it is the wall's own; NaN beyond the first pass.
        slopes: first frame, last frame, value at the first, and rise per second of the steepest line.
    """

    frames: Float[np.ndarray, "c r t"]
    aligned: Float[np.ndarray, "c r t"]
    times_ms: Float[np.ndarray, " t"]
    lps_from_index: Float[np.ndarray, "4 4"]
    cmr_from_ct: Float[np.ndarray, "4 4"]
    excluded: Int[np.ndarray, " e"]
    reference: int
    wall: Bool[np.ndarray, "c r"]
    pool: Bool[np.ndarray, "c r"]
    left: Float[np.ndarray, " t"]
    right: Float[np.ndarray, " u"]
    pixels: Int[np.ndarray, "n 2"]
    pixel_curves: Float[np.ndarray, "n t"]
    numbers: Int[np.ndarray, " m"]
    measured: Float[np.ndarray, "m t"]
    uptake: Float[np.ndarray, "m t"]
    slopes: Float[np.ndarray, "m 4"]


def write_session(path: Path, fusion: Fusion) -> None:
    """Write the file whole or not at all."""
    arrays: dict[str, np.ndarray] = {"schema": np.array(_SCHEMA), "count": np.array(len(fusion.slices))}
    for number, (link, part) in enumerate(zip(fusion.links, fusion.slices, strict=True)):
        arrays |= {f"{name}_{number}": value for name, value in _arrays(fusion, link, part).items()}

    def store(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]

    write_atomically(path, store)


def session_slices(fusion: Fusion) -> tuple[SessionSlice, ...]:
    """What the file would hold, without a file."""
    return tuple(
        _slice(_arrays(fusion, link, part)) for link, part in zip(fusion.links, fusion.slices, strict=True)
    )  # fmt: skip


def _arrays(fusion: Fusion, link: SliceLink, part: SlicePerfusion) -> dict[str, np.ndarray]:
    whole = part.part
    reach = np.max(part.wall.outer_mm) + _MARGIN_MM
    low = np.clip(np.floor(part.wall.centre_px - reach / whole.pixel_mm), 0, None).astype(int)
    high = np.minimum(np.ceil(part.wall.centre_px + reach / whole.pixel_mm).astype(int) + 1, whole.frames.shape[:2])
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    affine = whole.lps_from_index.copy()
    affine[:3, 3] += affine[:3, :2] @ low
    own = segments_of(places_in_ct(fusion.model, link, part))[0]
    numbers = np.array([k for k in range(1, 17) if (own == k).sum() >= 5], dtype=np.int16)
    measured = np.array([part.curves[own == k].mean(axis=0) for k in numbers]).reshape(len(numbers), -1)
    uptake = np.array([part.tissue.fit(curve).curve for curve in measured]).reshape(measured.shape)
    slope, _, first = steepest(uptake, whole.times_ms, *part.window()) if len(numbers) else (np.zeros(0),) * 3
    first = np.asarray(first, dtype=int)
    uptake[:, len(part.tissue.uptake) :] = np.nan  # beyond the first pass nothing was fitted
    right = right_curve(part.aligned, part.wall, part.channel)
    return {
        "frames": whole.frames[cut].astype(np.float16 if whole.frames.max() < 30_000 else np.float32),
        "aligned": part.aligned[cut].astype(np.float16 if whole.frames.max() < 30_000 else np.float32),
        "times_ms": whole.times_ms,
        "lps_from_index": affine,
        "cmr_from_ct": link.cmr_from_ct,
        "excluded": np.array(part.motion.excluded, dtype=np.int32),
        "reference": np.array(part.reference),
        "wall": part.wall.wall[cut],
        "pool": part.wall.pool[cut],
        "left": part.pool.signal,
        "right": np.zeros(0) if right is None else right,
        "pixels": (np.argwhere(part.interior) - low).astype(np.int16),
        "pixel_curves": part.pixel_curves.astype(np.float32),
        "numbers": numbers,
        "measured": measured,
        "uptake": uptake,
        "slopes": np.stack(
            [first, first + _BEATS - 1, uptake[np.arange(len(first)), first] if len(first) else first, slope], axis=1
        ).astype(np.float64),
    }


def read_session(folder: Path) -> tuple[SessionSlice, ...] | None:
    """Slices of a result's session; None where the folder has none.

    Raises:
        InputError: the file is damaged or of something else.
    """
    path = folder / SESSION
    if not path.is_file():
        return None
    try:
        # Opened here: numpy would leave a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["schema"]) != _SCHEMA:
                raise ValueError(f"schema {kept['schema']}, expected {_SCHEMA}")
            return tuple(
                _slice({name: kept[f"{name}_{number}"] for name in _SLICE}) for number in range(int(kept["count"]))
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({error}); fuse the case again, or remove it") from error


def _slice(arrays: dict[str, np.ndarray]) -> SessionSlice:
    frames = arrays["frames"].astype(np.float32)
    count = len(arrays["times_ms"])
    if frames.ndim != 3 or frames.shape[2] != count or arrays["aligned"].shape != frames.shape:
        raise ValueError(f"pictures of shape {frames.shape} for {count} times")
    whole = {name: value for name, value in arrays.items() if name not in ("frames", "aligned", "reference")}
    return SessionSlice(
        frames=frames, aligned=arrays["aligned"].astype(np.float32), reference=int(arrays["reference"]), **whole
    )
