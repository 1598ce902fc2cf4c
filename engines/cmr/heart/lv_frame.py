"""The left ventricle's own frame from its masks: mitral centre, endocardial apex, RV insertions, and wall coordinates.

The mitral centre is the centroid of the cavity's whole basal opening, inflow and outflow: the contact with the left
atrium alone leans towards the lateral wall and turns the axis by up to five degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.working_grid import largest_part, within
from engines.cmr.heart.ct_heart import CtHeart

_CAP_MM = 2.0
_GAP_MM = 1.6  # masks of wall and cavity may lie a voxel apart without an opening between them
_LEVELS_OF_INSERTION = np.linspace(0.35, 0.85, 11)
_OFFSETS_MM = (1.0, 2.5, 4.0, 6.0)
_NARROWEST_SEPTUM_DEG = 50.0
_ANGLES = 360
_NEAR_END = 0.12  # of the length
DEFAULT_SEPTUM_RAD = np.deg2rad(60.0)  # half of the septum where no right ventricle tells it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LvFrame:
    """Axes of the left ventricle, LPS.

    Args:
        apex_mm, mitral_mm: endocardial apex and mitral centre.
        right: unit vector perpendicular to the long axis, towards the mid-septum.
        anterior_rad: angle of the anterior RV insertion from `right`, positive towards the anterior wall.
    """

    apex_mm: Float[np.ndarray, " 3"]
    mitral_mm: Float[np.ndarray, " 3"]
    right: Float[np.ndarray, " 3"]
    anterior_rad: float = float(DEFAULT_SEPTUM_RAD)

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(self.mitral_mm - self.apex_mm))

    @property
    def axis(self) -> Float[np.ndarray, " 3"]:
        """Unit vector from apex to mitral centre."""
        return (self.mitral_mm - self.apex_mm) / self.length_mm

    @property
    def anterior(self) -> Float[np.ndarray, " 3"]:
        """Unit vector towards the anterior wall, which is on top where the septum lies left, seen from the apex."""
        return np.cross(self.axis, self.right)

    def local(self, points_mm: Float[np.ndarray, "... 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Share of the length (0 apex, 1 mitral plane), distance from the axis in mm, and angle from `right`."""
        from_apex = points_mm - self.apex_mm
        x, y = from_apex @ self.right, from_apex @ self.anterior
        return from_apex @ self.axis / self.length_mm, np.hypot(x, y), np.arctan2(y, x)

    def point(self, level: np.ndarray, radius_mm: np.ndarray, angle: np.ndarray) -> Float[np.ndarray, "... 3"]:
        """LPS of local coordinates, the inverse of `local`."""
        level, radius_mm, angle = np.broadcast_arrays(level, radius_mm, angle)
        return (
            self.apex_mm
            + (level * self.length_mm)[..., None] * self.axis
            + (radius_mm * np.cos(angle))[..., None] * self.right
            + (radius_mm * np.sin(angle))[..., None] * self.anterior
        )

    def aha_degrees(self, angle: np.ndarray) -> np.ndarray:
        """Degrees from the anterior RV insertion through the septum, 0 to 360."""
        return np.rad2deg(self.anterior_rad - angle) % 360.0

    def segments(self, points_mm: Float[np.ndarray, "... 3"]) -> np.ndarray:
        """AHA number of points in the wall; 17 below the endocardial apex, 0 above the mitral plane."""
        level, _, angle = self.local(points_mm)
        return aha_segments(level, self.aha_degrees(angle))


def aha_segments(level: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """AHA number from the share of the length and the angle from the anterior insertion through the septum."""
    six = np.array([2, 3, 4, 5, 6, 1])[(degrees // 60).astype(int) % 6]
    four = np.array([14, 15, 16, 13])[(((degrees - 15.0) % 360.0) // 90).astype(int) % 4]
    low = np.where(level > 1 / 3, six + 6, np.where(level >= 0, four, 17))
    return np.where(level > 1.0, 0, np.where(level > 2 / 3, six, low))


def frame_from_masks(heart: CtHeart) -> tuple[LvFrame, tuple[str, ...]]:
    """Frame of the left ventricle, and flags: APEX_CUT, BASE_CUT, RV_UNKNOWN.

    Raises:
        InputError: the cavity is closed or open in no place that could be its base.
    """
    flags: list[str] = []
    cavity = largest_part(heart.masks["lv_cavity"])
    mitral = _mitral_centre(heart, cavity)
    apex = _apex(heart, cavity, mitral)
    axis = (mitral - apex) / np.linalg.norm(mitral - apex)
    if heart.touches_border:
        flags.extend(_cut_ends(heart, apex, mitral))
    elif _apex_is_bare(heart, apex, axis):
        flags.append("APEX_CUT")
    right_hint = _towards_right_ventricle(heart, mitral)
    if right_hint is None:
        flags.append("RV_UNKNOWN")
        right_hint = np.array([-0.64, -0.76, 0.10])  # towards the patient's right and front
    right = _perpendicular(right_hint, axis)
    frame = LvFrame(apex_mm=apex, mitral_mm=mitral, right=right)
    if "rv" in heart.masks and heart.masks["rv"].any():
        found = _insertions(heart, frame)
        if found is None:
            flags.append("RV_UNKNOWN")
        else:
            anterior, inferior = found
            middle = 0.5 * (anterior + inferior)
            turned = np.cos(middle) * frame.right + np.sin(middle) * frame.anterior
            frame = LvFrame(
                apex_mm=apex,
                mitral_mm=mitral,
                right=_perpendicular(turned, axis),
                anterior_rad=0.5 * (anterior - inferior),
            )
    return frame, tuple(dict.fromkeys(flags))


def _perpendicular(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    rest = vector - (vector @ axis) * axis
    return rest / np.linalg.norm(rest)


def _mitral_centre(heart: CtHeart, cavity: np.ndarray) -> np.ndarray:
    """Centroid of the faces between the cavity and what is neither cavity nor wall, in the largest such opening."""
    near_wall = within(heart.masks["lv_wall"], _GAP_MM, heart.spacing_mm)
    shell = np.asarray(ndimage.binary_dilation(cavity, np.ones((3, 3, 3)))) & ~cavity & ~near_wall
    if not shell.any():
        raise InputError(
            "the LV cavity has no opening towards atrium and aorta (the wall mask closes it on all sides); "
            "draw wall and cavity without the valve plane"
        )
    parts, count = ndimage.label(shell, np.ones((3, 3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    opening = np.asarray(ndimage.binary_dilation(parts == sizes.argmax(), np.ones((3, 3, 3)), iterations=2)) & ~cavity
    opening &= ~heart.masks["lv_wall"]
    centres, weights = [], []
    spacing = heart.spacing_mm
    for axis in range(3):
        area = float(np.prod(spacing) / spacing[axis])
        first, second = [
            tuple(slice(a, b) if k == axis else slice(None) for k in range(3)) for a, b in ((None, -1), (1, None))
        ]
        for here, there in ((cavity[first] & opening[second], 1), (cavity[second] & opening[first], 1)):
            at = np.argwhere(here).astype(np.float64)
            at[:, axis] += 0.5 * there
            centres.append(at)
            weights.append(np.full(len(at), area))
    index, weight = np.concatenate(centres), np.concatenate(weights)
    middle = np.average(index, axis=0, weights=weight)
    return heart.lps_from_index[:3, :3] @ middle + heart.lps_from_index[:3, 3]


def _apex(heart: CtHeart, cavity: np.ndarray, mitral: np.ndarray) -> np.ndarray:
    """The cavity's farthest point from the base: the deepest cap's middle, pushed out to its end."""
    points = heart.points_mm(cavity)
    apex = points[np.argmax(np.linalg.norm(points - mitral, axis=1))]
    for _ in range(6):
        axis = (apex - mitral) / np.linalg.norm(apex - mitral)
        along = (points - mitral) @ axis
        end = float(np.partition(along, -8)[-8])
        cap = points[along > end - _CAP_MM]
        middle = cap.mean(axis=0)
        apex = middle + (end + 0.3 * float(heart.spacing_mm.min()) - (middle - mitral) @ axis) * axis
    return apex


def _cut_ends(heart: CtHeart, apex: np.ndarray, mitral: np.ndarray) -> tuple[str, ...]:
    """Which ends of the ventricle lie where it meets the end of the CT; a lying heart may lose both."""
    index = np.argwhere(heart.masks["lv_wall"] | heart.masks["lv_cavity"])
    edge = (index == 0).any(axis=1) | (index == np.array(heart.hu.shape) - 1).any(axis=1)
    if not edge.any():
        return ("BASE_CUT",)
    points = index[edge] @ heart.lps_from_index[:3, :3].T + heart.lps_from_index[:3, 3]
    level = (points - apex) @ (mitral - apex) / float((mitral - apex) @ (mitral - apex))
    low, high = bool((level < _NEAR_END).any()), bool((level > 1.0 - _NEAR_END).any())
    if not low and not high:  # a side is cut: the nearer end suffers more
        low = bool(level.mean() < 0.5)
        high = not low
    return tuple(name for name, cut in (("APEX_CUT", low), ("BASE_CUT", high)) if cut)


def _apex_is_bare(heart: CtHeart, apex: np.ndarray, axis: np.ndarray) -> bool:
    """No wall below the cavity's end: the apex was cut off by whoever drew it."""
    below = apex - axis * np.array([1.0, 2.0, 3.0])[:, None]
    return not (heart.sampled(heart.masks["lv_wall"], below) > 0.3).any()


def _towards_right_ventricle(heart: CtHeart, mitral: np.ndarray) -> np.ndarray | None:
    for name in ("rv", "ra"):
        if name in heart.masks and heart.masks[name].any():
            return heart.points_mm(heart.masks[name]).mean(axis=0) - mitral
    return None


def _insertions(heart: CtHeart, frame: LvFrame) -> tuple[float, float] | None:
    """Angles at which the right ventricle leaves the left one's surface, median over the middle levels."""
    found = insertions_by_level(heart, frame, _LEVELS_OF_INSERTION)
    found = found[np.isfinite(found).all(axis=1)]
    if len(found) < 3:
        return None
    anterior, inferior = np.median(found, axis=0)
    return float(anterior), float(inferior)


def insertions_by_level(heart: CtHeart, frame: LvFrame, levels: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """Angle of the anterior and inferior insertion a level; NaN where the right ventricle does not touch."""
    found = np.full((len(levels), 2), np.nan)
    if "rv" not in heart.masks or not heart.masks["rv"].any():
        return found
    ventricle = (heart.masks["lv_wall"] | heart.masks["lv_cavity"]).astype(np.float32)
    rv = np.asarray(ndimage.gaussian_filter(heart.masks["rv"].astype(np.float32), 0.6))
    angle = np.linspace(-np.pi, np.pi, _ANGLES, endpoint=False)
    for row, level in enumerate(levels):
        if not 0.05 < level < 1.0:
            continue
        outer = outer_radius(heart, ventricle, frame, np.full_like(angle, level), angle)
        if np.median(outer) < 8.0:
            continue
        for offset in _OFFSETS_MM:
            touch = heart.sampled(rv, frame.point(np.asarray(level), outer + offset, angle)) > 0.5
            run = _main_run(touch, angle)
            if run is not None and run[0] - run[1] > np.deg2rad(_NARROWEST_SEPTUM_DEG):
                found[row] = run
                break
    return found


def _main_run(touch: np.ndarray, angle: np.ndarray) -> tuple[float, float] | None:
    """Ends (upper, lower) of the longest run of contact, small gaps closed."""
    closed = ndimage.binary_closing(np.concatenate([touch] * 3), np.ones(9))[len(touch) : 2 * len(touch)]
    # The seam at +-180 degrees faces away from the right ventricle.
    parts, count = ndimage.label(closed)  # pyright: ignore[reportGeneralTypeIssues]
    if not count:
        return None
    sizes = np.bincount(parts)
    sizes[0] = 0
    inside = angle[parts == sizes.argmax()]
    return float(inside.max()), float(inside.min())


def outer_radius(
    heart: CtHeart,
    mask: Float[np.ndarray, "i j k"],
    frame: LvFrame,
    level: np.ndarray,
    angle: np.ndarray,
    *,
    longest_mm: float = 60.0,
    step_mm: float = 0.6,
) -> Float[np.ndarray, " n"]:
    """Distance from the axis at which rays leave a mask for good; 0 where they never meet it."""
    radius = np.arange(0.0, longest_mm, step_mm)
    inside = heart.sampled(mask, frame.point(level[:, None], radius[None], angle[:, None]))
    last = radius.shape[0] - 1 - np.argmax((inside > 0.5)[:, ::-1], axis=1)
    some = (inside > 0.5).any(axis=1)
    beyond = np.minimum(last + 1, len(radius) - 1)
    rows = np.arange(len(inside))
    a, b = inside[rows, last], inside[rows, beyond]
    share = np.where(a > b, (a - 0.5) / np.maximum(a - b, 1e-6), 0.0)
    return np.where(some, radius[last] + np.clip(share, 0, 1) * step_mm, 0.0)
