"""Residuals of all branches of a model, each against vessels of its own class.

Contrast leaves the arteries before the veins fill. An artery that is compared with all that is filled then finds a
vein, and stands millimetres off under a pose that is right; so arteries are compared with arteries, veins with veins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.residuals.branch_residuals import BranchResidual, branch_residuals, worst_first
from engines.registration.view import RegistrationView
from engines.segmentation.segmentation import Segmentation

ARTERY, VEIN = "artery", "vein"
_ARTERIAL = ("aorta", "artery")
# A class with less than this is a stray piece of the other one: of the picture, and of what the other class covers.
_EMPTY_SHARE, _STRAY_SHARE = 5e-4, 0.03


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenVessels:
    """Where a picture shows filled vessels, (rows, columns).

    Args:
        arterial: arteries and aorta; all vessels where the classes are not told apart.
        venous: None where the classes are not told apart.
    """

    arterial: Bool[np.ndarray, "rows columns"]
    venous: Bool[np.ndarray, "rows columns"] | None = None

    @classmethod
    def of(cls, segmentation: Segmentation, threshold: float) -> SeenVessels:
        """Each vessel belongs to its likelier class: where both cross, a picture shows one of them."""
        vessel = segmentation.vessel()
        if not tells_veins_apart(segmentation):
            return cls(arterial=vessel >= threshold)
        veins = segmentation.probability(VEIN)
        venous = (veins >= threshold) & (veins > segmentation.probability("artery", "aorta", "vessel"))
        return cls(arterial=(vessel >= threshold) & ~venous, venous=venous)


def tells_veins_apart(segmentation: Segmentation) -> bool:
    return VEIN in segmentation.classes and len({"artery", "aorta", "vessel"} & set(segmentation.classes)) > 0


class ClassedModel:
    """A model's arteries and veins, prepared once.

    Raises:
        InputError: the model has no centerlines.
    """

    def __init__(self, model: VesselModel) -> None:
        self.all = PreparedModel.of(model)
        self.arteries = _only(model, _ARTERIAL)
        self.veins = _only(model, (VEIN,))

    @property
    def drawn(self) -> PreparedModel:
        """Without veins, which hide what is treated; a model of veins alone is drawn as it is."""
        return self.arteries or self.all

    def residuals(
        self, isocentre_from_lps: RigidPose, geometry: CArmGeometry, seen: SeenVessels
    ) -> tuple[BranchResidual, ...]:
        """All branches on the picture, the worst first, those without a residual last; numbered as in `all`.

        Where the picture does not tell veins from arteries, veins are left out: they are not drawn either.
        """
        parts = [(self.drawn, seen.arterial, seen.venous)]
        if self.veins is not None and self.arteries is not None and seen.venous is not None:
            parts.append((self.veins, seen.venous, seen.arterial))
        found: list[BranchResidual] = []
        for model, mask, hidden in parts:
            if hidden is not None and mask.sum() < max(_EMPTY_SHARE * mask.size, _STRAY_SHARE * hidden.sum()):
                mask = np.zeros_like(mask)
            view = RegistrationView(
                file="", sop_instance_uid="", frame=0, geometry=geometry, vessel=np.asarray(mask, np.float32)
            )
            number = self._numbers(model)
            own = branch_residuals(isocentre_from_lps, model, prepare_view(view, edges=model.has_thick), hidden=hidden)
            found += [replace(one, branches=tuple(int(number[branch]) for branch in one.branches)) for one in own]
        return worst_first(found)

    def points_mm(self, branch: int) -> Float[np.ndarray, "n 3"]:
        """LPS, along one branch of `all`."""
        return self.all.points_mm[self.all.branch == branch]

    def _numbers(self, part: PreparedModel) -> np.ndarray:
        """Of each of the part's branches, its place among all."""
        kept = set(part.branch_classes)
        return np.flatnonzero([kind in kept for kind in self.all.branch_classes])


def _only(model: VesselModel, classes: tuple[str, ...]) -> PreparedModel | None:
    try:
        return PreparedModel.of(model, branch_classes=classes)
    except InputError:
        return None
