"""Similarities are 1 for equal pictures, 0 for constant ones, and never NaN in value or gradient."""

from __future__ import annotations

import pytest
import torch

from engines.registration.rendered.image_similarity import dice, gradient_ncc, mutual_information, ncc

ALL = [ncc, gradient_ncc, mutual_information, dice]


@pytest.fixture
def picture() -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(40.0), indexing="ij")
    noise = torch.rand(32, 40, generator=torch.Generator().manual_seed(3))
    vessel = torch.exp(-0.5 * ((rows - 16 - 5 * torch.sin(columns / 6)) / 2.0) ** 2)
    return (0.8 * vessel + 0.2 * noise)[None, None]


@pytest.mark.parametrize("similarity", [ncc, gradient_ncc, dice])
def test_equal_pictures_score_one(similarity, picture):
    assert float(similarity(picture, picture)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("similarity", ALL)
def test_a_shifted_picture_scores_less(similarity, picture):
    scores = [float(similarity(picture.roll(shift, dims=2), picture)) for shift in (0, 1, 3)]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("similarity", ALL)
@pytest.mark.parametrize("level", [0.0, 0.3, 1000.0])
def test_constant_pictures_score_zero_with_a_finite_gradient(similarity, level, picture):
    moving = torch.full_like(picture, level).requires_grad_()
    score = similarity(moving, picture)
    if similarity is not dice or level == 0.0:
        assert float(score.detach()) == pytest.approx(0.0, abs=1e-5)
    (gradient,) = torch.autograd.grad(score.sum(), moving)
    assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("similarity", ALL)
def test_an_empty_mask_scores_zero(similarity, picture):
    assert float(similarity(picture, picture, torch.zeros_like(picture))) == 0.0


@pytest.mark.parametrize("similarity", ALL)
def test_pixels_outside_the_mask_do_not_count(similarity, picture):
    mask = torch.ones_like(picture)
    mask[..., 25:] = 0.0
    spoilt = picture.clone()
    spoilt[..., 25:] = 50.0
    expected = similarity(picture.roll(1, dims=2), picture, mask)
    torch.testing.assert_close(similarity(picture.roll(1, dims=2), spoilt, mask), expected)
    assert float(similarity(picture.roll(1, dims=2), spoilt)) != pytest.approx(float(expected), abs=1e-3)


@pytest.mark.parametrize("similarity", ALL)
def test_batch_equals_one_at_a_time(similarity, picture):
    moving = torch.cat([picture, picture.roll(2, dims=2), picture.roll(5, dims=3)])
    alone = torch.cat([similarity(each[None], picture) for each in moving])
    torch.testing.assert_close(similarity(moving, picture), alone)


@pytest.mark.parametrize("similarity", ALL)
def test_gradient_matches_finite_differences(similarity, picture):
    fixed = picture.double()
    moving = fixed.roll(1, dims=2) + 0.1 * torch.rand(fixed.shape, generator=torch.Generator().manual_seed(1)).double()
    direction = torch.rand(fixed.shape, generator=torch.Generator().manual_seed(2)).double() - 0.5
    # The brightest and darkest pixels set the histogram's range, which is held fixed in the gradient.
    direction[(moving == moving.amax()) | (moving == moving.amin())] = 0.0
    moving.requires_grad_()
    (gradient,) = torch.autograd.grad(similarity(moving, fixed).sum(), moving)
    step = 1e-5
    with torch.no_grad():
        difference = (similarity(moving + step * direction, fixed) - similarity(moving - step * direction, fixed)) / (
            2 * step
        )
    assert float((gradient * direction).sum()) == pytest.approx(float(difference), rel=1e-3, abs=1e-7)


def test_ncc_ignores_gain_and_offset_and_sees_polarity(picture):
    assert float(ncc(3.0 * picture + 7.0, picture)) == pytest.approx(1.0, abs=1e-4)
    assert float(ncc(-picture, picture)) == pytest.approx(-1.0, abs=1e-5)


def test_mutual_information_ignores_polarity_and_is_near_zero_for_unrelated_pictures(picture):
    same, inverted = float(mutual_information(picture, picture)), float(mutual_information(-picture, picture))
    assert inverted == pytest.approx(same, rel=0.1)
    big = torch.rand(2, 1, 200, 200, generator=torch.Generator().manual_seed(5))
    assert float(mutual_information(big[:1], big[1:])) < 0.02


def test_mask_edges_are_no_edges(picture):
    mask = torch.ones_like(picture)
    mask[..., :10] = 0.0
    moving, fixed = picture.clone(), picture.clone()
    moving[..., :10], fixed[..., :10] = 9.0, -9.0
    assert float(gradient_ncc(moving, fixed, mask)) == pytest.approx(1.0, abs=1e-5)


def test_chosen_pixels_work_like_pictures(picture):
    torch.testing.assert_close(ncc(picture.roll(1, 2).flatten(1), picture.flatten(1)), ncc(picture.roll(1, 2), picture))
