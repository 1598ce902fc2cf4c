"""A lesion's wall is called starved only where it lies lower than noise and healthy unevenness explain."""

import numpy as np
import pytest

from engines.cmr.coronaries.region_test import RegionUpslope
from engines.cmr.coronaries.stenosis import Stenosis
from engines.cmr.coronaries.territory import Territories
from engines.cmr.coronaries.verdict import Lesion, judge
from engines.cmr.heart.ct_heart import CtHeart

SIDE = 14
WALL = np.ones((SIDE,) * 3, dtype=bool)
POINTS = 2.0 * np.argwhere(WALL)
FED = POINTS[:, 0] < 10.0  # behind the stenosis
SEGMENT = 1 + (POINTS[:, 1] // 8.0).astype(int)


class _Pixels:
    """Every voxel is a pixel; what is told of a region has a given error."""

    def __init__(self, upslope: np.ndarray, sigma: float) -> None:
        self.values, self.sigma = upslope, sigma

    def upslope(self, wall: np.ndarray) -> RegionUpslope | None:
        return RegionUpslope(value=float(self.values[wall].mean()), sigma=self.sigma, pixels=int(wall.sum()))


def _judged(share: float, *, sigma: float = 0.002, margin_mm: float = 20.0, uneven: float = 0.0) -> Lesion:
    random = np.random.default_rng(0)
    bumps = 1.0 + uneven * random.normal(size=SEGMENT.max() + 1)
    upslope = np.where(FED, 0.1 * share, 0.1) * np.where(FED, 1.0, bumps[SEGMENT])
    heart = CtHeart(
        hu=np.zeros(WALL.shape), masks={"lv_wall": WALL, "lv_cavity": ~WALL},
        lps_from_index=np.diag([2.0, 2.0, 2.0, 1.0]), touches_border=False,
    )  # fmt: skip
    found = Territories(
        points_mm=POINTS,
        vessel=np.ones(len(POINTS), dtype=int),
        distance_mm=np.zeros((3, len(POINTS))),
        margin_mm=np.full(len(POINTS), margin_mm),
        sources=(),
    )
    stenosis = Stenosis(branch=0, point=3, percent=70.0, length_mm=5.0)
    lesions, _, remote = judge(heart, found, _Pixels(upslope, sigma), upslope, [stenosis], [FED], SEGMENT)  # pyright: ignore[reportArgumentType]
    assert remote == pytest.approx(0.1, rel=0.15)
    return lesions[0]


@pytest.mark.parametrize(("share", "verdict"), [(0.55, "matched"), (0.75, "matched"), (0.98, "unmatched_lesion"),
                                                (1.1, "unmatched_lesion")])  # fmt: skip
def test_clear_walls_have_clear_verdicts(share: float, verdict: str) -> None:
    lesion = _judged(share)
    assert (lesion.verdict, lesion.doubts) == (verdict, ())
    assert lesion.of_remote == pytest.approx(share, abs=0.02)


def test_the_same_loss_is_a_verdict_in_a_clear_picture_and_none_in_a_noisy_one() -> None:
    assert _judged(0.86).verdict == "matched"
    noisy = _judged(0.86, sigma=0.008)
    assert noisy.verdict == "unmatched_lesion"
    assert "noise" in noisy.doubts


def test_a_verdict_at_its_limit_says_that_healthy_walls_differ_as_much() -> None:
    assert _judged(0.955, sigma=0.0003).doubts == ("unevenness",)


def test_uneven_healthy_wall_asks_for_a_larger_loss() -> None:
    assert _judged(0.88).verdict == "matched"
    assert _judged(0.88, uneven=0.25).verdict == "unmatched_lesion"


def test_a_defect_within_a_shared_band_is_shared() -> None:
    assert _judged(0.5, margin_mm=2.0).verdict == "shared"
