"""A lumen that looks larger in one modality all along is no reason to lie elsewhere."""

import numpy as np
import pytest

from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.search.evidence import ANGULAR, PLAIN, EvidenceWeights, frame_evidence
from engines.ivus.search.path_search import search
from engines.ivus.search.size_offset import size_offset

STEP_MM = 0.3
SIZES_ALONE = EvidenceWeights(
    angular=(0.0,) * len(ANGULAR),
    plain=tuple(3.0 if name == "size_narrow" else 0.0 for name in PLAIN), temper=0.5,
)  # fmt: skip


def tube(place_mm, size_mm):
    empty = np.zeros((len(place_mm), 48))
    return LandmarkMaps(
        place_mm=place_mm, branch=empty, calcium=empty, valid=np.ones_like(empty),
        radius_mm=np.repeat(size_mm[:, None], 48, axis=1), wall_mm=empty,
        centre_mm=np.zeros((len(place_mm), 2)), pulled_mm=np.zeros((len(place_mm), 2)),
    )  # fmt: skip


def pair(larger):
    """A tapering vessel with narrowings, and a pullback of its middle whose sizes are off by a factor."""
    at = STEP_MM * np.arange(200)
    size = 2.0 - 0.012 * at - 0.4 * np.exp(-(((at - 22.0) / 2.0) ** 2)) - 0.3 * np.exp(-(((at - 36.0) / 1.5) ** 2))
    z = 0.45 * np.arange(60)
    return tube(z, np.interp(15.0 + z, at, size) * larger), tube(at, size)


@pytest.mark.parametrize("larger", [0.9, 1.0, 1.12])
def test_the_offset_between_the_modalities_is_found_and_the_place_with_it(larger):
    frames, course = pair(larger)
    found = size_offset(lambda offset: frame_evidence(frames, course, SIZES_ALONE, size_offset=offset), frames.place_mm)
    assert found == pytest.approx(np.log(larger), abs=0.04)
    evidence = frame_evidence(frames, course, SIZES_ALONE, size_offset=found)
    best = search(evidence, frames.place_mm, course.place_mm)[0]
    assert np.median(np.abs(best.place_mm - (15.0 + frames.place_mm))) < 0.6


def test_without_sizes_nothing_is_said_of_them():
    frames, course = pair(1.1)
    silent = EvidenceWeights(angular=(0.0,) * len(ANGULAR), plain=(0.0,) * len(PLAIN), temper=0.5)
    found = size_offset(lambda offset: frame_evidence(frames, course, silent, size_offset=offset), frames.place_mm)
    assert found == pytest.approx(0.0, abs=1e-6)
