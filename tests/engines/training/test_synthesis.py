import numpy as np
import pytest

from engines.segmentation.scenes import SCENES
from engines.simulation.angiograms.angiogram_synthesis import synthesize
from engines.simulation.angiograms.vessel_trees import Tube, thickness_px


@pytest.mark.parametrize("name", sorted(SCENES))
def test_same_seed_same_picture_other_seed_other_picture(name):
    first, again, other = (synthesize(SCENES[name], seed, 3, 96) for seed in (11, 11, 12))
    assert np.array_equal(first.channels, again.channels)
    assert np.array_equal(first.masks, again.masks)
    assert not np.array_equal(first.picture, other.picture)


@pytest.mark.parametrize("name", sorted(SCENES))
def test_vessels_are_present_and_darker_than_their_surroundings(name):
    darker, shown = 0, 0
    for index in range(12):
        sample = synthesize(SCENES[name], 1, index, 128)
        assert sample.masks.shape == (len(SCENES[name].classes), 128, 128)
        vessel = sample.masks[0] > 0.5
        if vessel.sum() > 50:
            shown += 1
            darker += sample.channels[1][vessel].mean() < sample.channels[1][~vessel].mean()
    assert shown >= 6
    assert darker >= 0.8 * shown


def test_a_tube_is_drawn_as_the_rays_see_it():
    """A straight tube of radius 5 px: chord 2 sqrt(r^2 - d^2), outline 10 px wide."""
    line = np.column_stack([np.linspace(-20, 120, 200), np.full(200, 50.0)])
    tube = Tube(points_px=line, radii_px=np.full(200, 5.0), path_factor=np.ones(200))
    path, outline = thickness_px([tube], 100)
    assert path[50, 50] == pytest.approx(10.0, abs=0.3)
    assert path[53, 50] == pytest.approx(8.0, abs=0.5)
    assert outline[:, 50].sum() == pytest.approx(10.0, abs=0.7)
    assert not path[58:, :].any()


def test_crossing_tubes_add_their_paths_but_not_their_outlines():
    across = np.column_stack([np.linspace(0, 99, 200), np.full(200, 50.0)])
    tubes = [
        Tube(points_px=points, radii_px=np.full(200, 4.0), path_factor=np.ones(200))
        for points in (across, across[:, ::-1].copy())
    ]
    path, outline = thickness_px(tubes, 100, merge_roots=False)
    assert path[50, 50] == pytest.approx(2 * path[50, 20], rel=0.05)
    assert outline.max() <= 1.0


def test_one_imaging_chain_shows_the_same_anatomy_alike():
    """Edges, grain and grey levels of patches differ little, while their vessels differ as before."""
    scene = SCENES["coronary"]
    drawn = [synthesize(scene, 1, index, 128) for index in range(12)]
    alike = [synthesize(scene, 1, index, 128, randomised=False) for index in range(12)]
    brightest = [[sample.picture.max() for sample in samples] for samples in (drawn, alike)]
    assert np.ptp(brightest[0]) > 50
    assert np.ptp(brightest[1]) == 0
    shared = [((a.masks[0] > 0.5) & (b.masks[0] > 0.5)).sum() for a, b in zip(drawn, alike, strict=True)]
    larger = [max((a.masks[0] > 0.5).sum(), 1) for a in alike]
    assert np.median(np.array(shared) / np.array(larger)) > 0.5
