"""What the live view shows, read from its pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor
from pytestqt.qtbot import QtBot

from engines.angiography.frame import Frame
from engines.angiography.roadmaps.eye_mask import EyeMask
from guidance_app.live.guidance import ScreenState
from guidance_app.panels.pictures.annotated_video import pixels_of
from guidance_app.views import palette
from guidance_app.views.live_view import LiveView
from guidance_app.views.picture_change import PictureChange
from tests.guidance_app.views.staging import LINE_ROW, SIZE_PX, frame, screen


@pytest.fixture
def view(qtbot: QtBot) -> LiveView:
    view = LiveView(case_id="case-7")
    qtbot.addWidget(view)
    view.resize(900, 700)
    view.show()
    return view


def shown(view: LiveView, state: ScreenState | None = None) -> np.ndarray:
    """The view's red, green, blue as signed integers."""
    if state is not None:
        view.show_screen(state)
    image = view.grab().toImage()
    return pixels_of(image, (image.width(), image.height()))[..., 2::-1].astype(int)


def line_colours(view: LiveView, pixels: np.ndarray, *, row: float = LINE_ROW, reach: int = 2) -> np.ndarray:
    """The most colourful pixel near each view column along a frame row, over the straight part of the vessel."""
    transform = view.view_from_frame()
    assert transform is not None
    left, right = (transform.map(QPointF(column + 0.5, row + 0.5)) for column in (30.0, 70.0))
    at = round(left.y())
    band = pixels[at - reach : at + reach + 1, round(left.x()) : round(right.x())]
    best = np.ptp(band, axis=2).argmax(axis=0)
    return band[best, np.arange(band.shape[1])]


def coloured_share(colours: np.ndarray, name: str, tolerance: int = 60) -> float:
    colour = QColor(name)
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return float((np.abs(colours - wanted).max(axis=1) < tolerance).mean())


def test_a_valid_overlay_is_one_solid_line_on_the_vessel(view: LiveView) -> None:
    view.set_mode("centerline")
    colours = line_colours(view, shown(view, screen()))
    assert coloured_share(colours, palette.VALID) > 0.99


def test_the_overlay_lies_within_half_a_pixel_of_its_place_in_the_picture(view: LiveView) -> None:
    view.set_mode("centerline")
    pixels = shown(view, screen())
    transform = view.view_from_frame()
    assert transform is not None
    at = transform.map(QPointF(50.5, LINE_ROW + 0.5))
    column = pixels[:, round(at.x())]
    lines = np.flatnonzero(np.ptp(column, axis=1) > 100)
    lines = lines[abs(lines - at.y()) < 30]
    assert abs(lines.mean() + 0.5 - at.y()) < 0.75


def test_a_pixel_centre_of_the_frame_is_where_the_overlay_says(view: LiveView) -> None:
    """A single bright pixel at (50, 50) and an overlay through its centre coincide."""
    pixels = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    pixels[LINE_ROW, 50] = 255
    grey = shown(view, screen(state="hidden", frame=replace(frame(), pixels=pixels)))[..., 1]
    transform = view.view_from_frame()
    assert transform is not None
    at = transform.map(QPointF(50.5, LINE_ROW + 0.5))
    x, y = round(at.x()), round(at.y())
    patch = grey[y - 15 : y + 15, x - 15 : x + 15].astype(float)
    rows, columns = np.indices(patch.shape)
    assert abs((rows * patch).sum() / patch.sum() + 0.5 - 15) < 1.0
    assert abs((columns * patch).sum() / patch.sum() + 0.5 - 15) < 1.0


@pytest.mark.parametrize("mode", ["outline", "centerline", "filled"])
def test_every_mode_draws_and_a_hidden_overlay_leaves_no_colour(view: LiveView, mode: str) -> None:
    view.set_mode(mode)  # type: ignore[arg-type]
    rows = {"outline": LINE_ROW - 5.0, "centerline": LINE_ROW, "filled": LINE_ROW - 5.0}
    drawn = line_colours(view, shown(view, screen()), row=rows[mode], reach=5)
    assert coloured_share(drawn, palette.VALID) > 0.95
    hidden = line_colours(view, shown(view, screen(state="hidden", guidance="unregistered")), row=rows[mode], reach=5)
    assert np.ptp(hidden, axis=1).max() == 0


def test_only_the_filled_mode_colours_the_lumen_and_opacity_fades_it(view: LiveView) -> None:
    view.set_mode("outline")
    assert np.ptp(line_colours(view, shown(view, screen())), axis=1).max() == 0
    view.set_mode("filled")
    full = np.ptp(line_colours(view, shown(view)), axis=1).mean()
    view.set_opacity(0.3)
    faint = np.ptp(line_colours(view, shown(view)), axis=1).mean()
    assert full > 60
    assert 0.2 * full < faint < 0.45 * full


def test_a_proposed_overlay_is_dashed_amber(view: LiveView) -> None:
    view.set_mode("centerline")
    colours = line_colours(view, shown(view, screen(state="stale", guidance="proposed")))
    assert 0.4 < coloured_share(colours, palette.UNVERIFIED) < 0.85
    assert coloured_share(colours, palette.VALID) == 0.0


def test_a_stale_overlay_is_dotted_and_without_colour(view: LiveView) -> None:
    view.set_mode("centerline")
    colours = line_colours(view, shown(view, screen(state="stale", age_ms=340.0)))
    assert coloured_share(colours, palette.VALID) == 0.0
    assert np.ptp(colours, axis=1).max() < 40
    bright = colours.min(axis=1) > 150
    assert 0.15 < bright.mean() < 0.6
    assert np.abs(np.diff(bright.astype(int))).sum() > 20


@pytest.mark.parametrize("guidance", ["unregistered", "rejected"])
def test_a_state_that_allows_no_drawing_draws_nothing_whatever_comes_with_it(view: LiveView, guidance: str) -> None:
    view.set_mode("centerline")
    colours = line_colours(view, shown(view, screen(guidance=guidance)))  # type: ignore[arg-type]
    assert np.ptp(colours, axis=1).max() == 0


def test_the_halo_is_as_wide_as_the_uncertainty(view: LiveView) -> None:
    view.set_mode("centerline")
    pixels = shown(view, screen(halo_px=8.0))
    inside = line_colours(view, pixels, row=LINE_ROW - 6.0, reach=0)
    outside = line_colours(view, pixels, row=LINE_ROW - 11.0, reach=0)
    assert np.ptp(inside, axis=1).min() > 5
    assert np.ptp(outside, axis=1).max() == 0


def test_holding_the_overlay_and_the_raw_image_take_it_away(view: LiveView) -> None:
    view.set_mode("centerline")
    shown(view, screen())
    view.overlay_held = True
    assert np.ptp(line_colours(view, shown(view)), axis=1).max() == 0
    view.overlay_held = False
    assert np.ptp(line_colours(view, shown(view)), axis=1).min() > 100
    view.raw = True
    assert np.ptp(line_colours(view, shown(view)), axis=1).max() == 0


@pytest.mark.parametrize("raw", [False, True])
def test_the_research_line_is_always_there(view: LiveView, raw: bool) -> None:
    view.raw = raw
    for state in (None, screen(), screen(state="hidden", guidance="unregistered", frame=None)):
        pixels = shown(view, state)
        line = pixels[-30:-8, view.width() // 2 - 120 : view.width() // 2 + 120]
        assert (line.min(axis=2) > 150).mean() > 0.05, "no letters at the bottom centre"


def test_grey_follows_the_window_and_inverts(view: LiveView) -> None:
    pixels = shown(view, screen(state="hidden"))
    transform = view.view_from_frame()
    assert transform is not None
    at = transform.map(QPointF(25.0, 40.0))
    x, y = round(at.x()), round(at.y())
    assert pixels[y, x].tolist() == pytest.approx([100] * 3, abs=1)
    view.invert()
    assert shown(view)[y, x].tolist() == pytest.approx([155] * 3, abs=1)
    view.invert()
    assert view.window_level is not None
    view.set_window_level(replace(view.window_level, center=200.0, width=50.0))
    assert shown(view)[y, x].tolist() == [0] * 3
    view.reset()
    assert shown(view)[y, x].tolist() == pytest.approx([100] * 3, abs=1)


def test_sixteen_bit_pictures_use_the_whole_table(view: LiveView) -> None:
    pixels = np.full((SIZE_PX, SIZE_PX), 40_000, dtype=np.uint16)
    deep = replace(frame(), pixels=pixels, bits_stored=16, window_center=40_000.0, window_width=2_000.0)
    grey = shown(view, screen(state="hidden", frame=deep))
    assert grey[500, 450].tolist() == pytest.approx([128] * 3, abs=1)


def test_a_left_drag_to_the_right_widens_the_window(view: LiveView, qtbot: QtBot) -> None:
    shown(view, screen(state="hidden"))
    assert view.window_level is not None
    before = view.window_level
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(300, 300))
    drag(view, QPoint(390, 300), Qt.MouseButton.LeftButton)
    assert view.window_level.width == pytest.approx(before.width + 0.1 * 256, abs=0.5)
    assert view.window_level.center == before.center


def test_a_middle_drag_moves_and_a_right_drag_zooms(view: LiveView, qtbot: QtBot) -> None:
    shown(view, screen())
    qtbot.mousePress(view, Qt.MouseButton.MiddleButton, pos=QPoint(300, 300))
    drag(view, QPoint(340, 310), Qt.MouseButton.MiddleButton)
    assert (view.viewport.pan_x, view.viewport.pan_y) == (40.0, 10.0)
    drag(view, QPoint(340, 210), Qt.MouseButton.RightButton)
    assert view.viewport.zoom > 1.5


def test_zoom_keeps_the_point_under_the_cursor(view: LiveView) -> None:
    shown(view, screen())
    about = QPointF(200.0, 500.0)
    before = view.view_from_frame()
    assert before is not None
    there = before.inverted()[0].map(about)
    view.zoom(2.0, about)
    after = view.view_from_frame()
    assert after is not None
    assert (after.map(there) - about).manhattanLength() < 1e-6


def test_a_mask_shows_the_difference_and_the_frame_stays_as_it_was(view: LiveView) -> None:
    state = screen(state="hidden")
    shown(view, state)
    view.set_change(PictureChange(mask=EyeMask((state.frame,))))
    vessel = np.full((SIZE_PX, SIZE_PX), 100, dtype=np.uint8)
    vessel[40:60, 40:60] = 60
    after = replace(frame(1), pixels=vessel)
    grey = shown(view, screen(1, state="hidden", frame=after))[..., 1]
    transform = view.view_from_frame()
    assert transform is not None
    inside, outside = (transform.map(QPointF(*at)) for at in ((50.0, 55.0), (25.0, 40.0)))
    assert grey[round(inside.y()), round(inside.x())] < grey[round(outside.y()), round(outside.x())] - 100
    assert vessel[50, 50] == 60


def test_a_mask_taken_from_the_shown_picture_is_grey_and_later_ones_show_their_vessels(view: LiveView) -> None:
    state = screen(state="hidden")
    shown(view, state)
    view.set_change(PictureChange(mask=EyeMask((state.frame,))))
    transform = view.view_from_frame()
    assert transform is not None
    at = transform.map(QPointF(50.0, 55.0))
    row, column = round(at.y()), round(at.x())
    assert abs(shown(view)[row, column, 1] - 127) < 3, "a white flash in a dark room"
    darker = replace(frame(1), pixels=np.full((SIZE_PX, SIZE_PX), 97, dtype=np.uint8))
    assert 60 < shown(view, screen(1, state="hidden", frame=darker))[row, column, 1] < 120


def test_no_frame_at_all_still_paints_a_window(view: LiveView) -> None:
    shown(view, screen(state="hidden", guidance="unregistered", frame=None, result=None, source_state="no_signal"))
    assert view.painted_screen is not None


def drag(view: LiveView, to: QPoint, button: Qt.MouseButton) -> None:
    from PyQt6.QtCore import QEvent
    from PyQt6.QtGui import QMouseEvent

    view.mouseMoveEvent(
        QMouseEvent(
            QEvent.Type.MouseMove, QPointF(to), view.mapToGlobal(QPointF(to)), Qt.MouseButton.NoButton, button,
            Qt.KeyboardModifier.NoModifier,
        )
    )  # fmt: skip


def _collimated(index: int, level: int, *, noise: np.ndarray | None = None) -> Frame:
    pixels = np.full((SIZE_PX, SIZE_PX), 3, dtype=np.uint8)
    pixels[20:80, 20:80] = level
    if noise is not None:
        pixels = (pixels + noise).astype(np.uint8)
    return replace(frame(index), pixels=pixels)


def test_inverting_leaves_the_blades_of_the_collimator_dark(view: LiveView) -> None:
    shown(view, screen(state="hidden", frame=_collimated(0, 200)))
    view.invert()
    pixels = shown(view)
    transform = view.view_from_frame()
    assert transform is not None
    blade, middle = (transform.map(QPointF(*at)) for at in ((10.0, 62.0), (50.0, 62.0)))
    assert pixels[round(blade.y()), round(blade.x())].max() < 20
    assert pixels[round(middle.y()), round(middle.x())].min() > 40


def test_a_subtraction_amplifies_no_noise_behind_the_blades_and_says_what_it_is(view: LiveView) -> None:
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 3, (SIZE_PX, SIZE_PX)) for _ in range(2)]
    shown(view, screen(state="hidden", frame=_collimated(0, 200, noise=noisy[0])))
    view.set_change(PictureChange(mask=EyeMask((_collimated(0, 200, noise=noisy[0]),))))
    pixels = shown(view, screen(1, state="hidden", frame=_collimated(1, 190, noise=noisy[1])))
    transform = view.view_from_frame()
    assert transform is not None
    corner, inner = transform.map(QPointF(2.0, 36.0)), transform.map(QPointF(12.0, 43.0))
    blade = pixels[round(corner.y()) : round(inner.y()), round(corner.x()) : round(inner.x())]
    assert blade.max() < 20
    notes = [text for text in view.painted_texts if text.role == "note"]
    assert next(text.lines for text in notes)[0].startswith("SUBTRACTED, mask 1")
    view.raw = True
    shown(view)
    assert any(text.role == "note" for text in view.painted_texts), "a raw view of a subtraction is one still"


def test_few_x_rays_are_not_made_loud_by_the_logarithm() -> None:
    dark, darker = (replace(frame(), pixels=np.full((8, 8), level, dtype=np.uint8)) for level in (1, 4))
    for each in (dark, darker):
        each.pixels[0] = 250
    pixels = EyeMask((darker,)).subtracted(dark).pixels
    assert np.ptp(pixels) < 0.02 * 65536
