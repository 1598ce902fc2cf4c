"""A vessel model prepared for matching: once, for all frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from calibration.errors import InputError
from engines.anatomy.vessel_model import Branch, CenterlineTree, VesselModel
from engines.registration.features.surface_outline import COARSE_CELL_MM, OutlineMesh, outline_mesh

_MAX_POINTS = 900
_MIN_STEP_MM = 0.7
RIM_ABOVE_MM = 3.4  # from this radius on, a vessel's rims are matched with edges in the picture
_MIN_SYSTEM_SHARE = 0.12  # share of the points; a smaller tree cannot be found alone
_ROUGH_BELOW = 300  # points; a model with fewer is for rough steps or for speed
_FALLBACK_RADIUS_MM = 1.0  # only the width at which the coarse search draws a branch of unknown radius


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedModel:
    """Evenly spaced centerline points with tangents and radii.

    Args:
        model: the vessel model it was made from.
        pivot_mm: (3,) LPS, centre of rotations: the mean of the points.
        points_mm: (n, 3) LPS.
        tangents: (n, 3) unit vectors along the branch.
        radius_mm: (n,) lumen radius, never NaN.
        branch: (n,) index of the branch of each point.
        system: (n,) index of the tree of each point; one injection seldom fills all trees.
        step_mm: distance between neighbouring points.
        outline: surface of the thick branches; None if there are none or the model has no surface.
        rough_outline: a coarser `outline` for a thinned model.
    """

    model: VesselModel
    pivot_mm: Float[np.ndarray, " 3"]
    points_mm: Float[np.ndarray, "n 3"]
    tangents: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    branch: np.ndarray
    system: np.ndarray
    branch_names: tuple[str, ...]
    branch_classes: tuple[str, ...]
    step_mm: float
    outline: OutlineMesh | None = None
    rough_outline: OutlineMesh | None = None

    @classmethod
    def of(
        cls, model: VesselModel, *, branch_classes: tuple[str, ...] = (), max_points: int = _MAX_POINTS
    ) -> PreparedModel:
        """Prepare the branches of the given classes (all when empty).

        Raises:
            InputError: the model has no centerlines, or none of these classes.
        """
        if model.centerlines is None:
            raise InputError(
                "the vessel model has no centerlines, which registration matches; "
                "create the case again with --vessels or --centerlines"
            )
        tree = model.centerlines.branches
        chosen = [i for i, b in enumerate(tree) if not branch_classes or b.vessel_class in branch_classes]
        branches = [tree[i] for i in chosen]
        if not branches:
            found = sorted({b.vessel_class for b in tree})
            raise InputError(
                f"the vessel model has branches of class {', '.join(found)}, the view shows "
                f"{', '.join(branch_classes)}; nothing can be matched"
            )
        length_mm = sum(float(np.linalg.norm(np.diff(b.points_mm, axis=0), axis=1).sum()) for b in branches)
        step_mm = max(_MIN_STEP_MM, length_mm / max_points)
        parts = [_sampled(b, step_mm) for b in branches]
        roots = _roots(model.centerlines)
        systems = [roots[i] for i in chosen]
        points = np.concatenate([p for p, _, _ in parts])
        radius = np.concatenate([r for _, _, r in parts])
        system = np.repeat(systems, [len(p) for p, _, _ in parts])
        outline = outline_mesh(model.surface, points, radius, system, thick_above_mm=RIM_ABOVE_MM)
        return cls(
            model=model,
            pivot_mm=points.mean(axis=0),
            points_mm=points,
            tangents=np.concatenate([t for _, t, _ in parts]),
            radius_mm=radius,
            branch=np.repeat(np.arange(len(parts)), [len(p) for p, _, _ in parts]),
            system=system,
            branch_names=tuple(b.name for b in branches),
            branch_classes=tuple(b.vessel_class for b in branches),
            step_mm=step_mm,
            outline=outline,
            rough_outline=None if outline is None else outline.merged(COARSE_CELL_MM),
        )

    def thinned(self, max_points: int) -> PreparedModel:
        """Every k-th point, for steps in which speed matters more than the last tenth of a millimetre."""
        every = max(1, int(np.ceil(len(self.points_mm) / max_points)))
        thin = self._only(np.arange(len(self.points_mm)) % every == 0, self.step_mm * every)
        return thin if max_points >= _ROUGH_BELOW else replace(thin, outline=self.rough_outline)

    def systems(self) -> list[PreparedModel]:
        """The whole model and, if it has several trees (left and right coronary, carotids), each of the larger ones.

        All share the pivot, so a pose of one is a pose of all.
        """
        names, counts = np.unique(self.system, return_counts=True)
        if len(names) < 2:
            return [self]
        large = names[counts >= _MIN_SYSTEM_SHARE * counts.sum()]
        return [self, *(self._system(int(name)) for name in large)]

    def _system(self, name: int) -> PreparedModel:
        part = self._only(self.system == name, self.step_mm)
        outline, rough = (None if mesh is None else mesh.of_system(name) for mesh in (self.outline, self.rough_outline))
        return replace(part, outline=outline, rough_outline=rough)

    def _only(self, keep: Bool[np.ndarray, " n"], step_mm: float) -> PreparedModel:
        return replace(
            self,
            points_mm=self.points_mm[keep],
            tangents=self.tangents[keep],
            radius_mm=self.radius_mm[keep],
            branch=self.branch[keep],
            system=self.system[keep],
            step_mm=step_mm,
        )

    @property
    def has_thick(self) -> bool:
        """Whether any branch is so wide that its rims are matched with edges."""
        return bool((self.radius_mm >= RIM_ABOVE_MM).any())

    @property
    def extent_mm(self) -> float:
        """Root mean square distance of the points from the pivot."""
        return float(np.sqrt(((self.points_mm - self.pivot_mm) ** 2).sum(axis=1).mean()))


def _roots(tree: CenterlineTree) -> list[int]:
    """Index of each branch's root; a missing parent ends the walk."""
    roots = []
    for index in range(len(tree.branches)):
        root, steps = index, 0
        while 0 <= tree.branches[root].parent < len(tree.branches) and steps < len(tree.branches):
            root, steps = tree.branches[root].parent, steps + 1
        roots.append(root)
    return roots


def _sampled(
    branch: Branch, step_mm: float
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    steps = np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1)
    arc_mm = np.concatenate([[0.0], np.cumsum(steps)])
    keep = np.concatenate([[True], np.diff(arc_mm) > 0])
    arc_mm, points, radius = arc_mm[keep], branch.points_mm[keep], branch.radius_mm[keep]
    count = max(2, int(np.ceil(arc_mm[-1] / step_mm)) + 1)
    at_mm = np.linspace(0.0, arc_mm[-1], count)
    known = np.isfinite(radius)
    radius = np.interp(at_mm, arc_mm[known], radius[known]) if known.any() else np.full(count, _FALLBACK_RADIUS_MM)
    points = np.column_stack([np.interp(at_mm, arc_mm, points[:, axis]) for axis in range(3)])
    tangents = np.gradient(points, axis=0)
    lengths = np.linalg.norm(tangents, axis=1, keepdims=True)
    return points, tangents / np.maximum(lengths, 1e-9), np.maximum(radius, 0.1)
