"""Short-axis lessons for the wall network: true tissue shares, seen under physics drawn anew for every lesson.

The share of each tissue in a pixel is made once a slice, with the scanner's k-space already in it; a lesson is then a
sum of shares times drawn curves, so that thousands of first passes cost little. What is drawn is wider than what
`simulate cmr` has: noise, coils, fat, liver, delays, blur, motion that a correction left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy import ndimage

from calibration.store import write_atomically
from engines.cmr.wall.first_pass_maps import GRID, first_pass_maps, on_grid, single_maps
from engines.simulation.cmr.cmr_pictures import SlicePlan, beat_times, scanned, tissue_shares
from engines.simulation.cmr.first_pass import FirstPass, inject
from engines.simulation.cmr.heart_shape import HeartShape
from engines.simulation.cmr.patient import Patient, draw_patient

TISSUES = ("left", "papillary", "low", "middle", "high", "right", "right_wall", "fat", "liver", "muscle", "lung")
_FLOWS = (0.8, 2.0, 3.4)  # ml/min/g of the three walls that are mixed
_FIELD_MM = 150.0
_SINGLE = 0.3  # share of lessons with one picture instead of a first pass
_SLICES = 4  # a patient


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceShares:
    """Args:
    shares: in the order of `TISSUES`, as the scanner's k-space leaves them.
    labels: class of every pixel, in the order of the network's.
    """

    shares: Float32[np.ndarray, "t c r"]
    labels: Int[np.ndarray, "c r"]
    pixel_mm: float


def prepared_slices(seed: int, folder: Path) -> list[SliceShares]:
    """Slices of one patient at any level; made once and kept in a folder."""
    path = folder / f"wall-{seed}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            return [
                SliceShares(
                    shares=kept[f"shares_{k}"].astype(np.float32), labels=kept[f"labels_{k}"].astype(np.int64),
                    pixel_mm=float(kept["pixel_mm"][k]),
                )
                for k in range(len(kept["pixel_mm"]))
            ]  # fmt: skip
    made = _made(seed)
    arrays = {f"shares_{k}": one.shares.astype(np.float16) for k, one in enumerate(made)}
    arrays |= {f"labels_{k}": one.labels.astype(np.uint8) for k, one in enumerate(made)}
    arrays["pixel_mm"] = np.array([one.pixel_mm for one in made])

    def store(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]

    write_atomically(path, store)
    return made


def _made(seed: int) -> list[SliceShares]:
    random = np.random.default_rng([172_000, seed])
    patient = _odd_heart(draw_patient(seed), random)
    return [_slice(patient, _plan(patient, random), stress=bool(random.random() < 0.7)) for _ in range(_SLICES)]


def _odd_heart(patient: Patient, random: np.random.Generator) -> Patient:
    """Hearts beyond the usual: small and large cavities, thin and thick walls, in any phase."""
    heart: HeartShape = patient.cmr_heart
    heart = replace(
        heart,
        radius_mm=heart.radius_mm * random.uniform(0.72, 1.25),
        wall_mm=heart.wall_mm * random.uniform(0.7, 1.25),
        harmonics=heart.harmonics + random.normal(0.0, 0.02, heart.harmonics.shape),
        rv_width=heart.rv_width * random.uniform(0.75, 1.25),
    )
    return replace(patient, cmr_heart=heart)


def _plan(patient: Patient, random: np.random.Generator) -> SlicePlan:
    shape = patient.cmr_heart
    tilt = np.deg2rad(random.normal(0, 5.0, 2))
    normal = np.array([tilt[0], tilt[1], 1.0])
    normal /= np.linalg.norm(normal)
    roll = random.uniform(-np.pi, np.pi)  # pigs, and planes of any turn
    column = np.cross([np.sin(roll), np.cos(roll), 0.0], normal)
    column /= np.linalg.norm(column)
    row = np.cross(normal, column) * (1.0 if random.random() < 0.5 else -1.0)
    rotation, pixel = patient.cmr_from_heart[:3, :3], random.uniform(1.4, 2.6)
    side = int(2 * round(_FIELD_MM / pixel / 2))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = rotation @ column * pixel, rotation @ row * pixel
    affine[:3, 2] = rotation @ normal * random.uniform(6.0, 11.0)
    middle = np.array(
        [8.0 + random.normal(0, 6.0), random.normal(0, 6.0), random.uniform(0.12, 0.93) * shape.length_mm]
    )
    centre = rotation @ middle + patient.cmr_from_heart[:3, 3]
    affine[:3, 3] = centre - affine[:3, :2] @ np.full(2, (side - 1) / 2)
    return SlicePlan(lps_from_index=affine, columns=side, rows=side)


def _slice(patient: Patient, plan: SlicePlan, *, stress: bool) -> SliceShares:
    fine = tissue_shares(patient, plan, stress=stress)
    # The wall's flow as a mixture of three: linear in between, so that curves can be drawn later.
    place = np.interp(fine["flow"], _FLOWS, (0.0, 1.0, 2.0))
    fine |= {name: fine["wall"] * np.clip(1.0 - np.abs(place - k), 0, 1) for k, name in enumerate(TISSUES[2:5])}
    shares = np.stack([scanned(fine[name], plan.columns, plan.rows) for name in TISSUES]).astype(np.float32)
    wall, pool = _coarse(fine["wall"]), _coarse(fine["left"] + fine["papillary"])
    labels = np.where(wall > 0.5, 1, np.where(pool > 0.5, 2, np.where(_coarse(fine["right"]) > 0.5, 3, 0)))
    return SliceShares(shares=shares, labels=labels, pixel_mm=float(np.linalg.norm(plan.lps_from_index[:3, 0])))


def _coarse(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).mean(axis=(1, 3))


def wall_lesson(random: np.random.Generator, part: SliceShares) -> tuple[Float32[np.ndarray, "m c r"], np.ndarray]:
    """Maps and true classes on the network's grid."""
    size = np.array(part.labels.shape)
    centre = 0.5 * (size - 1) + random.normal(0, 6.0, 2) / part.pixel_mm
    pixel = np.full(2, part.pixel_mm)
    labels = on_grid(part.labels[..., None].astype(np.float64), pixel, centre, order=0)[0].astype(np.int64)
    if random.random() < _SINGLE:
        shown = on_grid(_still(random, part)[..., None], pixel, centre)[0]
        maps = single_maps(shown)
    else:
        maps = first_pass_maps(_first_pass(random, part), pixel, centre).maps
    for axis in (1, 2):
        if random.random() < 0.5:
            maps, labels = np.flip(maps, axis), np.flip(labels, axis - 1)
    if random.random() < 0.5:
        maps, labels = np.swapaxes(maps, 1, 2), labels.T
    assert labels.shape == (GRID, GRID)
    return np.ascontiguousarray(maps), np.ascontiguousarray(labels)


def _shading(random: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "c r"]:
    u, v = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    a, b, bend = random.normal(0, 0.5), random.normal(0, 0.5), random.uniform(-0.1, 0.5)
    return np.exp(a * u + b * v - bend * (u**2 + v**2))


def _first_pass(random: np.random.Generator, part: SliceShares) -> Float[np.ndarray, "c r t"]:
    stress, shifted = bool(random.random() < 0.6), bool(random.random() < 0.5)
    bolus = inject(random, stress=stress, saturation_s=random.uniform(0.07, 0.16), shifted=shifted)
    times = beat_times(random, stress=stress, shifted=shifted)
    curves = _curves(random, bolus, times)
    frames = np.einsum("tcr,tn->crn", part.shares, curves, optimize=True)
    texture = ndimage.gaussian_filter(random.normal(size=frames.shape[:2]), random.uniform(1.0, 5.0))
    steady = part.shares[7:].sum(axis=0)
    frames += (0.08 * random.random() * steady * texture / texture.std())[..., None]
    if random.random() < 0.6:  # what a motion correction leaves
        left = random.normal(0, random.uniform(0.0, 0.8), (frames.shape[2], 2))
        frames = np.stack(
            [ndimage.shift(frames[..., t], left[t], order=1, mode="nearest") for t in range(len(left))], axis=-1
        )
    if random.random() < 0.3:
        frames = ndimage.gaussian_filter(frames, (*(random.uniform(0.2, 0.7, 2)), 0.0))
    frames = frames * _shading(random, frames.shape[:2])[..., None]
    noise = float(curves[:5].max()) * 0.5 / random.uniform(5.0, 24.0)
    return np.hypot(frames + random.normal(0, noise, frames.shape), random.normal(0, noise, frames.shape))


def _curves(random: np.random.Generator, bolus: FirstPass, times: np.ndarray) -> Float[np.ndarray, "t n"]:
    def at(curve: np.ndarray) -> np.ndarray:
        return np.interp(times, bolus.time_s, curve)

    walls = [at(bolus.wall[int(np.argmin(np.abs(bolus.flows - flow)))]) for flow in _FLOWS]
    rise = walls[1] - walls[1][0]
    flat = np.ones(len(times))
    still = {
        "fat": random.uniform(0.08, 0.5) * flat,
        "liver": random.uniform(0.06, 0.25) * flat + random.uniform(0.0, 1.0) * np.roll(rise, 4),
        "muscle": random.uniform(0.05, 0.22) * flat + random.uniform(0.0, 0.4) * rise,
        "lung": random.uniform(0.0, 0.06) * flat + random.uniform(0.0, 0.15) * at(bolus.right),
    }
    return np.stack([at(bolus.left), walls[1], *walls, at(bolus.right), walls[1], *still.values()])


def _still(random: np.random.Generator, part: SliceShares) -> Float[np.ndarray, "c r"]:
    """One picture without contrast: bright blood, dark muscle, fat anywhere in between or above."""
    blood = random.uniform(0.7, 1.0)
    muscle = blood * random.uniform(0.2, 0.6)
    levels = [
        blood, muscle * random.uniform(0.9, 1.2), muscle, muscle * random.uniform(0.95, 1.05),
        muscle * random.uniform(0.95, 1.05), blood * random.uniform(0.85, 1.1), muscle,
        blood * random.uniform(0.3, 1.4),
        random.uniform(0.1, 0.6), random.uniform(0.1, 0.5), random.uniform(0.0, 0.12),
    ]  # fmt: skip
    picture = np.einsum("tcr,t->cr", part.shares, np.array(levels))
    texture = ndimage.gaussian_filter(random.normal(size=picture.shape), random.uniform(1.0, 4.0))
    steady = part.shares[7:].sum(axis=0)
    picture += 0.15 * random.random() * steady * texture / texture.std()
    picture = ndimage.gaussian_filter(picture, random.uniform(0.0, 0.6)) * _shading(random, picture.shape)
    noise = blood / random.uniform(10.0, 60.0)
    return np.hypot(picture + random.normal(0, noise, picture.shape), random.normal(0, noise, picture.shape))
