"""A volume seen from the front, the left and the feet, whatever way its voxels run."""

import itertools

import numpy as np
import pytest

from engines.anatomy.standing import VIEWS, standing

POINT_MM = np.array([12.0, -7.0, 31.0])
SHAPE_MM = np.array([20, 24, 30])  # of voxels of 2, 1 and 3 mm along x, y, z
SPACING_MM = np.array([2.0, 1.0, 3.0])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_a_bright_point_is_where_a_person_would_look_for_it(order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    upright = np.zeros(SHAPE_MM, np.int16)
    upright[3, 20, 25] = 900
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = POINT_MM - SPACING_MM * (3, 20, 25)
    voxels, lps_from_index = upright, affine
    for axis, sign in enumerate(flips):
        if sign < 0:
            lps_from_index = lps_from_index.copy()
            lps_from_index[:3, 3] += lps_from_index[:3, axis] * (voxels.shape[axis] - 1)
            lps_from_index[:3, axis] *= -1
            voxels = np.flip(voxels, axis)
    voxels = voxels.transpose(order)
    lps_from_index = lps_from_index[:, [*order, 3]]
    volume = standing(voxels, lps_from_index)
    assert volume.index_of(POINT_MM) == (3, 20, 25)
    assert volume.voxels[3, 20, 25] == 900
    places = {"front": (3, 29 - 25), "left": (20, 29 - 25), "feet": (3, 20)}  # column, row
    for view in VIEWS:
        picture = volume.picture(view, 0, 99)
        column, row = places[view]
        assert picture[row, column] == 900
        assert volume.origin_px(view, POINT_MM) == pytest.approx((column, row))
    assert volume.pixel_mm("left") == pytest.approx((1.0, 3.0))


def test_a_slab_holds_its_slices_alone() -> None:
    voxels = np.arange(10, dtype=np.int16)[None, None, :] * np.ones((2, 2, 1), np.int16)
    volume = standing(voxels, np.eye(4))
    assert volume.picture("feet", 2, 4).max() == 4
    assert volume.picture("feet", -3, 0).max() == 0
    assert volume.picture("front", 0, 1)[:, 0].tolist() == list(range(9, -1, -1))  # head on top
