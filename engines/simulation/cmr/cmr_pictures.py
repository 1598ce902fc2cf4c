"""Short-axis first-pass pictures: tissue, breathing, coil shading, k-space truncation, Rician noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.simulation.cmr.first_pass import FirstPass
from engines.simulation.cmr.patient import Patient, wall_value

_FINE = 2  # sub-pixels a pixel along each axis
_THROUGH = (-0.33, 0.0, 0.33)  # places in the slice's thickness
_STATIC = {"lung": 0.03, "fat": 0.30, "liver": 0.16, "muscle": 0.14, "other": 0.10}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlicePlan:
    """Where a slice lies (CMR LPS): index (column, row, 0) to LPS; third column is the thickness."""

    lps_from_index: Float[np.ndarray, "4 4"]
    columns: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlicePictures:
    """Pictures of one slice, with truth.

    Args:
        motion_px: (2, time) columns and rows from the reference picture to each frame.
        masks: at the reference frame.
        relative_upslope: (columns, rows) truth at the reference place, NaN outside the wall.
    """

    frames: Float[np.ndarray, "columns rows time"]
    times_ms: Float[np.ndarray, " time"]
    motion_px: Float[np.ndarray, "2 time"]
    mask_frame: int
    masks: dict[str, Bool[np.ndarray, "columns rows"]]
    relative_upslope: Float[np.ndarray, "columns rows"]


def plan_slices(patient: Patient, random: np.random.Generator) -> list[SlicePlan]:
    """Three short-axis slices, planned a few degrees off the true axis, each breath-hold a little apart."""
    shape = patient.cmr_heart
    tilt = np.deg2rad(random.normal(0, 2.5, 2))
    normal = np.array([tilt[0], tilt[1], 1.0])
    normal /= np.linalg.norm(normal)
    roll = random.uniform(-0.6, 0.6)
    column = np.cross([np.sin(roll), np.cos(roll), 0.0], normal)
    column /= np.linalg.norm(column)
    row = np.cross(normal, column)
    rotation = patient.cmr_from_heart[:3, :3]
    thickness, pixel = random.uniform(8.0, 10.0), random.uniform(1.6, 2.0)
    side = int(2 * round(170.0 / pixel / 2))
    levels = np.array([0.80, 0.52, 0.25]) + random.normal(0, 0.025, 3)
    plans = []
    for level in levels:
        middle = np.array([8.0, 0.0, level * shape.length_mm])
        middle = middle + np.append(random.normal(0, 2.6, 2), 0.0)  # this breath-hold's shift
        affine = np.eye(4)
        # Seen from the apex: column to the right is the patient's left, rows run down.
        affine[:3, 0], affine[:3, 1] = rotation @ -column * pixel, rotation @ -row * pixel
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1]) / pixel**2 * thickness
        centre = rotation @ middle + patient.cmr_from_heart[:3, 3]
        affine[:3, 3] = centre - affine[:3, :2] @ np.array([(side - 1) / 2, (side - 1) / 2])
        plans.append(SlicePlan(lps_from_index=affine, columns=side, rows=side))
    return plans


def beat_times(random: np.random.Generator, *, stress: bool, shifted: bool) -> Float[np.ndarray, " time"]:
    beat = random.uniform(0.62, 0.80) if stress else random.uniform(0.78, 1.0)
    steps = beat * (1 + (0.06 if shifted else 0.03) * random.normal(size=60).clip(-2, 2))
    times = np.cumsum(steps)
    count = int(np.searchsorted(times, min(46.0, 58 * beat)))
    return times[:count]


def slice_pictures(
    patient: Patient,
    plan: SlicePlan,
    bolus: FirstPass,
    times_s: np.ndarray,
    random: np.random.Generator,
    *,
    stress: bool,
) -> SlicePictures:
    parts, beat = tissue_shares(patient, plan, stress=stress), float(np.median(np.diff(times_s)))
    curves = _curves(bolus, times_s)
    motion = _breathing(times_s, random, float(np.linalg.norm(plan.lps_from_index[:3, 0])), patient.split == "shift")
    peak = int(np.argmax(np.interp(times_s, bolus.time_s, bolus.left)))
    motion = motion - motion[:, peak : peak + 1]
    frames = _rendered(parts, curves, motion, plan, random, patient.split == "shift")
    lookup = bolus.relative_upslope(beat)
    flow = parts["flow"]
    share = parts["wall"]
    coarse = _block_mean(np.where(share > 0, flow * share, 0.0)) / np.maximum(_block_mean(share), 1e-6)
    wall = _block_mean(share) > 0.5
    truth = np.where(wall, np.interp(coarse, bolus.flows, lookup), np.nan)
    masks = {
        "lv_wall": wall,
        "lv_pool": _block_mean(parts["left"] + parts["papillary"]) > 0.5,
        "rv_pool": _block_mean(parts["right"]) > 0.5,
    }
    return SlicePictures(
        frames=frames,
        times_ms=np.round(1000.0 * times_s, 1),
        motion_px=motion,
        mask_frame=peak,
        masks=masks,
        relative_upslope=truth,
    )


def tissue_shares(patient: Patient, plan: SlicePlan, *, stress: bool) -> dict[str, np.ndarray]:
    """Share of each tissue in every sub-pixel, mean over the slice's thickness, and the mean flow of its wall."""
    shape = patient.cmr_heart
    heart_from_cmr = np.linalg.inv(patient.cmr_from_heart)
    c, r = np.meshgrid(
        (np.arange(plan.columns * _FINE) - 0.5) / _FINE, (np.arange(plan.rows * _FINE) - 0.5) / _FINE, indexing="ij"
    )
    total: dict[str, np.ndarray] = {}
    flow_table = patient.stress_flow if stress else patient.rest_flow
    for place in _THROUGH:
        index = np.stack([c, r, np.full_like(c, place), np.ones_like(c)], axis=-1).reshape(-1, 4)
        lps = index @ plan.lps_from_index.T
        p = (lps @ heart_from_cmr.T)[:, :3]
        cavity, epi = shape.in_cavity(p), shape.in_epicardium(p)
        wall = epi & ~cavity
        right = shape.in_right_ventricle(p) & ~epi
        right_wall = shape.in_right_ventricle(p, wall_mm=3.0) & ~epi & ~right
        papillary = np.zeros(len(p), dtype=bool)
        for theta in (np.deg2rad(150), np.deg2rad(235)):
            foot = shape.surface(np.array(0.45 * shape.length_mm), np.array(theta), depth=0.0, off_mm=-4.0)
            papillary |= cavity & ((((p - foot) / [4.0, 4.0, 0.17 * shape.length_mm]) ** 2).sum(axis=1) < 1.0)
        flow = np.zeros(len(p))
        depth = shape.depth(p[wall])
        flow[wall] = wall_value(shape, flow_table, p[wall], depth)
        flow[right_wall | papillary] = float(flow_table.mean())
        up = patient.lps_from_heart[:3, :3] @ p.T
        heart = epi | right | right_wall
        near = (
            np.asarray(ndimage.distance_transform_edt(~heart.reshape(c.shape))).ravel()
            * np.linalg.norm(plan.lps_from_index[:3, 0])
            / _FINE
        )
        fat = ~heart & (near < 5.0)
        liver = ~heart & ~fat & (up[2] < up[2][heart].min() + 12.0) if heart.any() else np.zeros(len(p), dtype=bool)
        chest = ~heart & ~fat & ~liver & (up[1] < (up[1][heart].min() if heart.any() else 0.0) - 8.0)
        lung = ~(heart | fat | liver | chest)
        for name, value in (
            ("left", cavity & ~papillary),
            ("papillary", papillary),
            ("wall", wall),
            ("right", right),
            ("right_wall", right_wall),
            ("flow", np.where(wall, flow, 0.0)),
            ("fat", fat),
            ("liver", liver),
            ("muscle", chest),
            ("lung", lung),
        ):
            total[name] = total.get(name, 0.0) + value.reshape(c.shape).astype(np.float64) / len(_THROUGH)
    total["flow"] = total["flow"] / np.maximum(total["wall"], 1e-9)
    total["mean_flow"] = np.full_like(c, float(flow_table.mean()))
    return total


def _curves(bolus: FirstPass, times_s: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "left": np.interp(times_s, bolus.time_s, bolus.left),
        "right": np.interp(times_s, bolus.time_s, bolus.right),
        "wall": np.array([np.interp(times_s, bolus.time_s, curve) for curve in bolus.wall]),
        "flows": bolus.flows,
    }


def _rendered(
    parts: dict[str, np.ndarray],
    curves: dict[str, np.ndarray],
    motion: np.ndarray,
    plan: SlicePlan,
    random: np.random.Generator,
    shifted: bool,
) -> np.ndarray:
    columns, rows = plan.columns, plan.rows
    grid = np.stack(np.meshgrid(np.arange(columns * _FINE), np.arange(rows * _FINE), indexing="ij"))
    heart = parts["left"] + parts["wall"] + parts["right"] + parts["right_wall"] + parts["papillary"]
    far = np.asarray(ndimage.distance_transform_edt(heart < 0.5)) / _FINE
    moves = np.exp(-((np.clip(far - 6.0, 0, None) / 18.0) ** 2))  # the chest stays where it is
    still = np.sum([_STATIC[name] * parts[name] for name in ("fat", "liver", "muscle", "lung")], axis=0)
    texture = ndimage.gaussian_filter(random.normal(size=still.shape), 3.0)
    still = still * (1.0 + 0.25 * texture / texture.std())
    u, v = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows), indexing="ij")
    coil = random.normal(0, 0.45, 2)
    shading = np.exp(coil[0] * u + coil[1] * v - 0.25 * (u**2 + v**2))
    bins = np.clip(np.searchsorted(curves["flows"], parts["flow"]), 1, len(curves["flows"]) - 1)
    low, high = curves["flows"][bins - 1], curves["flows"][bins]
    mix = np.clip((parts["flow"] - low) / (high - low), 0.0, 1.0)
    other = np.array([np.interp(parts["mean_flow"].flat[0], curves["flows"], curve) for curve in curves["wall"].T])
    wall_mean = float(curves["wall"].max())
    frames = []
    for t in range(motion.shape[1]):
        wall = (1 - mix) * curves["wall"][bins - 1, t] + mix * curves["wall"][bins, t]
        scene = (
            still
            + parts["left"] * curves["left"][t]
            + parts["right"] * curves["right"][t]
            + parts["wall"] * wall
            + (parts["papillary"] + parts["right_wall"]) * other[t]
        )
        where = grid - motion[:, t, None, None] * _FINE * moves
        moved = ndimage.map_coordinates(scene, where, order=1, mode="nearest")
        frames.append(scanned(moved, columns, rows) * shading)
    stack = np.stack(frames, axis=-1)
    noise = wall_mean / (random.uniform(8, 16) if shifted else random.uniform(11, 24))
    real = stack + random.normal(0, noise, stack.shape)
    return np.rint(900.0 * np.hypot(real, random.normal(0, noise, stack.shape))).astype(np.float32)


def scanned(scene: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """What a scanner that reads only the middle of k-space sees: sub-pixels become pixels, edges ring a little."""
    space = np.fft.fftshift(np.fft.fft2(scene))
    a, b = (scene.shape[0] - columns) // 2, (scene.shape[1] - rows) // 2
    middle = space[a : a + columns, b : b + rows]
    window = np.outer(_taper(columns), _taper(rows))
    # Half a sub-pixel: the block's middle, not its first sub-pixel, is the pixel's centre.
    fc, fr = np.fft.fftshift(np.fft.fftfreq(columns)), np.fft.fftshift(np.fft.fftfreq(rows))
    phase = np.exp(2j * np.pi * (0.5 / _FINE) * (fc[:, None] + fr[None]))
    return np.real(np.fft.ifft2(np.fft.ifftshift(middle * window * phase))) * (columns * rows) / scene.size


def _taper(n: int) -> np.ndarray:
    place = np.abs(np.linspace(-1, 1, n))
    return np.where(place < 0.75, 1.0, np.cos(0.5 * np.pi * (place - 0.75) / 0.32) ** 2)


def _block_mean(fine: np.ndarray) -> np.ndarray:
    c, r = fine.shape[0] // _FINE, fine.shape[1] // _FINE
    return fine.reshape(c, _FINE, r, _FINE).mean(axis=(1, 3))


def _breathing(times_s: np.ndarray, random: np.random.Generator, pixel_mm: float, shifted: bool) -> np.ndarray:
    """Breath-hold with drift, then breathing; (2, time) in pixels along one main direction."""
    amplitude = random.uniform(1.0, 6.0) * (1.3 if shifted else 1.0)
    angle = random.normal(np.pi / 2, 0.35)
    held = random.uniform(0.2, 0.7) * times_s[-1]
    period = random.uniform(3.0, 5.0)
    free = np.where(times_s > held, 0.5 * amplitude * (1 - np.cos(2 * np.pi * (times_s - held) / period)), 0.0)
    drift = random.normal(0, 0.25 * amplitude) * times_s / times_s[-1]
    along = free + drift + random.normal(0, 0.25, len(times_s))
    across = 0.25 * random.normal() * free + random.normal(0, 0.2, len(times_s))
    return (
        np.stack([along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle)])
        / pixel_mm
    )
