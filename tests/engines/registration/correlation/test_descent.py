"""Descent of a similarity, and the measure that the evolution strategy maximises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.networks.correlation_network import CorrelationNetwork
from engines.registration.correlation.descent import DescentOptions, descend
from engines.registration.correlation.learned_similarity import LearnedSimilarity, measured_similarity
from engines.registration.correlation.metric import DEPTH_SHARE
from engines.registration.initial_pose import start_near
from engines.registration.methods.correlation_driven import CorrelationDriven, Course
from engines.registration.rendered.adam_ascent import AdamLevel
from engines.registration.rendered.multiscale import multiscale_ncc_and_gradient, patch_ncc
from engines.registration.rendered.rendered_view import RenderedView
from engines.rendering.factory import make_renderer
from engines.rendering.volume import vessel_volume
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


def _view(scene: Bed) -> tuple[RenderedView, np.ndarray]:
    volume = vessel_volume(scene.model)
    assert volume is not None
    renderer = make_renderer("slices", volume.values, volume.lps_from_index)
    return RenderedView.of(scene.view, renderer, 48), renderer.centroid_lps_mm.double().numpy()


def test_steps_have_the_length_asked_for_whatever_the_slope(scene):
    view, centre = _view(scene)
    start = scene.moved(1, deg=2.0, mm=4.0, depth_mm=4.0)
    options = DescentOptions(long_side_px=48, steps=2, first_rad=0.02, first_mm=1.5)
    for factor in (1.0, 1e-6):
        similarity = measured_similarity("ncc")
        similarity._measure = lambda a, b, k=factor, m=similarity._measure: 1.0 + k * (m(a, b) - 1.0)
        found = descend(start, centre, [view], similarity, options)
        moved = found.isocentre_from_lps.apply(centre[None])[0] - start.apply(centre[None])[0]
        turn = found.isocentre_from_lps.rotation @ start.rotation.T
        if found.isocentre_from_lps is not start:
            camera = scene.geometry.camera_from_isocentre().rotation @ moved
            # Steps along the beam are longer, because a picture shows depth less.
            assert np.linalg.norm(camera / (1.0, 1.0, DEPTH_SHARE)) == pytest.approx(1.5, rel=1e-3)
            assert np.arccos((np.trace(turn) - 1.0) / 2.0) == pytest.approx(0.02, rel=1e-3)


def test_the_best_pose_on_the_way_is_kept(scene):
    view, centre = _view(scene)
    huge = DescentOptions(long_side_px=48, steps=3, first_rad=0.5, first_mm=80.0)
    found = descend(scene.pose, centre, [view], measured_similarity("ncc"), huge)
    assert scene.error_mm(found.isocentre_from_lps) < 0.1


def test_an_empty_picture_ends_where_it_began(scene):
    view, centre = _view(scene)
    away = scene.moved(1, deg=0.0, mm=2000.0, depth_mm=0.0)
    found = descend(away, centre, [view], measured_similarity("ncc"), DescentOptions(long_side_px=48, steps=5))
    np.testing.assert_allclose(found.isocentre_from_lps.matrix, away.matrix, atol=1e-9)


def test_any_similarity_can_be_plugged_in_and_a_polish_follows(scene):
    torch.manual_seed(0)
    course = Course(
        similarity=LearnedSimilarity("untrained", CorrelationNetwork()),
        descent=DescentOptions(long_side_px=32, steps=2, first_rad=0.001, first_mm=0.1),
        polish=AdamLevel(long_side_px=48, steps=20, learning_rate=0.6),
    )
    start = scene.moved(1, deg=1.0, mm=2.0, depth_mm=2.0)
    found = CorrelationDriven("correlation", course).register([scene.view], scene.model, start_near(start))
    assert [stage.name for stage in found.stages] == ["untrained-descent", "polish"]
    assert scene.error_mm(found.isocentre_from_lps) < 0.7 * scene.error_mm(start)


def test_the_multiscale_measure_is_one_for_equal_pictures_and_ignores_masked_pixels():
    picture = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    other = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(picture)
    assert float(multiscale_ncc_and_gradient(3.0 * picture + 1.0, picture, mask)) == pytest.approx(1.0, abs=0.02)
    assert float(multiscale_ncc_and_gradient(other, picture, mask)) < 0.3
    half = mask.clone()
    half[..., 20:] = 0.0
    spoilt = picture.clone()
    spoilt[..., 20:] = other[..., 20:]
    assert float(patch_ncc(spoilt, picture, half)) > 0.95
    assert float(patch_ncc(torch.zeros_like(picture), picture, mask)) == pytest.approx(0.0, abs=1e-3)
