"""The C-arm about the model, by its pixels: where source, detector and doubt are drawn for a stated geometry."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.cases.case import load_case
from engines.anatomy.vessel_model import SurfaceMesh
from guidance_app.panels.pictures.carm_scene import CArmScene, PlaceDoubt, simplified
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.panels.pictures.scene_view import SceneView
from tests.guidance_app.views.conftest import _no_leaked_widgets  # noqa: F401

GEOMETRY = CArmGeometry(
    primary_rad=0.0, secondary_rad=0.0, sid_mm=1100.0, sod_mm=750.0, column_spacing_mm=0.4, row_spacing_mm=0.4,
    shape_px=(512, 512), principal_point_px=(255.5, 255.5),
)  # fmt: skip
PLACED = RigidPose.from_rotation_vector(np.zeros(3), np.zeros(3), target="isocentre", source="lps")
DOUBT = PlaceDoubt(across_mm=30.0, along_mm=120.0)


def cube(half_mm=60.0):
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float) * half_mm
    triangles = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6],
                          [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]])  # fmt: skip
    return SurfaceMesh(vertices_mm=corners, triangles=triangles)


@pytest.fixture
def scene(qtbot):
    view = SceneView("")
    qtbot.addWidget(view)
    view.resize(400, 400)
    scene = CArmScene(view)
    scene.show_model(cube())
    yield scene
    view.close_scene()


def seen(scene):
    scene.view.render_now()
    return pixels_of(scene.view.grab().toImage()).astype(int)


def reddish(pixels):
    return (pixels[..., 0] > 90) & (pixels[..., 0] > pixels[..., 2] + 50)


def amber(pixels):
    return (pixels[..., 0] > 110) & (pixels[..., 1] > 70) & (pixels[..., 2] < 60)


def bluish(pixels):
    return (pixels[..., 2] > 110) & (pixels[..., 2] > pixels[..., 0] + 60)


def test_a_registered_model_is_red_and_one_that_is_not_is_grey(scene):
    scene.show_arm(GEOMETRY, PLACED, None, None)
    assert reddish(seen(scene)).sum() > 300
    scene.show_arm(GEOMETRY, None, None, None)
    assert reddish(seen(scene)).sum() < 30


def test_the_doubt_is_drawn_only_where_the_model_is_registered(scene):
    scene.show_arm(GEOMETRY, PLACED, DOUBT, None)
    assert amber(seen(scene)).sum() > 200
    scene.show_arm(GEOMETRY, None, DOUBT, None)
    assert amber(seen(scene)).sum() < 30


def test_the_doubt_is_long_along_the_beam(scene):
    """Straight up in the picture, since the table lies flat and the beam of a frontal view is upright."""
    scene.show_model(cube(5.0))
    scene.show_arm(GEOMETRY, PLACED, DOUBT, None)
    row, column = np.nonzero(amber(seen(scene)))
    assert np.ptp(row) > 1.5 * np.ptp(column)


def test_the_beam_follows_the_angles(scene):
    places = []
    for degrees in (-40.0, 0.0, 40.0):
        scene.show_arm(replace(GEOMETRY, primary_rad=float(np.deg2rad(degrees))), PLACED, None, None)
        row, column = np.nonzero(bluish(seen(scene)))
        low = row > np.quantile(row, 0.9)  # the source lies under the table
        places.append(column[low].mean())
    assert places[0] > places[1] + 40 > places[2] + 80


def test_the_picture_stands_on_the_detector(scene):
    scene.show_arm(GEOMETRY, PLACED, None, np.full((512, 512), 250, np.uint8))
    white = (seen(scene) > 200).all(axis=2)
    row, _ = np.nonzero(white)
    assert white.sum() > 800
    assert row.mean() < 200  # above the patient


def test_near_the_model_fills_the_view_and_source_and_detector_are_left_out(qtbot):
    view = SceneView("")
    qtbot.addWidget(view)
    view.resize(400, 400)
    scene = CArmScene(view, near=True)
    scene.show_model(cube())
    scene.show_arm(GEOMETRY, PLACED, PlaceDoubt(across_mm=2.0, along_mm=90.0), np.full((512, 512), 250, np.uint8))
    pixels = seen(scene)
    assert reddish(pixels).mean() > 0.1
    assert amber(pixels).sum() > 100
    assert not (pixels > 235).all(axis=2).any()
    view.close_scene()


def test_before_a_model_nothing_is_drawn(qtbot):
    view = SceneView("")
    qtbot.addWidget(view)
    scene = CArmScene(view)
    scene.show_arm(GEOMETRY, PLACED, DOUBT, None)
    assert not bluish(seen(scene)).any()
    view.close_scene()


def test_a_large_model_becomes_small_and_keeps_its_place_and_size():
    surface = load_case("tavi").vessel_model().surface
    fewer = simplified(surface)
    assert len(fewer.triangles) < 0.5 * len(surface.triangles)
    for end in (np.min, np.max):
        assert end(fewer.vertices_mm, axis=0) == pytest.approx(end(surface.vertices_mm, axis=0), abs=3.0)
    assert simplified(fewer) is fewer or len(simplified(fewer).triangles) <= len(fewer.triangles)
    assert simplified(cube()).triangles.shape == (12, 3)


def test_the_doubt_is_said_in_words():
    assert DOUBT.words == "1 sigma: 30.0 mm across,\n120 mm along the beam"
