"""What the structures of a label volume without names may be, from their shapes and places alone.

A guess that a person sees and can correct, never knowledge: veins of a head are large and lie at its surface, behind,
above and on the midline (the sinuses); arteries lie deep at its base. A false lumen lies along the aorta over most
of its own length. Thresholds were set on the bundled cases and simulated ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from engines.anatomy.vessel_model import CtVolume, LabelVolume

_HULL_POINTS = 20_000
# A head's veins against its arteries: place of the switch, and how fast it turns over.
_SURFACE_MM, _SURFACE_WIDTH_MM = 9.0, 5.0
_THICK_MM, _THICK_WIDTH_MM = 2.0, 0.5
_BEHIND, _ABOVE = 0.2, 0.3  # shares of the labels' own box, from its middle
_MIDLINE_SHARE = 0.06  # of the width, to either side
_NECK_SHARE = -0.3  # below it the box ends and everything lies "at the surface"
# Two lumina of one aorta: the smaller touches the larger along most of its length, with a good part of its wall.
_BESIDE_LENGTH_SHARE, _BESIDE_WALL_SHARE, _BESIDE_LENGTH_MM = 0.6, 0.12, 40.0
_LUMEN_RADIUS_MM = 3.0
_BRIGHTER_HU = 40.0
_VEIN_RADIUS_MM, _VEIN_LENGTH_MM = 4.0, 40.0  # of a large vessel that touches no artery
_AORTIC_RADIUS_MM = 6.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Structure:
    """One label's place and size.

    Args:
        points_mm: LPS of its voxels.
        radius_mm: that nine tenths of its voxels lie within from the wall.
        box: of the voxels, with one voxel around.
    """

    number: int
    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: float
    box: tuple[slice, slice, slice]

    @property
    def size_mm(self) -> Float[np.ndarray, " 3"]:
        return np.ptp(self.points_mm, axis=0)


def guessed_classes(labels: LabelVolume, kind: str, ct: CtVolume | None = None) -> dict[int, str]:
    """A class for every label: "artery", "vein", "aorta", "false lumen".

    Args:
        kind: evt, tavi or coronary.
        ct: tells the brighter of two lumina.
    """
    structures = [_structure(labels, int(number)) for number in np.unique(labels.labels) if number]
    if kind == "tavi":
        return _aortic(structures, labels, ct)
    if kind == "evt":
        return _cerebral(structures)
    thickest = max(structures, key=lambda s: s.radius_mm)
    return {s.number: "aorta" if s is thickest and s.radius_mm >= _AORTIC_RADIUS_MM else "artery" for s in structures}


def _structure(labels: LabelVolume, number: int) -> _Structure:
    found = ndimage.find_objects((labels.labels == number).astype(np.uint8))[0]
    mask = np.pad(labels.labels[found] == number, 1)
    affine = labels.lps_from_index
    depth_mm = np.asarray(ndimage.distance_transform_edt(mask, sampling=np.linalg.norm(affine[:3, :3], axis=0)))
    index = np.argwhere(labels.labels == number)
    box = tuple(
        slice(max(0, part.start - 2), min(size, part.stop + 2))
        for part, size in zip(found, labels.labels.shape, strict=True)
    )
    return _Structure(
        number=number,
        points_mm=index @ affine[:3, :3].T + affine[:3, 3],
        radius_mm=float(np.percentile(depth_mm[mask], 90)),
        box=(box[0], box[1], box[2]),
    )


def _cerebral(structures: list[_Structure]) -> dict[int, str]:
    everything = np.concatenate([s.points_mm for s in structures])
    low, size = everything.min(axis=0), np.maximum(np.ptp(everything, axis=0), 1e-6)
    middle_x = float(np.median(everything[:, 0]))
    try:
        walls = ConvexHull(everything[:: max(1, len(everything) // _HULL_POINTS)]).equations
    except QhullError:  # flat: nothing lies deep
        walls = np.zeros((1, 4))
    scores = {s.number: _venous(s, low, size, middle_x, walls) for s in structures}
    most_arterial = min(scores, key=lambda number: scores[number])
    return {n: "vein" if score > 0 and n != most_arterial else "artery" for n, score in scores.items()}


def _venous(
    structure: _Structure,
    low: Float[np.ndarray, " 3"],
    size: Float[np.ndarray, " 3"],
    middle_x: float,
    walls: Float[np.ndarray, "w 4"],
) -> float:
    """Above 0 for a vein: each sign between -1 and 1, weighed."""
    points = structure.points_mm
    place = (np.median(points, axis=0) - low) / size - 0.5
    above_neck = points[(points[:, 2] - low[2]) / size[2] - 0.5 > _NECK_SHARE]
    inner = (above_neck if len(above_neck) else points)[:: max(1, len(points) // 5000)]
    depth_mm = -(walls[:, :3] @ inner.T + walls[:, 3:]).max(axis=0)
    signs = [
        (1.0, (_SURFACE_MM - float(np.median(depth_mm))) / _SURFACE_WIDTH_MM if len(above_neck) else 0.0),
        (0.7, (structure.radius_mm - _THICK_MM) / _THICK_WIDTH_MM),
        (1.0, float(place[1]) / _BEHIND),
        (0.7, (float(place[2]) + 0.1) / _ABOVE),
    ]
    on_midline = float(np.abs(points[:, 0] - middle_x).mean()) < _MIDLINE_SHARE * size[0]
    if on_midline and (place[2] > 0.2 or place[1] > 0.25):
        signs.append((0.7, 1.0))
    return sum(weight * float(np.clip(sign, -1.0, 1.0)) for weight, sign in signs)


def _aortic(structures: list[_Structure], labels: LabelVolume, ct: CtVolume | None) -> dict[int, str]:
    largest = max(structures, key=lambda s: len(s.points_mm) * s.radius_mm)
    guess = {largest.number: "aorta"}
    beside = [s for s in structures if s is not largest and _lies_beside(s, largest, labels)]
    if beside:
        other = max(beside, key=lambda s: len(s.points_mm))
        false = _false_one(largest, other, ct)
        guess = {largest.number: "aorta", other.number: "aorta", false.number: "false lumen"}
    # From the aorta outwards: what touches an artery is one.
    waiting = [s for s in structures if s.number not in guess]
    reached = True
    while reached:
        reached = False
        for s in list(waiting):
            if _touched(s, labels, [n for n, found in guess.items() if found != "vein"]).any():
                guess[s.number] = "artery"
                waiting.remove(s)
                reached = True
    for s in waiting:
        large = s.radius_mm >= _VEIN_RADIUS_MM and float(s.size_mm.max()) >= _VEIN_LENGTH_MM
        guess[s.number] = "vein" if large else "artery"
    return dict(sorted(guess.items()))


def _touched(structure: _Structure, labels: LabelVolume, numbers: list[int]) -> Bool[np.ndarray, "i j k"]:
    """Voxels of the structure, in its box, next to one of those labels."""
    part = labels.labels[structure.box]
    near = np.asarray(ndimage.binary_dilation(np.isin(part, numbers), structure=np.ones((3, 3, 3))), dtype=bool)
    return near & (part == structure.number)


def _lies_beside(structure: _Structure, aorta: _Structure, labels: LabelVolume) -> bool:
    if structure.radius_mm < _LUMEN_RADIUS_MM or float(structure.size_mm[2]) < _BESIDE_LENGTH_MM:
        return False
    touched = _touched(structure, labels, [aorta.number])
    if not touched.any():
        return False
    own = labels.labels[structure.box] == structure.number
    wall = own & ~np.asarray(ndimage.binary_erosion(own), dtype=bool)
    affine = labels.lps_from_index
    along_mm = {
        name: np.unique(np.rint(np.argwhere(mask) @ affine[2, :3]).astype(int)).size
        for name, mask in (("own", own), ("touched", touched))
    }
    return along_mm["touched"] >= _BESIDE_LENGTH_SHARE * along_mm["own"] and float(
        touched.sum()
    ) >= _BESIDE_WALL_SHARE * float(wall.sum())


def _false_one(first: _Structure, second: _Structure, ct: CtVolume | None) -> _Structure:
    """Contrast is brighter in the true lumen; without a CT, the one in front, with the ascending aorta, is true."""
    if ct is not None:
        level = [_level_hu(s, ct) for s in (first, second)]
        if abs(level[0] - level[1]) > _BRIGHTER_HU:
            return first if level[0] < level[1] else second
    behind = [float(np.median(s.points_mm[:, 1])) for s in (first, second)]
    return first if behind[0] > behind[1] else second


def _level_hu(structure: _Structure, ct: CtVolume) -> float:
    points = structure.points_mm[:: max(1, len(structure.points_mm) // 5000)]
    inverse = np.linalg.inv(ct.lps_from_index)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    return float(np.median(ndimage.map_coordinates(ct.voxels_hu, index.T, order=0, mode="nearest")))
