"""The rendered volume holds the right amount of contrast at the right place."""

from __future__ import annotations

import numpy as np
import pytest

from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume, SurfaceMesh, VesselModel
from engines.rendering.volume import ValueVolume, vessel_volume, volume_from_centerlines, volume_from_labels
from tests.engines.rendering.scene import affine, positions_mm


def _tube(radius_mm: float, name: str = "artery", offset_mm: float = 0.0) -> Branch:
    points = np.column_stack([np.linspace(-20, 20, 21), np.full(21, offset_mm), np.zeros(21)])
    return Branch(points_mm=points, radius_mm=np.full(21, radius_mm), vessel_class=name)


def _amount_mm3(volume: ValueVolume) -> float:
    return float(volume.values.sum() * abs(np.linalg.det(volume.lps_from_index[:3, :3])))


def _centre_mm(volume: ValueVolume) -> np.ndarray:
    places = positions_mm(volume.values.shape, volume.lps_from_index)
    return (places * volume.values[..., None]).sum(axis=(0, 1, 2)) / volume.values.sum()


@pytest.mark.parametrize("radius_mm", [1.5, 3.0])
def test_tube_keeps_its_amount_and_place(radius_mm):
    volume = volume_from_centerlines(CenterlineTree(branches=(_tube(radius_mm),)), 0.5)
    expected = np.pi * radius_mm**2 * 40 + 4 / 3 * np.pi * radius_mm**3
    assert _amount_mm3(volume) == pytest.approx(expected, rel=0.08)
    np.testing.assert_allclose(_centre_mm(volume), (0, 0, 0), atol=0.05)
    assert 0.99 < volume.values.max() <= 1.0


def test_centerline_volume_is_cropped_fades_at_its_edge_and_is_small():
    volume = volume_from_centerlines(CenterlineTree(branches=(_tube(1.0),)))
    assert max(volume.values.shape) <= 128
    assert volume.values[[0, -1]].max() == volume.values[:, [0, -1]].max() == volume.values[:, :, [0, -1]].max() == 0.0


def test_labels_keep_amount_place_and_axes():
    grid = affine()
    labels = np.zeros((56, 48, 40), dtype=np.uint8)
    labels[20:43, 10:30, 8:20] = 1
    for spacing in (None, 3.0):
        volume = volume_from_labels(LabelVolume(labels=labels, lps_from_index=grid), spacing_mm=spacing)
        source = ValueVolume(values=labels.astype(np.float32), lps_from_index=grid)
        assert _amount_mm3(volume) == pytest.approx(_amount_mm3(source), rel=1e-4)
        np.testing.assert_allclose(_centre_mm(volume), _centre_mm(source), atol=0.05)
        assert np.linalg.det(volume.lps_from_index[:3, :3]) < 0  # still left-handed like its source
    assert min(volume.spacing_mm) > 2.0


def test_large_label_volumes_shrink():
    labels = np.zeros((300, 20, 20), dtype=np.uint8)
    labels[5:295, 5:15, 5:15] = 1
    volume = volume_from_labels(LabelVolume(labels=labels, lps_from_index=np.eye(4)))
    assert max(volume.values.shape) <= 160


def test_only_the_wanted_vessels_are_in_the_volume():
    tree = CenterlineTree(branches=(_tube(1.0), _tube(1.0, "vein", offset_mm=12.0)))
    assert _centre_mm(volume_from_centerlines(tree, 0.5, vessel_classes=("vein",)))[1] == pytest.approx(12.0, abs=0.1)
    labels = np.zeros((10, 10, 10), dtype=np.uint8)
    labels[1, 1, 1], labels[8, 8, 8] = 1, 2
    volume = LabelVolume(labels=labels, lps_from_index=np.eye(4), names={1: "artery", 2: "vein-superficial"})
    np.testing.assert_allclose(_centre_mm(volume_from_labels(volume, vessel_classes=("vein",))), (8, 8, 8), atol=1e-4)
    with pytest.raises(ValueError, match="aorta"):
        volume_from_labels(volume, vessel_classes=("aorta",))
    with pytest.raises(ValueError, match="aorta"):
        volume_from_centerlines(tree, vessel_classes=("aorta",))


def test_classes_are_told_by_the_structures_and_not_by_how_names_begin():
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[1, 1, 1], labels[8, 8, 8], labels[5, 5, 5], labels[10, 2, 2] = 1, 2, 3, 4
    names = {1: "brachiocephalic_trunk", 2: "superior_sagittal_sinus", 3: "ascending aorta", 4: "artery wall thrombus"}
    volume = LabelVolume(labels=labels, lps_from_index=np.eye(4), names=names)
    for vessel_class, place in (("artery", (1, 1, 1)), ("vein", (8, 8, 8)), ("aorta", (5, 5, 5))):
        found = volume_from_labels(volume, vessel_classes=(vessel_class,))
        np.testing.assert_allclose(_centre_mm(found), place, atol=1e-4)


def test_labels_are_preferred_unless_their_classes_are_unknown():
    labels = np.zeros((10, 10, 10), dtype=np.uint8)
    labels[2:5, 2:5, 2:5], labels[7, 7, 7] = 1, 2
    tree = CenterlineTree(branches=(_tube(2.0),))

    def model(names: dict[int, str]) -> VesselModel:
        return VesselModel(centerlines=tree, labels=LabelVolume(labels=labels, lps_from_index=np.eye(4), names=names))

    def centre(names: dict[int, str], *classes: str) -> np.ndarray:
        volume = vessel_volume(model(names), vessel_classes=classes)
        assert volume is not None
        return _centre_mm(volume)

    known, unknown = {1: "artery", 2: "vein"}, {1: "one", 2: "another"}
    np.testing.assert_allclose(centre(known, "artery"), (3, 3, 3), atol=1e-3)
    np.testing.assert_allclose(centre(unknown, "artery"), (0, 0, 0), atol=0.05)
    assert centre(unknown)[0] > 3.0  # no class is excluded, so both labels remain


def test_without_labels_or_centerlines_there_is_nothing_to_render():
    bare = VesselModel(surface=SurfaceMesh(vertices_mm=np.zeros((3, 3)), triangles=np.array([[0, 1, 2]])))
    assert vessel_volume(bare) is None
    unknown = Branch(points_mm=_tube(1.0).points_mm, radius_mm=np.full(21, np.nan))
    volume = vessel_volume(VesselModel(centerlines=CenterlineTree(branches=(unknown,))))
    assert volume is not None
    assert volume.values.max() > 0.5
