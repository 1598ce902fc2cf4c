from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.anatomy.cases.case_pictures import mip_picture, model_picture, save_pictures
from engines.anatomy.vessel_model import Branch, CenterlineTree, CtVolume, VesselModel
from tests.engines.anatomy.shapes import tube_surface


def _ct(lps_from_index: np.ndarray, shape: tuple[int, int, int]) -> CtVolume:
    """A dark volume with one bright spot at LPS (+20, *, +30): the patient's left, near the head."""
    voxels = np.full(shape, -1000, np.int16)
    index = np.linalg.inv(lps_from_index) @ (20, 5, 30, 1)
    centre = np.rint(index[:3]).astype(int)
    voxels[tuple(slice(c - 2, c + 3) for c in centre)] = 900
    return CtVolume(voxels_hu=voxels, lps_from_index=lps_from_index)


def _lps(order: tuple[int, int, int], signs: tuple[int, int, int], shape: tuple[int, int, int]) -> np.ndarray:
    matrix = np.zeros((4, 4))
    for axis, (row, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[row, axis] = 2.0 * sign
    matrix[3, 3] = 1
    matrix[:3, 3] = -matrix[:3, :3] @ (np.array(shape) - 1) / 2
    return matrix


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_a_mip_shows_left_right_and_head_up_whatever_the_stored_axes(
    order: tuple[int, int, int], signs: tuple[int, int, int]
) -> None:
    shape = (40, 44, 48)
    picture = mip_picture(_ct(_lps(order, signs, shape), shape), "front")[..., 0]
    rows, columns = np.nonzero(picture > 128)
    assert columns.mean() > picture.shape[1] / 2  # the patient's left is on the right, as seen from the front
    assert rows.mean() < picture.shape[0] / 2


def test_a_model_is_drawn_where_it_lies(tmp_path: Path) -> None:
    points_mm = np.array([[0.0, 0, 0], [0, 0, 40], [30, 0, 40]])
    tree = CenterlineTree(branches=(Branch(points_mm=points_mm, radius_mm=np.array([2.0, np.nan, 1.0])),))
    picture = model_picture(VesselModel(centerlines=tree), "front").max(axis=2) > 80
    # An inverted L open to the lower right: left side and top are drawn, the lower right is not.
    assert picture[400, :140].any()
    assert picture[:120, 400].any()
    assert not picture[300:700, 300:].any()
    saved = save_pictures(tmp_path, VesselModel(centerlines=tree, surface=tube_surface(3.0, 40.0)), None)
    assert [path.name for path in saved] == ["model-front.png", "model-left.png"]
    assert cv2.imread(str(saved[0])).shape == (800, 800, 3)
