"""Words on the picture: in no state and at no size do two overlap, cross the border, or shrink before they must."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QFontMetricsF, QImage, QPainter

from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import ScreenState
from guidance_app.live.reason import Reason, ReasonCode
from guidance_app.panels.pictures.annotated_video import pixels_of
from guidance_app.views import legibility, palette
from guidance_app.views.annotation_layout import PlacedText, fits, placed_texts, text_font, text_width
from guidance_app.views.annotation_painter import TextPlates, paint_texts
from guidance_app.views.annotations import Annotations, SideLetters, corners_of, side_letters
from guidance_app.views.live_view import PATIENT_WORDS
from guidance_app.views.overlay_look import badge_of
from guidance_app.views.reason_words import message_of
from guidance_app.views.windowing import WindowLevel
from tests.guidance_app.views.staging import frame, geometry, overlay, screen

pytestmark = pytest.mark.usefixtures("qapp")

USUAL = legibility.sizes_for(legibility.USUAL_MM_PER_PX)
# The picture beside the panel: of windows of 640x480, 1280x800, 1536x960, 1920x1080 and 3840x2160.
VIEWS_PX = ((372, 450), (1012, 770), (1268, 930), (1652, 1050), (3572, 2130))
SIDES = SideLetters(left="R", right="L", top="H", bottom="F")


def why(code: ReasonCode, figure_s: float | None = None) -> Reason:
    return Reason(code=code, text="the pose waits for a check on this view", figure_s=figure_s)


def with_evidence(kind: str, age_s: float, **changes: object) -> ScreenState:
    drawn = replace(overlay(), evidence=Evidence(kind=kind, age_s=age_s))  # type: ignore[arg-type]
    return replace(screen(**changes), overlay=drawn)  # type: ignore[arg-type]


STATES: dict[str, ScreenState] = {
    "idle": screen(state="hidden", guidance="unregistered", frame=None, result=None, why=why("not_registered")),
    "vessel": screen(),
    "anatomy": with_evidence("anatomy", 132.0),
    "carried": replace(with_evidence("carried", 2.1, state="stale"), why=why("carried", 2.1)),
    "proposed": screen(state="stale", guidance="proposed", why=why("doubted")),
    "rejected": screen(state="hidden", guidance="rejected", why=why("rejected")),
    "stale": screen(state="hidden", guidance="stale", why=why("no_longer_fits")),
    "old": screen(state="stale", age_ms=340.0, why=why("old", 0.34)),
    "lost": screen(state="stale", source_state="no_signal", frames_total=None, why=why("picture_fault", 3.0)),
    "killed": screen(state="hidden", engine_up=False, besides=("guidance restarts: its process died (signal 9)",)),
    "foreign": screen(state="stale", guidance="proposed", patient="other", why=why("proposed")),
    "nameless": screen(state="stale", guidance="proposed", patient="silent", why=why("proposed")),
}  # fmt: skip


def words_on(state: ScreenState, *, raw: bool = False, notes: tuple[str, ...] = ()) -> Annotations:
    badge = badge_of(state, held=False, raw=raw)
    always = Annotations(badge=badge, bar=PATIENT_WORDS[state.patient], notes=notes)
    if raw:
        return always
    corners = corners_of(state, case_id="coronary-demo", window=WindowLevel(center=2048.0, width=4096.0), zoom=1.25)
    return replace(
        always, message=message_of(state), corners=corners, sides=SIDES, label=badge.text.split(" - ")[0],
        label_colour=badge.colour,
    )  # fmt: skip


def placed(state: ScreenState, size_px: tuple[int, int], sizes: legibility.TextSizes = USUAL) -> tuple[PlacedText, ...]:
    area = QRectF(0.0, 0.0, *size_px)
    side = min(size_px)
    picture = QRectF(area.center().x() - side / 2.0, area.center().y() - side / 2.0, side, side)
    words = words_on(state, notes=("SUBTRACTED, mask 12",))
    return placed_texts(area, picture, words, sizes, label_at=QPointF(0.6 * size_px[0], 0.5 * size_px[1]))


@pytest.mark.parametrize(("name", "size_px"), list(product(STATES, VIEWS_PX)))
def test_no_two_words_overlap_or_cross_the_border(name: str, size_px: tuple[int, int]) -> None:
    for scale in (1.0, 3.0):
        texts = placed(STATES[name], size_px, USUAL.scaled(scale))
        assert fits(QRectF(0.0, 0.0, *size_px), list(texts))
        said = {text.role for text in texts}
        assert said >= {"badge", "note", "research"} | ({"bar"} if STATES[name].patient != "same" else set())
        for text in texts:
            for line, size in zip(text.lines, text.sizes_px, strict=True):
                assert text_width(line, size, bold=text.bold) <= text.at.width(), f"{line!r} leaves its plate"


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("size_px", VIEWS_PX[1:])
def test_state_angles_frame_and_warnings_are_read_from_two_metres(name: str, size_px: tuple[int, int]) -> None:
    metrics = QFontMetricsF(text_font(USUAL.primary_px))
    assert metrics.capHeight() == pytest.approx(legibility.CAP_SHARE * USUAL.primary_px, rel=0.05)
    far = []
    for text in placed(STATES[name], size_px):
        if text.role in ("bar", "badge", "note", "side"):
            far += text.sizes_px
        elif text.role == "corner" and any(word in text.lines[0] for word in ("LAO", "Frame", "REPLAY")):
            far.append(text.sizes_px[0])
    minutes = legibility.arc_minutes(min(far), legibility.USUAL_MM_PER_PX, legibility.LIVE_DISTANCE_MM)
    # A window of 1280x800 holds a warning of two lines beside all the rest only a little smaller.
    assert minutes >= (15.9 if size_px != VIEWS_PX[1] else 14.0)


def test_letters_have_the_same_angle_on_every_screen_and_distance() -> None:
    for pixel_mm, distance_mm in product((0.09, 0.15, 0.277, 0.6), (600.0, 2000.0, 3000.0)):
        size_px = legibility.sizes_for(pixel_mm, distance_mm).primary_px
        assert legibility.arc_minutes(size_px, pixel_mm, distance_mm) == pytest.approx(16.0, abs=0.01)


@pytest.mark.parametrize(("width_px", "width_mm"), [(1920.0, 0.0), (1920.0, 16.0), (0.0, 500.0), (800.0, 9000.0)])
def test_a_screen_that_states_nonsense_counts_as_a_usual_one(width_px: float, width_mm: float) -> None:
    assert legibility.mm_per_px(width_px, width_mm) == legibility.USUAL_MM_PER_PX


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("name", STATES)
def test_words_stand_out_from_black_grey_and_white_pictures(name: str, grey: int) -> None:
    image = QImage(1268, 930, QImage.Format.Format_RGB32)
    image.fill(QColor(grey, grey, grey))
    texts = placed(STATES[name], (1268, 930))
    painter = QPainter(image)
    paint_texts(painter, texts)
    painter.end()
    for text in texts:
        plate = image.pixelColor(text.at.center().toPoint().x(), round(text.at.bottom() - 3))
        assert contrast(QColor(text.colour), plate) >= 4.5, text.lines


@pytest.mark.parametrize("pixel_ratio", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("name", STATES)
def test_kept_plates_look_as_words_that_are_painted_anew(name: str, pixel_ratio: float) -> None:
    texts = placed(STATES[name], (1268, 930))
    plates, painted = TextPlates(), []
    for way in ("anew", "kept", "kept"):
        image = QImage(round(1268 * pixel_ratio), round(930 * pixel_ratio), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(pixel_ratio)
        image.fill(QColor(90, 110, 100))
        painter = QPainter(image)
        if way == "anew":
            paint_texts(painter, texts)
        else:
            plates.paint(painter, texts, pixel_ratio)
        painter.end()
        painted.append(pixels_of(image, (image.width(), image.height()))[..., :3].astype(int))
    anew, first, again = painted
    assert np.array_equal(first, again)
    differs = np.abs(first - anew).max(axis=-1)
    # Letters are blended with their plate before the picture, and not after: rounding. Where a pixel of the view is no
    # whole number of the screen's, letters also stand a fraction of one beside, which shows on their rims.
    assert differs.max() <= (4 if pixel_ratio != 1.5 else 80)
    assert (differs > 4).mean() <= (0.0 if pixel_ratio != 1.5 else 4e-3)


def test_plates_that_no_longer_come_are_let_go() -> None:
    plates = TextPlates()
    image = QImage(400, 100, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    for number in range(300):
        text = PlacedText(role="note", at=QRectF(10, 10, 200, 40), lines=(f"Frame {number}",), sizes_px=(20.0,))
        plates.paint(painter, [text], 1.0)
    painter.end()
    assert len(plates._plates) <= 64


def test_every_colour_of_lines_stands_out_from_its_dark_rim() -> None:
    colours = (palette.VALID, palette.HELD, palette.CARRIED, palette.UNVERIFIED, palette.NOT_CURRENT)
    assert min(contrast(QColor(colour), QColor(palette.CASING)) for colour in colours) >= 3.0
    assert len({badge_of(state, held=False, raw=False).shape for state in STATES.values()}) >= 6


@pytest.mark.parametrize(
    ("position", "left", "right", "top"),
    [
        ("HFS", "R", "L", "H"), ("HFP", "R", "L", "H"), ("HFDR", "R", "L", "H"), ("HFDL", "R", "L", "H"),
        ("FFS", "L", "R", "F"), ("FFP", "L", "R", "F"), ("FFDR", "L", "R", "F"), ("FFDL", "L", "R", "F"),
    ],
)  # fmt: skip
def test_letters_follow_the_patients_position(position: str, left: str, right: str, top: str) -> None:
    straight = geometry(primary_rad=0.0, secondary_rad=0.0)
    found = side_letters(straight, position)
    assert found is not None
    assert (found.left, found.right, found.top) == (left, right, top)
    mirrored = side_letters(geometry(primary_rad=0.0, secondary_rad=0.0, mirrored=True), position)
    assert mirrored is not None
    assert (mirrored.left, mirrored.right, mirrored.top) == (right, left, top)


def test_letters_follow_the_angles_and_an_oblique_side_has_none() -> None:
    lateral = side_letters(geometry(primary_rad=np.pi / 2, secondary_rad=0.0), "HFS")
    assert lateral is not None
    assert (lateral.left, lateral.right) == ("A", "P")
    oblique = side_letters(geometry(primary_rad=np.pi / 4, secondary_rad=0.0), "HFS")
    assert oblique == SideLetters(left="", right="", top="H", bottom="F")


def test_a_picture_of_the_back_has_its_sides_changed() -> None:
    from_behind = side_letters(geometry(primary_rad=np.pi, secondary_rad=0.0), "HFP")
    assert from_behind == SideLetters(left="L", right="R", top="H", bottom="F")


@pytest.mark.parametrize("position", ["", "HF", "SITTING", "HFX"])
def test_an_unknown_position_or_view_has_no_letter(position: str) -> None:
    assert side_letters(geometry(), position) is None
    assert side_letters(None, "HFS") is None
    assert frame().patient_position == ""


def test_every_reason_has_words_that_end_as_sentences_do() -> None:
    from typing import get_args

    for code in get_args(ReasonCode):
        text = message_of(screen(state="hidden", why=why(code, 2.0)))
        assert "{}" not in text
        assert code in ("none", "old") or text.endswith(".")


def contrast(colour: QColor, other: QColor) -> float:
    """WCAG 2.1 contrast ratio."""
    light, dark = sorted((_luminance(colour), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: QColor) -> float:
    parts = np.array(colour.getRgbF()[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
