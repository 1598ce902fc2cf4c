"""Angles of the annulus against brute force: the C-arm's own projection of its circle, turned to every angle."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import LabelVolume
from engines.planning.angles import GantryLimits, ViewAngles, angles_along, beam_lps
from engines.planning.annulus import (
    Annulus,
    annulus_of,
    annulus_size,
    cusp_overlap,
    edge_on,
    off_edge_deg,
    reached_edge_on,
    three_cusps,
)
from tests.engines.anatomy.shapes import grid

SEEDS = range(4)


def annulus(seed: int, radius_mm: float = 12.0) -> Annulus:
    """Hinge points as they lie in a patient, tilted by up to 40 degrees."""
    random = np.random.default_rng(seed)
    turns = np.deg2rad(np.array([90.0, 210.0, 330.0]) + random.uniform(-15, 15, 3))
    flat = radius_mm * np.stack([-np.cos(turns), -np.sin(turns), np.zeros(3)], axis=1)  # right cusp in front
    flat[[1, 2], 0] = np.abs(flat[[1, 2], 0]) * (1, -1)  # left cusp at the patient's left
    axis = np.array([random.uniform(-1, 1), random.uniform(-1, 1), 0.0])
    axis /= np.linalg.norm(axis)
    angle = np.deg2rad(random.uniform(10, 40))
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross.T + (1 - np.cos(angle)) * cross.T @ cross.T
    return annulus_of(flat @ turn.T)


def shown(points_mm: np.ndarray, primary_deg: float, secondary_deg: float) -> np.ndarray:
    """Pixels of points about the isocentre, by the C-arm's own geometry: a source a hundred metres away."""
    carm = CArmGeometry(
        sid_mm=101_000.0, sod_mm=100_000.0, primary_rad=np.deg2rad(primary_deg),
        secondary_rad=np.deg2rad(secondary_deg), column_spacing_mm=0.1, row_spacing_mm=0.1, shape_px=(512, 512),
        principal_point_px=(255.5, 255.5),
    )  # fmt: skip
    still = RigidPose(matrix=np.eye(4), target="isocentre", source="lps")
    return carm.projection(still).project(points_mm)[0]


def ring(one: Annulus) -> np.ndarray:
    u = np.cross(one.normal, [1.0, 0.0, 0.0])
    u /= np.linalg.norm(u)
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)[:, None]
    return 12.0 * (np.cos(turn) * u + np.sin(turn) * np.cross(one.normal, u))


def thickness_px(points_px: np.ndarray) -> float:
    """Of a projected ring: its lesser width."""
    return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(points_px.T))[0], 0.0)))


@pytest.mark.parametrize(("primary", "secondary"), [(0, 0), (30, 0), (-30, 20), (45, -25), (-60, -40), (0, 40)])
def test_the_beam_is_that_of_the_c_arm_and_comes_back_from_its_direction(primary: float, secondary: float) -> None:
    near, far = shown(np.array([np.zeros(3), 40.0 * beam_lps(primary, secondary)]), primary, secondary)
    assert np.abs(near - far).max() < 0.2  # points along the beam lie over each other
    aside = shown(np.array([np.zeros(3), 40.0 * beam_lps(primary + 10, secondary)]), primary, secondary)
    assert np.abs(aside[0] - aside[1]).max() > 10.0
    found = angles_along(beam_lps(primary, secondary))
    assert (found.primary_deg, found.secondary_deg) == pytest.approx((primary, secondary), abs=1e-6)
    assert angles_along(-beam_lps(primary, secondary)) == found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_s_curve_is_where_the_projected_ring_is_thinnest_of_all_angles(seed: int) -> None:
    one = annulus(seed)
    points = ring(one)
    for primary in (-40.0, -15.0, 0.0, 20.0, 40.0):
        wanted = float(edge_on(one.normal, np.array([primary]))[0])
        tried = np.arange(-89.0, 89.5, 1.0)
        widths = [thickness_px(shown(points, primary, float(secondary))) for secondary in tried]
        assert tried[int(np.argmin(widths))] == pytest.approx(wanted, abs=0.75)
        view = ViewAngles(primary_deg=primary, secondary_deg=wanted)
        assert off_edge_deg(one.normal, view) < 1e-6


def test_how_far_off_edge_a_view_is_against_the_ellipse_that_it_shows() -> None:
    one = annulus(1)
    for primary, secondary in ((0.0, 0.0), (-30.0, 10.0), (45.0, 30.0)):
        px = shown(ring(one), primary, secondary)
        axes = np.sqrt(np.linalg.eigvalsh(np.cov(px.T)))
        seen_deg = float(np.rad2deg(np.arcsin(axes[0] / axes[1])))
        view = ViewAngles(primary_deg=primary, secondary_deg=secondary)
        assert off_edge_deg(one.normal, view) == pytest.approx(seen_deg, abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_the_cusp_overlap_view_right_and_left_lie_over_each_other_and_the_third_apart(seed: int) -> None:
    one = annulus(seed)
    view = cusp_overlap(one)
    right, left, non = shown(one.hinges_mm, view.primary_deg, view.secondary_deg)
    assert np.linalg.norm(right - left) < 0.5
    assert np.linalg.norm(non - right) > 80.0
    assert off_edge_deg(one.normal, view) < 1e-6
    assert view.primary_deg < 0.0  # RAO, as in patients


@pytest.mark.parametrize("seed", SEEDS)
def test_in_the_three_cusp_view_the_right_one_stands_midway(seed: int) -> None:
    one = annulus(seed)
    view = three_cusps(one)
    right, left, non = shown(one.hinges_mm, view.primary_deg, view.secondary_deg)
    assert np.linalg.norm(right - 0.5 * (left + non)) < 0.5
    assert np.linalg.norm(left - non) > 80.0
    assert off_edge_deg(one.normal, view) < 1e-6


def test_an_upright_plane_is_seen_edge_on_along_a_vertical_line() -> None:
    normal = np.array([1.0, 0.0, 0.0])
    assert off_edge_deg(normal, ViewAngles(primary_deg=0.0, secondary_deg=25.0)) < 1e-6
    assert np.abs(edge_on(normal, np.array([-20.0, 20.0]))) == pytest.approx([90.0, 90.0])


def test_only_what_the_gantry_reaches_is_offered() -> None:
    one = annulus(2)
    limits = GantryLimits(lao_deg=20.0, rao_deg=35.0)
    found = reached_edge_on(one.normal, limits)
    assert found
    assert all(limits.reach(view) and off_edge_deg(one.normal, view) < 1e-6 for view in found)
    assert len(found) < len(reached_edge_on(one.normal, GantryLimits()))
    assert not limits.reach(ViewAngles(primary_deg=31.0, secondary_deg=0.0))


def test_circle_and_normal_are_those_of_the_points_and_an_exchange_is_told() -> None:
    one = annulus(3)
    assert one.circle_mm == pytest.approx(24.0)
    assert one.centre_mm == pytest.approx(np.zeros(3), abs=1e-9)
    assert one.normal[2] > 0.7
    assert one.doubt == ""
    other = annulus_of(one.hinges_mm[[1, 0, 2]])
    assert other.normal == pytest.approx(one.normal)
    assert "exchanged" in other.doubt


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([[0, 0, 0], [12, 0, 0], [24, 1, 0]], "nearly on one line"),
        ([[0, 0, 0], [1, 0, 0], [0, 20, 0]], "apart"),
        ([[0, 0, 0], [60, 0, 0], [0, 60, 0]], "apart"),
    ],
)
def test_points_that_make_no_annulus_are_one_line(points: list[list[float]], why: str) -> None:
    with pytest.raises(InputError, match=why):
        annulus_of(np.array(points, dtype=float))


def test_the_size_of_an_oval_lumen_is_measured_in_the_tilted_plane() -> None:
    shape, affine = (80, 80, 80), grid((80, 80, 80), (0.8, 0.8, 0.8))
    one = annulus(0)
    u = one.hinges_mm[0] / np.linalg.norm(one.hinges_mm[0])
    v = np.cross(one.normal, u)
    index = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3] - one.centre_mm
    inside = ((points @ u) / 13.5) ** 2 + ((points @ v) / 10.5) ** 2 <= 1.0
    labels = LabelVolume(labels=inside.astype(np.uint8), lps_from_index=affine, names={1: "aorta"})
    size = annulus_size(one, labels, ("aorta",))
    assert size is not None
    assert size.area_mm2 == pytest.approx(np.pi * 13.5 * 10.5, rel=0.03)
    assert size.area_diameter_mm == pytest.approx(2 * np.sqrt(13.5 * 10.5), abs=0.4)
    around = np.pi * (3 * 24 - np.sqrt((3 * 13.5 + 10.5) * (13.5 + 3 * 10.5)))  # Ramanujan
    assert size.perimeter_mm == pytest.approx(around, rel=0.03)
    assert (size.least_mm, size.greatest_mm) == pytest.approx((21.0, 27.0), abs=0.6)
    assert annulus_size(one, labels, ("vein",)) is None
