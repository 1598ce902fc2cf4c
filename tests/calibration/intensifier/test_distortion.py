import numpy as np
import pytest

from calibration.errors import InputError
from calibration.intensifier.distortion_grid import DistortionFit, find_grid, fit_distortion
from calibration.intensifier.simulated_grid import Intensifier, grid_picture
from calibration.phantoms.beads import attenuation

_BENT = Intensifier(pincushion_px=14.0, s_shape_px=6.0)


@pytest.fixture(scope="module", params=[False, True], ids=["dots", "wires"])
def fit(request) -> DistortionFit:
    picture = grid_picture(_BENT, np.random.default_rng(3), wires=request.param, turned_deg=4.0)
    grid = find_grid(attenuation(picture, 12), source="grid.png")
    return fit_distortion(grid, picture.shape, 10.0, source="grid.png")


def test_points_that_were_held_out_are_predicted_to_a_third_of_a_pixel(fit):
    assert len(fit.grid.points_px) > 250
    assert fit.held_out_rms_px <= 0.3
    assert fit.largest_shift_px > 5.0


def test_straightened_points_are_a_turned_and_scaled_copy_of_the_truth(fit):
    ideal = np.random.default_rng(0).uniform(110, 400, (200, 2))
    straight = fit.distortion.undistort(_BENT.stored(ideal))
    seen = np.isfinite(straight).all(axis=1)
    assert seen.mean() > 0.95
    truth, found = ideal[seen] @ [1, 1j], straight[seen] @ [1, 1j]
    terms = np.column_stack([truth, np.ones_like(truth)])
    rest = np.abs(found - terms @ np.linalg.lstsq(terms, found, rcond=None)[0])
    assert np.sqrt((rest**2).mean()) < 0.1
    # The true grid step is 26 px for 10 mm; pincushion magnifies the picture as a whole.
    assert fit.pixel_spacing_mm == pytest.approx(10 / 26, rel=0.06)


def test_distorting_undoes_straightening(fit):
    points = np.random.default_rng(1).uniform(120, 390, (100, 2))
    back = fit.distortion.distort(fit.distortion.undistort(points))
    np.testing.assert_allclose(back, points, atol=1e-5)


def test_points_outside_the_grid_have_no_straightened_position(fit):
    assert np.isnan(fit.distortion.undistort(np.array([[0.0, 0.0]]))).all()
    assert not fit.distortion.covers(np.array([[2.0, 2.0]]))[0]
    assert fit.distortion.undistort(np.empty((0, 2))).shape == (0, 2)


def test_a_straightened_picture_shows_a_point_where_it_belongs(fit):
    stored = np.array([[150.0, 350.0]])
    row, column = np.mgrid[:512, :512]
    picture = np.exp(-0.5 * ((column - stored[0, 0]) ** 2 + (row - stored[0, 1]) ** 2) / 3.0**2)
    straight = fit.distortion.undistort_picture(picture)
    found = np.array([(straight * column).sum(), (straight * row).sum()]) / straight.sum()
    np.testing.assert_allclose(found, fit.distortion.undistort(stored)[0], atol=0.3)


def test_a_picture_of_another_size_is_refused(fit):
    with pytest.raises(InputError, match="256 rows x 256 columns"):
        fit.distortion.undistort_picture(np.zeros((256, 256)), source="run.dcm")


def test_cut_off_points_at_the_rim_do_not_distort_the_grid():
    """Cut-off dots at the rim get wrong numbers; a high-degree polynomial followed them: a good grid was refused."""
    rng = np.random.default_rng(12_006)
    bent = Intensifier(pincushion_px=rng.uniform(4, 18), s_shape_px=rng.uniform(-8, 8))
    wires, turned_deg, photons = bool(rng.random() < 0.5), rng.uniform(-8, 8), rng.uniform(1500, 6000)
    picture = grid_picture(bent, rng, wires=wires, turned_deg=turned_deg, photons=photons)
    grid = find_grid(attenuation(picture, 12), source="grid.png")
    assert fit_distortion(grid, picture.shape, 10.0, source="grid.png").held_out_rms_px <= 0.3


def test_noise_is_no_grid():
    noise = np.random.default_rng(0).normal(1.0, 0.05, (256, 256))
    with pytest.raises(InputError, match="grid"):
        find_grid(noise, source="grid.png")


def test_a_grid_that_is_not_smooth_is_refused():
    picture = grid_picture(_BENT, np.random.default_rng(3))
    grid = find_grid(attenuation(picture, 12), source="grid.png")
    shaken = grid.points_px + np.random.default_rng(4).normal(0, 3.0, grid.points_px.shape)
    with pytest.raises(InputError, match=r"grid\.png"):
        fit_distortion(type(grid)(points_px=shaken, numbers=grid.numbers), picture.shape, 10.0, source="grid.png")
