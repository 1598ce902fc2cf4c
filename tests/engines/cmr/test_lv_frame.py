import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.heart.ct_heart import heart_on_grid
from engines.cmr.heart.lv_frame import LvFrame, aha_segments, frame_from_masks

AXIS = np.array([-0.62, 0.60, 0.50]) / np.linalg.norm([-0.62, 0.60, 0.50])
APEX = np.array([30.0, -30.0, -25.0])
LENGTH = 80.0


def _heart(*, closed: bool = False):
    """A half ellipsoid with a basal plane and a right ventricle beside it."""
    right = np.array([-0.64, -0.76, 0.10])
    right -= (right @ AXIS) * AXIS
    right /= np.linalg.norm(right)
    ahead = np.cross(AXIS, right)
    spacing = 1.5
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -75.0
    index = np.stack(np.meshgrid(*(np.arange(100),) * 3, indexing="ij"), axis=-1)
    p = index * spacing - 75.0 - APEX
    z, x, y = p @ AXIS, p @ right, p @ ahead
    r = np.hypot(x, y)

    def inside(grow: float) -> np.ndarray:
        level = np.clip(1 - (z + grow) / (LENGTH + grow), -1, 1)
        return (z > -grow) & (r < (22.0 + grow) * np.sqrt(1 - level**2))

    below = z < LENGTH
    cavity = inside(0.0) & below
    wall = inside(9.0) & below & ~cavity
    if closed:
        wall |= inside(9.0) & (z >= LENGTH) & (z < LENGTH + 5)
    rv = (np.hypot(x - 33.0, y / 1.4) < 24.0) & (z > 15) & (z < LENGTH) & ~inside(9.0)
    ct = CtVolume(voxels_hu=np.zeros(cavity.shape, dtype=np.int16), lps_from_index=affine)
    return heart_on_grid(ct, {"lv_cavity": cavity, "lv_wall": wall, "rv": rv}), right


def test_axis_apex_and_mitral_centre_of_a_known_heart() -> None:
    heart, right = _heart()
    frame, flags = frame_from_masks(heart)
    assert flags == ()
    assert np.rad2deg(np.arccos(frame.axis @ AXIS)) < 0.6
    assert np.linalg.norm(frame.apex_mm - APEX) < 1.5
    assert np.linalg.norm(frame.mitral_mm - (APEX + LENGTH * AXIS)) < 1.2
    assert np.rad2deg(np.arccos(frame.right @ right)) < 3.0
    assert 40 < np.rad2deg(frame.anterior_rad) < 75


def test_a_cavity_closed_by_wall_is_refused() -> None:
    heart, _ = _heart(closed=True)
    with pytest.raises(InputError, match="no opening towards atrium and aorta"):
        frame_from_masks(heart)


def test_anterior_lies_towards_the_patients_front_left_and_head() -> None:
    frame = LvFrame(apex_mm=APEX, mitral_mm=APEX + LENGTH * AXIS, right=_heart()[1])
    x, _, z = frame.anterior
    assert x > 0
    assert z > 0.5


def test_local_coordinates_come_back() -> None:
    frame = LvFrame(apex_mm=APEX, mitral_mm=APEX + LENGTH * AXIS, right=_heart()[1])
    points = np.random.default_rng(0).normal(0, 30, (50, 3))
    np.testing.assert_allclose(frame.point(*frame.local(points)), points, atol=1e-9)


@pytest.mark.parametrize(
    ("level", "degrees", "segment"),
    [(0.8, 10, 2), (0.8, 70, 3), (0.8, 130, 4), (0.8, 190, 5), (0.8, 250, 6), (0.8, 310, 1), (0.5, 10, 8),
     (0.5, 310, 7), (0.2, 20, 14), (0.2, 110, 15), (0.2, 200, 16), (0.2, 300, 13), (0.2, 10, 13), (-0.05, 0, 17),
     (1.05, 0, 0)],
)  # fmt: skip
def test_aha_segments_as_the_contract_numbers_them(level: float, degrees: float, segment: int) -> None:
    assert int(aha_segments(np.array(level), np.array(float(degrees)))) == segment
