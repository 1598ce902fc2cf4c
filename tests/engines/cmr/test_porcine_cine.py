"""A real heart: cine MR of a pig, which no network has seen, against contours made by others."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from skimage.draw import polygon2mask

from engines.anatomy.vessel_model import CtVolume
from engines.cmr.heart.ct_heart import heart_on_grid
from engines.cmr.heart.lv_frame import frame_from_masks
from engines.cmr.wall.learned_wall import find_wall_in_picture
from engines.cmr.wall.motion import heart_centre
from tests.real_data import real_data

_VENTRICLE_Z_MM = (45.0, 97.0)  # above lie outflow and aorta, whose contours are no wall; below the apex ends
_REPEATS = 4  # of a 5 mm slice, to make a volume


@dataclass(frozen=True, kw_only=True)
class _Picture:
    z_mm: float
    time_ms: float
    place: np.ndarray
    turn: np.ndarray
    pixels: np.ndarray
    pixel_mm: np.ndarray
    cavity: np.ndarray
    whole: np.ndarray


@pytest.fixture(scope="module")
def pictures() -> list[_Picture]:
    folder = real_data("porcine_cine_mr")
    found = []
    for file in sorted(folder.glob("*.dcm")):
        contours = [folder / "lv_contours" / f"{file.stem}-{kind}contour-auto.txt" for kind in "io"]
        data = pydicom.dcmread(file)
        z = float(data.ImagePositionPatient[2])
        if not all(map(Path.exists, contours)) or not _VENTRICLE_Z_MM[0] < z < _VENTRICLE_Z_MM[1]:
            continue
        pixels = data.pixel_array.T.astype(float)
        cavity, whole = (polygon2mask(pixels.shape, np.loadtxt(path)) for path in contours)
        found.append(
            _Picture(
                z_mm=round(z, 1), time_ms=float(data.TriggerTime), pixels=pixels, cavity=cavity, whole=whole,
                place=np.array(data.ImagePositionPatient, dtype=float),
                turn=np.array(data.ImageOrientationPatient, dtype=float).reshape(2, 3),
                pixel_mm=np.array([data.PixelSpacing[1], data.PixelSpacing[0]], dtype=float),
            )
        )  # fmt: skip
    return found


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * int((a & b).sum()) / int(a.sum() + b.sum())


def test_the_network_finds_wall_and_cavity_in_single_pictures(pictures: list[_Picture]) -> None:
    wall, cavity = [], []
    for level in sorted({one.z_mm for one in pictures}):
        beats = [one for one in pictures if one.z_mm == level]
        first = min(beats, key=lambda one: one.time_ms)
        late = min(beats, key=lambda one: abs(one.time_ms - 262.0))
        centre = heart_centre(np.stack([one.pixels for one in beats], axis=-1), first.pixel_mm)
        for one in (first, late):
            found = find_wall_in_picture(one.pixels, one.pixel_mm, centre, f"z {level}")
            wall.append(_dice(found.wall, one.whole & ~one.cavity))
            cavity.append(_dice(found.pool, one.cavity))
    assert len(cavity) == 26
    assert float(np.median(cavity)) > 0.87
    assert float(np.median(wall)) > 0.68
    assert min(cavity) > 0.7


def test_the_axis_of_the_stack_runs_through_its_centres_and_makes_sections_rounder(pictures: list[_Picture]) -> None:
    stack = sorted((one for one in pictures if one.time_ms < 20.0), key=lambda one: one.z_mm)
    normal = np.cross(*stack[0].turn)
    stack.sort(key=lambda one: float(one.place @ normal))
    areas = [int(one.cavity.sum()) for one in stack]
    if areas[0] > areas[-1]:
        stack.reverse()  # from the apex
        normal = -normal
    step = float((stack[1].place - stack[0].place) @ normal)
    whole, cavity = (np.stack([getattr(one, name) for one in stack], axis=-1) for name in ("whole", "cavity"))
    cap, empty = whole[..., :1], np.zeros_like(whole[..., :1])
    cavity = np.concatenate([empty] * 7 + [cavity] + [empty] * 6, axis=2)
    whole = np.concatenate([empty] * 6 + [cap, whole] + [empty] * 6, axis=2)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = (stack[0].turn[k] * stack[0].pixel_mm[k] for k in (0, 1))
    affine[:3, 2] = normal * step / _REPEATS
    affine[:3, 3] = stack[0].place - normal * step * (7 + 0.5 * (1 / _REPEATS - 1))
    both, inner = (np.repeat(mask, _REPEATS, axis=2) for mask in (whole, cavity))
    volume = CtVolume(voxels_hu=np.zeros(both.shape, np.float32), lps_from_index=affine)
    heart = heart_on_grid(volume, {"lv_cavity": inner, "lv_wall": both & ~inner})
    frame, flags = frame_from_masks(heart)
    assert "RV_UNKNOWN" in flags
    centres = np.array([
        one.place + one.turn.T @ (np.argwhere(one.whole).mean(axis=0) * one.pixel_mm) for one in stack
    ])  # fmt: skip
    line = np.linalg.svd(centres - centres.mean(axis=0))[2][0]
    assert np.rad2deg(np.arccos(abs(line @ frame.axis))) < 5.0
    planned = np.mean([_roundness(one.whole, one.pixel_mm) for one in stack[4:10]])
    side = np.arange(-45.0, 46.0)
    first = np.cross(frame.axis, [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first)
    grid = side[:, None, None] * first + side[None, :, None] * np.cross(frame.axis, first)
    mask = (heart.masks["lv_wall"] | heart.masks["lv_cavity"]).astype(float)
    across = np.mean([
        _roundness(heart.sampled(mask, frame.apex_mm + level * frame.length_mm * frame.axis + grid) > 0.5, np.ones(2))
        for level in np.linspace(0.3, 0.7, 6)
    ])  # fmt: skip
    assert across > planned


def _roundness(mask: np.ndarray, pixel_mm: np.ndarray) -> float:
    """Minor over major axis of a mask by its second moments."""
    small, large = np.linalg.eigvalsh(np.cov((np.argwhere(mask) * pixel_mm).T))
    return float(np.sqrt(small / large))
