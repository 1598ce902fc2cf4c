import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.surface import mask_from_surface, surface_from_labels
from engines.anatomy.vessel_model import LabelVolume, SurfaceMesh
from tests.engines.anatomy.shapes import to_segment_mm, tube_labels, tube_surface

TUBE = ((-17.0, -3.0, -15.0), (14.0, 4.0, 17.0))


def volume_mm3(surface: SurfaceMesh) -> float:
    corners = surface.vertices_mm[surface.triangles]
    return float(np.einsum("ti,ti->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


@pytest.mark.parametrize(
    ("radius_mm", "spacing_mm"),
    [(6.0, (1.0, 1.0, 1.0)), (2.0, (1.0, 1.0, 1.0)), (1.2, (0.6, 0.6, 0.6)), (2.5, (0.6, 0.6, 1.25))],
)
def test_a_smoothed_tube_keeps_its_volume_and_place(radius_mm: float, spacing_mm: tuple[float, float, float]) -> None:
    shape = tuple(int(56 / step) for step in spacing_mm)
    surface = surface_from_labels(tube_labels([TUBE], radius_mm, shape, spacing_mm))
    length_mm = float(np.linalg.norm(np.subtract(*TUBE)))
    analytic_mm3 = np.pi * radius_mm**2 * length_mm + 4 / 3 * np.pi * radius_mm**3
    assert volume_mm3(surface) == pytest.approx(analytic_mm3, rel=0.03)  # also: normals point outwards
    wall_mm = to_segment_mm(surface.vertices_mm, TUBE)
    assert abs(wall_mm.mean() - radius_mm) < 0.25 * max(spacing_mm)
    assert np.abs(wall_mm - radius_mm).max() < 0.75 * max(spacing_mm)


def test_the_surface_is_closed_even_where_a_vessel_leaves_the_volume() -> None:
    labels = tube_labels([((0, 0, -80), (0, 0, 80))], 5.0, (30, 30, 30))
    surface = surface_from_labels(labels)
    edges = np.sort(np.concatenate([surface.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 2).all()


def test_a_mirrored_grid_keeps_normals_outwards() -> None:
    labels = tube_labels([TUBE], 5.0)
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = labels.labels.shape[0] - 1
    mirrored = LabelVolume(labels=labels.labels[::-1], lps_from_index=labels.lps_from_index @ flip, names={1: "a"})
    assert volume_mm3(surface_from_labels(mirrored)) == pytest.approx(volume_mm3(surface_from_labels(labels)), rel=1e-3)


def test_only_the_wanted_labels_are_meshed() -> None:
    labels = tube_labels([TUBE], 5.0)
    both = labels.labels.copy()
    both[:10] = np.where(both[:10] > 0, 2, 0)
    with pytest.raises(InputError, match="no voxel"):
        surface_from_labels(LabelVolume(labels=both, lps_from_index=labels.lps_from_index), only=[7])


def test_an_empty_volume_is_refused() -> None:
    with pytest.raises(InputError, match="no voxel"):
        surface_from_labels(LabelVolume(labels=np.zeros((5, 5, 5), np.uint8), lps_from_index=np.eye(4)))


@pytest.mark.parametrize("closed", [True, False])
def test_a_mesh_is_filled_even_with_open_ends(closed: bool) -> None:
    mask, lps_from_index = mask_from_surface(tube_surface(4.0, 40.0, closed=closed), 0.31)
    assert mask.sum() * 0.31**3 == pytest.approx(np.pi * 16 * 40, rel=0.03)
    centre = (lps_from_index[:3, :3] @ np.argwhere(mask).mean(axis=0)) + lps_from_index[:3, 3]
    np.testing.assert_allclose(centre, 0, atol=0.1)
