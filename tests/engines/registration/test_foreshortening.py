"""A vessel that runs towards the viewer is shown shorter than it is, and the model knows by how much."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.registration.foreshortening import foreshortening_percent

_ARM = CArmGeometry(
    primary_rad=0.0, secondary_rad=0.0, sid_mm=1000.0, sod_mm=750.0, column_spacing_mm=0.4, row_spacing_mm=0.4,
    shape_px=(512, 512), principal_point_px=(255.5, 255.5),
)  # fmt: skip
_POSE = RigidPose.identity(target="isocentre", source="lps")


def _vessel(tilt_deg: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points and tangents of a straight vessel of 40 mm, tilted out of the picture; and its line in the picture."""
    tilt = np.deg2rad(tilt_deg)
    direction = np.array([np.cos(tilt), np.sin(tilt), 0.0])  # from front to back: along the beam
    points = np.linspace(-20.0, 20.0, 60)[:, None] * direction
    line = _ARM.projection(_POSE).project(points)[0]
    return points, np.tile(direction, (60, 1)), line


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, 60.0])
def test_the_lost_share_is_that_of_the_tilt(tilt_deg: float) -> None:
    points, tangents, line = _vessel(tilt_deg)
    told = foreshortening_percent(line, _POSE, _ARM, points, tangents)
    assert told == pytest.approx(100.0 * (1.0 - np.cos(np.deg2rad(tilt_deg))), abs=2.0)


def test_a_line_beside_the_model_or_across_it_is_not_told() -> None:
    points, tangents, line = _vessel(30.0)
    assert foreshortening_percent(line + 60.0, _POSE, _ARM, points, tangents) is None
    middle = line.mean(axis=0)
    across = middle + np.array([[0.0, -80.0], [0.0, 80.0]])
    assert foreshortening_percent(across, _POSE, _ARM, points, tangents) is None


def test_of_two_that_cross_the_one_that_runs_along_the_line_counts() -> None:
    points, tangents, line = _vessel(60.0)
    upright = np.linspace(-20.0, 20.0, 60)[:, None] * np.array([0.0, 0.0, 1.0])
    both = np.concatenate([points, upright])
    ways = np.concatenate([tangents, np.tile([0.0, 0.0, 1.0], (60, 1))])
    assert foreshortening_percent(line, _POSE, _ARM, both, ways) == pytest.approx(50.0, abs=3.0)
