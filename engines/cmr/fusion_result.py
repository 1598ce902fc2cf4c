"""What a fusion found, as values; `results/` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from engines.cmr.coronaries.ct_tree import ASSUMED, is_assumed
from engines.cmr.coronaries.territory import Territories
from engines.cmr.coronaries.tree import TreeBranch
from engines.cmr.coronaries.verdict import Defect, Lesion
from engines.cmr.fusion.elastic import SliceLink
from engines.cmr.fusion.rigid import StackPlace
from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.radial_model import RadialModel
from engines.cmr.measured import CoronarySource
from engines.cmr.perfusion.blood_flow import SegmentFlow
from engines.cmr.perfusion.segments import SegmentPerfusion
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion

AHA_DEFAULT = {1: "LAD", 2: "LAD", 3: "RCA", 4: "RCA", 5: "LCx", 6: "LCx", 7: "LAD", 8: "LAD", 9: "RCA", 10: "RCA",
               11: "LCx", 12: "LCx", 13: "LAD", 14: "LAD", 15: "RCA", 16: "LCx", 17: "LAD"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentFusion:
    """One AHA segment with its vessels.

    Args:
        stress: its perfusion under stress.
        rest_flow: its blood flow at rest.
        reserve: stress over rest upslope; None without rest.
        territory: vessel that feeds most of it by this patient's own tree; None without a tree.
        territory_share: share of its mass to which this vessel is the nearest.
        chance: that LAD, LCx or RCA feeds most of it; None without a tree.
        shared: no vessel is sure enough to be called its own.
        aha_default: the vessel that the population's scheme gives it.
    """

    stress: SegmentPerfusion
    reserve: float | None
    territory: str | None
    territory_share: float | None
    aha_default: str
    chance: tuple[float, float, float] | None = None
    shared: bool = False
    rest_flow: SegmentFlow | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fusion:
    """Everything that one case gave.

    Args:
        slices, rest: measured slices; `links` tie the stress slices to the CT.
        upslope: (n,) relative upslope of the working grid's wall voxels, NaN where unknown.
        remote: upslope of remote wall.
        tree, territories: None without coronaries.
        coronaries: whether they were given, found in the CT, or neither.
        dice_reoriented, dice_registered: mean 2-D wall Dice in the slices' planes.
        flags: empty only where the result may be trusted without a person's look.
        seconds: by stage.
        no_flow: in words why stress, and why rest, has no blood flow; empty where it has.
        by_hand: what a reader changed, a line each.
    """

    heart: CtHeart
    model: RadialModel
    place: StackPlace
    slices: tuple[SlicePerfusion, ...]
    links: tuple[SliceLink, ...]
    pool_per_s: float
    upslope: Float[np.ndarray, " n"]
    remote: float
    segments: Mapping[int, SegmentFusion]
    tree: tuple[TreeBranch, ...] | None
    territories: Territories | None
    lesions: tuple[Lesion, ...]
    defects: tuple[Defect, ...]
    dice_reoriented: float
    dice_registered: float
    flags: tuple[str, ...]
    seconds: Mapping[str, float]
    coronaries: CoronarySource = "given"
    no_flow: Mapping[str, str] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()

    @property
    def assumed(self) -> tuple[str, ...]:
        """Arteries that feed wall though nobody saw them."""
        tree = self.tree or ()
        return tuple(
            part.name.removesuffix(ASSUMED).strip() for part in tree if is_assumed(part.name) and not part.hidden
        )

    def vessel_of_lesion(self, index: int) -> str:
        """The branch's vessel; of a left main the one that most of its wall belongs to."""
        lesion = self.lesions[index]
        assert self.tree is not None
        part = self.tree[lesion.stenosis.branch]
        if part.vessel or self.territories is None:
            return part.vessel or "LAD"
        counts = np.bincount(self.territories.vessel[lesion.wall], minlength=4)[1:]
        return ("LAD", "LCx", "RCA")[int(counts.argmax())]
