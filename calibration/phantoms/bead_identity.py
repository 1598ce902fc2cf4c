"""Match the spots of a picture to the beads of the phantom.

The large code beads are tried in every order. Each order gives an affine camera, whose prediction of the other beads
ranks the orders. The best ones are refined with perspective (DeMenthon & Davis, Int J Comput Vis 15, 1995) and matched
to every spot. A mirrored picture is tried separately, because its affine camera equals that of a view from behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.spatial import KDTree

from calibration.phantoms.beads import SeenBead
from calibration.phantoms.phantom import Phantom
from calibration.phantoms.resection import Pinhole, direct_linear, fit_pinhole
from calibration.pose import RigidPose

_EXTRA_CANDIDATES, _MOST_CANDIDATES = 3, 12
_MOST_SUBSETS, _KEPT_A_SUBSET = 70, 12
_MAX_AXIS_RATIO, _MAX_AXIS_COSINE = 1.35, 0.3
_CODE_TOLERANCE = 0.15  # relative to the code beads' spread; allows for the perspective that an affine camera lacks
_DEPTHS_MM = (550.0, 750.0, 1000.0)  # distances from source to phantom that are tried
_COARSE_SHARE, _FINE_PX = 0.012, 3.0  # search radius: first as a share of the picture's larger side, then in pixels
_GOOD_SHARE = 0.8  # if this share of all beads is matched, no further order is tried
_LEAST_ORDERED = 0.85  # smallest share of pairs, see `_sizes_agree`
_TRIED, _LEAST_SHARE, _STEPS = 40, 0.45, 25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identity:
    """Beads matched to spots, and the view that projects them there.

    Args:
        beads: indices into the phantom's beads.
        spots: indices into the found spots, in the same order.
    """

    beads: Integer[np.ndarray, " n"]
    spots: Integer[np.ndarray, " n"]
    pinhole: Pinhole
    rms_px: float


def identify_beads(
    phantom: Phantom, seen: list[SeenBead], shape_px: tuple[int, int], *, aspect: float = 1.0, mirrored: bool = False
) -> Identity | None:
    """The match that explains most spots; None if no match explains enough to fit a view.

    Args:
        aspect: row spacing over column spacing.
        mirrored: whether the picture is taken to be mirrored left to right.
    """
    if len(seen) < 6:
        return None
    space = phantom.positions_mm()
    spots = np.array([[bead.column_px, bead.row_px] for bead in seen])
    strength, code = np.array([bead.strength for bead in seen]), phantom.code()
    best: Identity | None = None
    for tried, affine in enumerate(_orders(phantom, seen, aspect)):
        found = _grown(affine, space, spots, shape_px, aspect=aspect, mirrored=mirrored)
        if found is not None and not _sizes_agree(code[found.beads], strength[found.spots]):
            continue
        if found is not None and (best is None or _better(found, best)):
            best = found
        good = best is not None and len(best.beads) >= _GOOD_SHARE * min(len(space), len(spots))
        if tried >= _TRIED or (good and best is not None and best.rms_px < 0.5):
            break
    return best


def _sizes_agree(code: Bool[np.ndarray, " n"], strength: Float[np.ndarray, " n"]) -> bool:
    """Whether the beads matched as large ones cast the larger shadows.

    A helix turned upside down is the same helix: only its code beads tell the difference, and half of them may fit by
    chance. The share of (large, small) pairs in which the large bead is the stronger one is 1 for the true match and
    near 0.7 for the turned one.
    """
    large, small = strength[code], strength[~code]
    if not len(large) or not len(small):
        return len(large) > 0
    return float((large[:, None] > small[None]).mean()) >= _LEAST_ORDERED


def _better(one: Identity, other: Identity) -> bool:
    # One more matched bead outweighs a residual that is a tenth larger.
    return len(one.beads) - 10 * np.log(one.rms_px + 0.05) > len(other.beads) - 10 * np.log(other.rms_px + 0.05)


def _orders(phantom: Phantom, seen: list[SeenBead], aspect: float) -> Iterator[Float[np.ndarray, "4 2"]]:
    """Affine cameras (transposed) from every order of four code beads, the most plausible first."""
    code = phantom.positions_mm()[phantom.code()]
    strongest = sorted(seen, key=lambda bead: -bead.strength)
    strongest = strongest[: min(len(code) + _EXTRA_CANDIDATES, _MOST_CANDIDATES)]
    spots = np.array([[bead.column_px * aspect, bead.row_px] for bead in strongest])
    if len(spots) < 4:
        return
    tolerance = _CODE_TOLERANCE * np.sqrt(((spots - spots.mean(axis=0)) ** 2).sum(axis=1).mean())
    homogeneous = np.column_stack([code, np.ones(len(code))])
    choices = np.array(list(permutations(range(len(spots)), 4)))
    subsets = sorted(
        (list(subset) for subset in combinations(range(len(code)), 4)),
        key=lambda subset: -abs(np.linalg.det(homogeneous[subset])),
    )
    hypotheses: list[Float[np.ndarray, "4 2"]] = []
    for subset in subsets[:_MOST_SUBSETS]:
        determinant = np.linalg.det(homogeneous[subset])
        if abs(determinant) < 1e3:
            break
        affine = np.linalg.inv(homogeneous[subset]) @ spots[choices]
        along, down = affine[:, :3, 0], affine[:, :3, 1]
        lengths = np.linalg.norm(along, axis=1), np.linalg.norm(down, axis=1)
        ratio = lengths[0] / np.maximum(lengths[1], 1e-9)
        cosine = np.abs((along * down).sum(axis=1)) / np.maximum(lengths[0] * lengths[1], 1e-9)
        square = (ratio < _MAX_AXIS_RATIO) & (ratio > 1 / _MAX_AXIS_RATIO) & (cosine < _MAX_AXIS_COSINE)
        affine = affine[square]
        if not len(affine):
            continue
        predicted = homogeneous @ affine
        distance = np.linalg.norm(predicted[:, :, None] - spots[None, None], axis=-1).min(axis=2)
        score = np.minimum(distance / tolerance, 1.0).sum(axis=1)
        for place in np.argsort(score)[:_KEPT_A_SUBSET]:
            hypotheses.append(affine[place] / [aspect, 1.0])
    # A code bead may be hidden behind another bead, so all beads together rank the orders.
    every = np.column_stack([phantom.positions_mm(), np.ones(len(phantom.beads))])
    places = KDTree([[bead.column_px, bead.row_px] for bead in seen])
    strength, is_code = np.array([bead.strength for bead in seen]), phantom.code()
    far = tolerance / 2

    def implausible(affine: Float[np.ndarray, "4 2"]) -> tuple[bool, float]:
        """Sort key: orders whose large beads fall on large spots first, then those that hit most spots."""
        distance, nearest = places.query(every @ affine)
        near = distance < far
        agree = _sizes_agree(is_code[near], strength[np.asarray(nearest)[near]])
        return not agree, float(distance.clip(max=far).sum())

    yield from sorted(hypotheses, key=implausible)


def _grown(
    affine: Float[np.ndarray, "4 2"],
    space: Float[np.ndarray, "n 3"],
    spots: Float[np.ndarray, "m 2"],
    shape_px: tuple[int, int],
    *,
    aspect: float,
    mirrored: bool,
) -> Identity | None:
    coarse = _COARSE_SHARE * max(shape_px)
    grown: list[tuple[Integer[np.ndarray, " k"], Integer[np.ndarray, " k"], Pinhole]] = []
    for depth in _DEPTHS_MM:
        pinhole = _with_perspective(affine, space, shape_px, depth, aspect=aspect, mirrored=mirrored)
        beads, near = _matched(pinhole.project(space), spots, 3 * coarse)
        for radius in (2 * coarse, coarse, coarse):
            if len(beads) < 6:
                break
            # Few matches determine the six parameters of a weak perspective, but not the nine of a pinhole.
            pinhole = _posed(pinhole, space[beads], spots[near])
            beads, near = _matched(pinhole.project(space), spots, radius)
        grown.append((beads, near, pinhole))
    beads, near, pinhole = max(grown, key=lambda entry: len(entry[0]))
    if len(beads) < max(8, _LEAST_SHARE * min(len(space), len(spots))):
        return None
    return _fitted(pinhole, space, spots, beads, near)


def _fitted(
    pinhole: Pinhole,
    space: Float[np.ndarray, "n 3"],
    spots: Float[np.ndarray, "m 2"],
    beads: Integer[np.ndarray, " k"],
    near: Integer[np.ndarray, " k"],
) -> Identity | None:
    starts = [pinhole]
    linear = direct_linear(space[beads], spots[near], aspect=pinhole.aspect)
    if linear is not None and linear.mirrored == pinhole.mirrored:
        starts.insert(0, linear)
    for start in starts:
        chosen, seen = beads, near
        current = start
        for radius in (_FINE_PX, _FINE_PX):
            fit = fit_pinhole(current, space[chosen], spots[seen], robust=True, most_steps=_STEPS)
            current = fit.pinhole
            chosen, seen = _matched(current.project(space), spots, radius)
            if len(chosen) < 8:
                break
        else:
            rest = spots[seen] - current.project(space[chosen])
            rms = float(np.sqrt((rest**2).sum(axis=1).mean()))
            return Identity(beads=chosen, spots=seen, pinhole=current, rms_px=rms)
    return None


def _with_perspective(
    affine: Float[np.ndarray, "4 2"],
    space: Float[np.ndarray, "n 3"],
    shape_px: tuple[int, int],
    depth_mm: float,
    *,
    aspect: float,
    mirrored: bool,
) -> Pinhole:
    along, down = affine[:3, 0] * aspect, affine[:3, 1]
    middle = space.mean(axis=0)
    centre = np.array([(shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2])
    seen = affine[:3].T @ middle + affine[3] - centre
    scale = float(np.sqrt(np.linalg.norm(along) * np.linalg.norm(down)))
    rows = np.stack([along * (-1.0 if mirrored else 1.0), -down]) / scale
    return _pinhole(rows, seen, scale, middle, depth_mm, centre, aspect=aspect, mirrored=mirrored)


def _posed(pinhole: Pinhole, space: Float[np.ndarray, "k 3"], spots: Float[np.ndarray, "k 2"]) -> Pinhole:
    """One step of pose from orthography with scaling: keeps the depth and solves for everything else."""
    centre = np.array(pinhole.principal_point_px)
    camera = pinhole.camera_from_phantom
    middle = space.mean(axis=0)
    depth = float(camera.apply(middle[None])[0, 2])
    weights = camera.apply(space)[:, 2] / depth
    homogeneous = np.column_stack([space - middle, np.ones(len(space))])
    solved, *_ = np.linalg.lstsq(homogeneous, (spots - centre) * weights[:, None], rcond=None)
    along, down = solved[:3, 0] * pinhole.aspect, solved[:3, 1]
    scale = float(np.sqrt(np.linalg.norm(along) * np.linalg.norm(down)))
    rows = np.stack([along * (-1.0 if pinhole.mirrored else 1.0), -down]) / max(scale, 1e-9)
    return _pinhole(rows, solved[3], scale, middle, depth, centre, aspect=pinhole.aspect, mirrored=pinhole.mirrored)


def _pinhole(
    rows: Float[np.ndarray, "2 3"],
    seen_px: Float[np.ndarray, " 2"],
    scale: float,
    middle_mm: Float[np.ndarray, " 3"],
    depth_mm: float,
    centre_px: Float[np.ndarray, " 2"],
    *,
    aspect: float,
    mirrored: bool,
) -> Pinhole:
    """The camera with axes nearest to these rows that sees `middle_mm` at this depth and offset from the centre."""
    u, _, vt = np.linalg.svd(rows, full_matrices=False)
    axes = u @ vt
    rotation = np.vstack([axes, np.cross(axes[0], axes[1])])
    focal = scale * depth_mm
    place = np.array(
        [
            seen_px[0] / (focal * aspect) * (-1.0 if mirrored else 1.0) * depth_mm,
            -seen_px[1] / focal * depth_mm,
            depth_mm,
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = place - rotation @ middle_mm
    return Pinhole(
        camera_from_phantom=RigidPose(matrix=matrix, target="camera", source="phantom"),
        focal_px=focal,
        aspect=aspect,
        principal_point_px=(float(centre_px[0]), float(centre_px[1])),
        mirrored=mirrored,
    )


def _matched(
    predicted: Float[np.ndarray, "n 2"], spots: Float[np.ndarray, "m 2"], radius_px: float
) -> tuple[Integer[np.ndarray, " k"], Integer[np.ndarray, " k"]]:
    """Pairs that are mutually nearest and within the radius."""
    distance = np.linalg.norm(predicted[:, None] - spots[None], axis=2)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest_spot, nearest_bead = distance.argmin(axis=1), distance.argmin(axis=0)
    beads = np.arange(len(predicted))
    mutual = (nearest_bead[nearest_spot] == beads) & (distance[beads, nearest_spot] <= radius_px)
    return beads[mutual], nearest_spot[mutual]
