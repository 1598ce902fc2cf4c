"""Fit the most probable motion of a tree to one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from engines.registration.features.image_features import FeatureSet, PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import MIN_DEPTH_MM, ModelInView, RigidState, feature_pairs
from engines.registration.motion.deform_basis import MotionBasis
from engines.registration.motion.deform_match import matched, pull

_EVIDENCE = 150.0  # weight of a whole picture against the modes' own spread, per mm^2
_ITERATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeformScene:
    """The rigid projection of the tree, the modes at its points, and the picture's vessels.

    Args:
        modes: (n, m) displacement in mm of each point for one unit of each mode.
        shown: (n,) magnification from the point's depth to the isocentre plane.
    """

    model: PreparedModel
    part: ModelInView
    modes: Float[np.ndarray, "n m"]
    shown: Float[np.ndarray, " n"]
    seen: FeatureSet

    @classmethod
    def of(cls, state: RigidState, model: PreparedModel, basis: MotionBasis, view: PreparedView) -> DeformScene | None:
        """The scene of a view; None if no part of the tree or no vessel lies in the picture."""
        if not len(view.centreline):
            return None
        part = feature_pairs(state, model, view, 0)[0].model
        if not part.usable.any():
            return None
        shown = view.sod_mm / np.maximum(part.camera_mm[:, 2], MIN_DEPTH_MM)
        return cls(model=model, part=part, modes=basis.at(model.points_mm), shown=shown, seen=view.centreline)

    def motion_mm(self, amplitudes: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "n 2"]:
        return self.modes @ amplitudes


def fit(
    scene: DeformScene,
    start: Float[np.ndarray, "m 2"],
    expected: Float[np.ndarray, "m 2"],
    trust: float,
    scales_mm: tuple[float, ...],
    *,
    of_model: Bool[np.ndarray, " n"] | None = None,
    of_image: Bool[np.ndarray, " k"] | None = None,
) -> Float[np.ndarray, "m 2"]:
    """Gauss-Newton from `start`, with the robust scales `scales_mm` one after the other.

    Args:
        expected: motion of the previous frame; `trust` is its weight against the modes' own spread.
        of_model, of_image: which points take part (see `matched`).
    """
    modes = scene.modes * scene.shown[:, None]
    count = modes.shape[1]
    amplitudes, prior = start, (1.0 + trust) * np.eye(2 * count)
    for scale_mm in scales_mm:
        for _ in range(_ITERATIONS):
            pairs = matched(scene.part, modes @ amplitudes, scene.seen, of_model=of_model, of_image=of_image)
            if pairs is None:
                return amplitudes
            stiffness, force = pull(pairs, scale_mm, len(modes))
            xx, xy, yy = (modes.T @ (modes * stiffness[:, a, b, None]) for a, b in ((0, 0), (0, 1), (1, 1)))
            information = prior + _EVIDENCE * np.block([[xx, xy], [xy, yy]])
            gradient = amplitudes + trust * (amplitudes - expected) + _EVIDENCE * (modes.T @ force)
            step = np.linalg.solve(information, gradient.T.ravel())
            amplitudes = amplitudes - step.reshape(2, count).T
    return amplitudes
