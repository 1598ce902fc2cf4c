"""A tiny first pass: two pools in a ring of muscle, written as a perfusion folder."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

SIDE, FRAMES, PIXEL_MM, BEAT_MS = 56, 40, 2.0, 700.0
CENTRE = (29.0, 30.0)
INNER_MM, OUTER_MM = 20.0, 31.0
PEAK = 17


def curves(slow: float = 1.0) -> dict[str, np.ndarray]:
    t = np.arange(FRAMES, dtype=float)

    def bolus(start: float, width: float) -> np.ndarray:
        x = np.clip(t - start, 0, None) / width
        return x**2 * np.exp(2 - 2 * x)

    wall = np.cumsum(bolus(11.0, 5.0))
    return {"left": bolus(10.0, 6.5), "right": bolus(6.0, 4.0), "wall": slow * 0.35 * wall / wall.max()}


def masks() -> dict[str, np.ndarray]:
    c, r = np.indices((SIDE, SIDE))
    away = np.hypot(c - CENTRE[0], r - CENTRE[1]) * PIXEL_MM
    right = np.hypot((c - 10.0) / 0.9, r - 30.0) * PIXEL_MM < 24.0
    return {
        "lv_pool": away < INNER_MM,
        "lv_wall": (away >= INNER_MM) & (away < OUTER_MM),
        "rv_pool": right & (away > OUTER_MM + 1),
    }


def pictures(shift_px: np.ndarray | None = None, *, noise: float = 0.01, defect: float = 1.0) -> np.ndarray:
    """(columns, rows, time); `defect` scales the wall's rise where the row lies above the centre."""
    found, curve = masks(), curves()
    soft = {name: ndimage.gaussian_filter(mask.astype(float), 0.6) for name, mask in found.items()}
    c, r = np.indices((SIDE, SIDE))
    own = np.where(r < CENTRE[1], defect, 1.0)
    random = np.random.default_rng(3)
    texture = 0.05 * ndimage.gaussian_filter(random.normal(size=(SIDE, SIDE)), 2.0)
    away = np.hypot(c - CENTRE[0], r - CENTRE[1]) * PIXEL_MM
    texture = texture + 0.12 * ((away > OUTER_MM) & (away < OUTER_MM + 5.0))  # fat, bright at all times
    frames = []
    for t in range(FRAMES):
        scene = 0.1 + texture + soft["lv_pool"] * curve["left"][t] + soft["rv_pool"] * curve["right"][t]
        scene = scene + soft["lv_wall"] * own * curve["wall"][t]
        if shift_px is not None:
            scene = ndimage.shift(scene, shift_px[:, t], order=3, mode="nearest")
        frames.append(scene + random.normal(0, noise, scene.shape))
    return (1000.0 * np.stack(frames, axis=-1)).astype(np.float32)


def affine(level_mm: float) -> np.ndarray:
    m = np.diag([-PIXEL_MM, -PIXEL_MM, 8.0, 1.0])  # RAS of an axial-like slice
    m[:3, 3] = (56.0, 56.0, level_mm)
    return m


def write_folder(folder: Path, *, levels: int = 3, with_masks: bool = True, **change: object) -> Path:
    """A folder with `levels` stress slices; `change` overrides keys of the first slice's entry."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for k in range(levels):
        place = affine(14.0 * k)
        nib.save(nib.Nifti1Image(pictures()[:, :, None, :], place), folder / f"stress_{k}.nii.gz")
        entry: dict[str, object] = {"file": f"stress_{k}.nii.gz", "times_ms": (BEAT_MS * np.arange(FRAMES)).tolist()}
        if with_masks:
            entry["mask_frame"] = PEAK
            entry["masks"] = {}
            for name, mask in masks().items():
                nib.save(nib.Nifti1Image(mask[:, :, None].astype(np.uint8), place), folder / f"{name}_{k}.nii.gz")
                entry["masks"][name] = f"{name}_{k}.nii.gz"  # pyright: ignore[reportIndexIssue]
        entries.append(entry)
    entries[0].update(change)
    (folder / "perfusion.json").write_text(json.dumps({"stress": entries, "rest": []}))
    return folder
