"""Widgets that rooms share, by the pixels they paint and the words they say."""

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QImage

from guidance_app.panels.background import Background
from guidance_app.panels.pictures.film import FilmWriter
from guidance_app.panels.pictures.grey import colour_image, grey_image, pixels_of, windowed
from guidance_app.panels.pictures.lane_view import Join, Lane, LaneView
from guidance_app.panels.pictures.picture_view import Outline, PictureView
from guidance_app.panels.pictures.profile_plot import Profile, ProfilePlot, Spot
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.panels.verdict_banner import VerdictBanner
from guidance_app.views import palette
from tests.guidance_app.mouse import move_mouse


def shown(qtbot, widget, size=(400, 400)):
    qtbot.addWidget(widget)
    widget.resize(*size)
    widget.show()
    return widget


def near(pixels, colour, tolerance=40):
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return np.abs(pixels.astype(int) - wanted).max(axis=2) < tolerance


def test_a_window_spreads_its_range_over_the_greys():
    grey = windowed(np.array([[-200.0, 100.0, 400.0]]), (-200.0, 400.0))
    assert grey.tolist() == [[0, 127, 255]]


def test_a_picture_stands_in_millimetres_with_its_outline(qtbot):
    view = shown(qtbot, PictureView("one", half_width_mm=4.0))
    grey = np.zeros((81, 81), np.uint8)
    grey[40, 60:] = 255  # from 2 mm to the right of the middle on
    view.show_picture(grey_image(grey), pixel_mm=(0.1, 0.1), origin_px=(40.0, 40.0))
    turn = np.linspace(0, 2 * np.pi, 60)
    view.show_outlines(
        (Outline(points_mm=np.column_stack([np.cos(turn), np.sin(turn)]), colour="#ff0000", closed=True),)
    )
    pixels = pixels_of(view.grab().toImage())
    assert pixels[200, 330].min() > 200  # 2.6 mm right
    assert pixels[200, 275].max() < 60
    assert near(pixels, "#ff0000")[148:153, 195:205].any()  # 1 mm above
    view.hide_outlines(True)
    assert not near(pixels_of(view.grab().toImage()), "#ff0000").any()


def test_both_pictures_of_a_pair_share_one_cursor_place(qtbot):
    view = shown(qtbot, PictureView("one", half_width_mm=4.0))
    told = []
    view.pointed.connect(lambda x, y: told.append((x, y)))
    move_mouse(view, QPoint(300, 200))
    assert told[-1] == pytest.approx((2.0, 0.0), abs=0.02)
    view.show_cursor(*told[-1])
    assert near(pixels_of(view.grab().toImage()), palette.VALID, 60)[195:206, 285:316].any()


def test_a_click_and_a_drag_are_told_apart(qtbot):
    view = shown(qtbot, PictureView("one"))
    clicked, dragged = [], []
    view.clicked.connect(lambda *place: clicked.append(place))
    view.dragged.connect(lambda *share: dragged.append(share))
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert len(clicked) == 1
    assert not dragged
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    move_mouse(view, QPoint(180, 100), held=Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(180, 100))
    assert len(clicked) == 1
    assert sum(share[0] for share in dragged) == pytest.approx(0.2, abs=0.02)


def bright_lane(name="lane"):
    rgb = np.zeros((4, 10, 3), np.uint8)
    rgb[:, 5:] = (0, 255, 0)
    return Lane(name=name, weight=1.0, y=(0.0, 1.0), image=colour_image(rgb), x_mm=(10.0, 20.0), smooth=False)


def test_lanes_lie_over_one_axis_and_are_joined(qtbot):
    view = shown(qtbot, LaneView(axis_words="mm"), (600, 300))
    join = Join(upper=0, upper_at=(12.0, 0.5), lower=1, lower_at=(14.0, 0.5), colour="#ff00ff")
    view.show_lanes((bright_lane(), bright_lane()), (5.0, 25.0), (join,))
    view.show_cursor(5.0)
    pixels = pixels_of(view.grab().toImage())
    for lane in (0, 1):
        row = int(view.lane_rect(lane).center().y())
        assert near(pixels, "#00ff00")[row, int(view.x_px(17.0))]
        assert not near(pixels, "#00ff00")[row, int(view.x_px(13.0))]
        assert not near(pixels, "#00ff00")[row, int(view.x_px(22.0))]
    assert near(pixels, "#ff00ff", 90).sum() > 30


def test_a_press_in_the_lanes_scrubs_to_its_place(qtbot):
    view = shown(qtbot, LaneView(axis_words="mm"), (600, 300))
    view.show_lanes((bright_lane(),), (0.0, 30.0))
    told = []
    view.scrubbed.connect(told.append)
    at = QPoint(round(view.x_px(12.0)), 50)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=at)
    assert told[0] == pytest.approx(12.0, abs=0.1)
    view.show_cursor(told[0])
    assert near(pixels_of(view.grab().toImage()), palette.VALID, 70)[40:60, at.x() - 2 : at.x() + 3].any()


def test_profiles_follow_the_same_cursor(qtbot):
    plot = shown(qtbot, ProfilePlot(left="mm2"), (600, 150))
    x = np.linspace(0, 30, 50)
    plot.show_profiles((Profile(name="area", x_mm=x, y=5 + np.sin(x), colour="#ff8a3d"),), (0.0, 30.0),
                       (Spot(x_mm=10.0, y=4.0, words="MLA", colour="#ff0000"),))  # fmt: skip
    plot.show_cursor(15.0)
    pixels = pixels_of(plot.grab().toImage())
    assert plot.cursor_mm == 15.0
    assert near(pixels, "#ff8a3d", 60).sum() > 100
    assert near(pixels, "#ff0000").any()
    column = np.flatnonzero(near(pixels, palette.VALID, 60).sum(axis=0) > 60)
    assert abs(column.mean() - (62 + (600 - 62 - 12) / 2)) < 12


def test_a_scene_renders_into_a_plain_widget(qtbot):
    view = shown(qtbot, SceneView("artery"), (300, 240))
    line = np.column_stack([np.zeros(20), np.zeros(20), np.linspace(-10, 10, 20)])
    axes = [np.tile(np.eye(3)[k], (20, 1)) for k in (0, 1)]
    view.set_tube(
        "tube", line, np.full((20, 1), 2.0), axes[0], axes[1], np.tile(np.array([[255, 0, 0]], np.uint8), (20, 1))
    )
    view.look_at(np.zeros(3), along=np.array([0.0, 1.0, 0.0]), up=np.array([0.0, 0.0, 1.0]), width_mm=24.0)
    with qtbot.waitSignal(view.rendered, timeout=10_000):
        view.render_soon()
    pixels = pixels_of(view.grab().toImage()).astype(int)
    red = (pixels[:, :, 0] > 90) & (pixels[:, :, 1] < 40)
    assert red[120, 150]
    assert not red[120, 20]
    view.set_picture("frame", np.full((8, 8), 255, np.uint8), np.array([-9.0, -3.0, -3.0]), np.array([18.0, 0, 0]),
                     np.array([0, 0, 6.0]))  # fmt: skip
    view.render_now()
    assert pixels_of(view.grab().toImage())[120, 90].min() > 150
    view.close_scene()


def test_the_verdict_is_the_largest_word(qtbot):
    banner = shown(qtbot, VerdictBanner(), (900, 60))
    banner.show_verdict("CHECK", ("few landmarks", "no contrast"), "look at branches", "")
    assert "CHECK" in banner.word.text()
    assert banner.why.text() == "Few landmarks; no contrast"
    assert near(pixels_of(banner.grab().toImage()), palette.UNVERIFIED).sum() > 500
    assert banner.word.font().pixelSize() > 2 * banner.figures.font().pixelSize() - 1


def test_a_long_next_step_does_not_widen_the_window(qtbot):
    banner = shown(qtbot, VerdictBanner(), (900, 60))
    step = "the vessel was followed on in the CT: see whether it is the imaged one, or draw the line along it"
    banner.show_verdict("CHECK", ("the given line turns into a side branch at 70 mm",), "look", "86 frames")
    banner.layout().activate()
    short = banner.minimumSizeHint().width()
    banner.show_verdict("CHECK", ("the given line turns into a side branch at 70 mm",), step, "86 frames")
    banner.layout().activate()
    assert banner.minimumSizeHint().width() < short + 100
    assert banner.next.text().endswith(step)


def test_the_newest_request_wins_and_errors_reach_their_owner(qtbot):
    background = Background()
    values, errors = [], []

    def broken():
        raise ValueError("no")

    for number in range(3):
        background.run(lambda number=number: number, values.append, failed=errors.append)
    background.run(broken, values.append, failed=errors.append)
    qtbot.waitUntil(lambda: not background.busy, timeout=5000)
    assert values == []
    assert [str(error) for error in errors] == ["no"]
    background.close()


def test_a_film_is_whole_when_it_ends(qtbot, tmp_path):
    def picture(number):
        image = QImage(64, 48, QImage.Format.Format_RGB32)
        image.fill(0xFF000000 + 40 * number)
        return image

    film = FilmWriter(tmp_path / "film.mp4", range(5), picture)
    with qtbot.waitSignal(film.ended, timeout=20_000) as ended:
        pass
    assert ended.args == [""]
    assert (tmp_path / "film.mp4").stat().st_size > 500
