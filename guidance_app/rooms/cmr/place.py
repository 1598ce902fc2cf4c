"""The CMR room with a result in it: lesions, trust, bull's eye, CT short axis, heart, linked by segment and level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QVBoxLayout

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.results.drawing import CMR_LINE, CT_LINE, VESSEL_COLOURS
from guidance_app.panels.background import Background
from guidance_app.panels.pictures.grey import colour_image
from guidance_app.panels.pictures.picture_view import Outline, PictureView
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.panels.result_place import ResultPlace
from guidance_app.panels.verdict_banner import VerdictBanner
from guidance_app.rooms.cmr import exports
from guidance_app.rooms.cmr.bulls_eye_view import BullsEyeView
from guidance_app.rooms.cmr.heart_scene import Standard, draw_arteries, draw_heart, standard_view
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.section import (
    CT_WINDOW,
    HALF_MM,
    STEP_MM,
    Section,
    level_and_degrees,
    outlines_mm,
    painted,
    short_axis,
)
from guidance_app.rooms.cmr.words import (
    defect_sentence,
    lesion_sentence,
    next_step,
    nothing_sentence,
    reasons,
    segment_lines,
    trust_of,
)
from guidance_app.views import palette

_RINGS, _HALF_RING = (5 / 6, 1 / 2, 1 / 6), 1 / 6  # middles of base, mid and apex
_WINDOW_HU = 1200.0  # that a drag over the whole view changes
_ROW_PX, _MOST_ROWS = 27, 4
_NEAREST_LEVEL, _FARTHEST_LEVEL = -0.05, 1.05


class CmrPlace(ResultPlace):
    """Everything of one result. What keys and buttons call returns a line for the status strip, "" for none."""

    def __init__(self, opened: OpenedCmr, *, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.opened = opened
        self.say = say
        self.ct: CtVolume | None = None
        self.ct_words = "reading the CT"
        self.level = self._first_level()
        self.chosen = 0
        self.territories = False
        self.overlay_hidden = False
        self.ct_window = CT_WINDOW
        self.section: Section | None = None
        self._lit = 0
        self._background = Background(self)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._show_words()
        draw_arteries(self.scene, opened)
        draw_heart(self.scene, opened, territories=False)
        self.look(self._telling_side())
        self.to_level(self.level)
        self._read_ct()

    # What keys and buttons do

    def step(self, by_mm: float) -> str:
        """Move the short-axis section towards the base."""
        return self.to_level(self.level + by_mm / self.opened.frame.length_mm)

    def to_level(self, level: float) -> str:
        self.level = float(np.clip(level, _NEAREST_LEVEL, _FARTHEST_LEVEL))
        self._show_section()
        return ""

    def next_slice(self, by: int) -> str:
        """To the next level that a CMR slice saw."""
        seen = sorted(one.level for one in self.opened.found.slices)
        beyond = [level for level in seen if (level - self.level) * by > 1e-3]
        if not beyond:
            return "no further CMR slice this way"
        return self.to_level(min(beyond) if by > 0 else max(beyond))

    def switch_territories(self) -> str:
        if self.opened.territories is None:
            return "the result has no coronary tree, so no territories"
        self.territories = not self.territories
        self.eye.show_territories = self.territories
        self.eye.update()
        self._show_section()
        draw_heart(self.scene, self.opened, territories=self.territories, lit=self._lit or self.chosen)
        return ""

    def switch_aha(self) -> str:
        self.eye.show_aha = not self.eye.show_aha
        self.eye.update()
        return ""

    def hold_overlay(self, held: bool) -> str:
        self.overlay_hidden = held
        self._paint_section()
        return ""

    def look(self, name: Standard) -> str:
        standard_view(self.scene, self.opened, name)
        return ""

    def choose(self, segment: int) -> str:
        """Take a segment and bring the section to its middle; 0 takes none."""
        self.chosen = 0 if segment == self.chosen else segment
        self.eye.chosen = self.chosen
        self.eye.update()
        if self.chosen and self.chosen != 17:
            self.level = self._level_of(self.chosen)
        self._lit = -1  # the 3-D view follows at once
        self.light(self.chosen)
        self._show_section()
        return ""

    def light(self, segment: int) -> None:
        """Show a segment in all views; 0 goes back to the chosen one."""
        shown = segment or self.chosen
        if shown == self._lit:
            return
        self._lit = shown
        self.eye.light(segment)
        draw_heart(self.scene, self.opened, territories=self.territories, lit=shown)
        self.detail.setText("\n".join(segment_lines(self.opened, shown)) if shown else "Point at a segment")
        self._show_outlines()

    def export(self, folder: Path) -> str:
        """Write figure, tables and a picture of the panel.

        Raises:
            InputError: the folder cannot be written to.
        """
        written = exports.export_files(self.opened, folder)
        self.save_picture(folder / exports.SCREENSHOT)
        return f"{len(written) + 1} files in {folder}"

    # Widgets

    def _make_widgets(self) -> None:
        self.lesions = QListWidget()
        self.lesions.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.lesions.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.lesions.setWordWrap(False)
        self.lesions.setStyleSheet(
            f"QListWidget {{ background: {palette.PANEL}; border: 1px solid {palette.LINE}; font-size: 16px; }}"
            "QListWidget::item { padding: 2px 6px; }"
        )
        self.banner = VerdictBanner()
        self.eye = BullsEyeView()
        self.slice = PictureView("CT short axis", half_width_mm=HALF_MM, bar_mm=10.0)
        self.scene = SceneView("Heart")
        self.detail = QLabel("Point at a segment")
        self.detail.setTextFormat(Qt.TextFormat.PlainText)
        self.detail.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.detail.setStyleSheet(f"background: {palette.PANEL}; padding: 6px 10px; font-size: 13px;")
        self.detail.setFixedHeight(104)
        self.tools = QGridLayout()
        self.tools.setSpacing(4)
        self.eye.show_result({k: self.opened.share(k) for k in range(1, 18)}, self.opened.territories)

    def _lay_out(self) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        left = QVBoxLayout()
        left.addWidget(self.eye, 1)
        left.addWidget(self.detail)
        right = QVBoxLayout()
        right.addWidget(self.scene, 1)
        right.addLayout(self.tools)
        pictures = QHBoxLayout()
        pictures.setSpacing(6)
        pictures.addLayout(left, 10)
        pictures.addWidget(self.slice, 10)
        pictures.addLayout(right, 9)
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 4)
        layout.setSpacing(6)
        layout.addWidget(self.lesions)
        layout.addWidget(self.banner)
        layout.addLayout(pictures, 1)
        layout.addWidget(research)

    def _connect(self) -> None:
        self.eye.pointed.connect(self.light)
        self.eye.clicked.connect(self.choose)
        self.slice.pointed.connect(lambda x, y: self.light(self._segment_under(x, y)))
        self.slice.clicked.connect(lambda x, y: self.choose(self._segment_under(x, y)))
        self.slice.left.connect(lambda: self.light(0))
        self.slice.dragged.connect(self._window_dragged)
        self.slice.wheeled.connect(lambda notches: self.step(2.0 * notches))
        self.lesions.itemClicked.connect(self._lesion_clicked)

    def _show_words(self) -> None:
        found = self.opened.found
        for lesion in found.stenoses:
            self._add_sentence(lesion_sentence(lesion), VESSEL_COLOURS.get(lesion.vessel), lesion.vessel)
        if not found.stenoses:
            self._add_sentence(nothing_sentence(self.opened), None, "")
        for defect in found.unmatched_defects:
            self._add_sentence(defect_sentence(defect, self.opened.remote), None, str(defect.segments[0])
                               if defect.segments else "")  # fmt: skip
        if not found.unmatched_defects:
            self._add_sentence("No defect without a stenosis", None, "")
        self.lesions.setFixedHeight(_ROW_PX * min(self.lesions.count(), _MOST_ROWS) + 4)
        remote = "" if self.opened.remote is None else f"remote upslope {self.opened.remote:.3f} of the LV pool's\n"
        dice = found.dice.registered
        fit = "" if dice is None else f"wall Dice CT on CMR {dice:.2f}, {len(found.slices)} slices"
        self.banner.show_verdict(trust_of(found.flags), reasons(found.flags), next_step(self.opened), remote + fit)

    def _add_sentence(self, words: str, colour: tuple[int, int, int] | None, key: str) -> None:
        item = QListWidgetItem(words)
        swatch = QPixmap(QSize(12, 12))
        swatch.fill(QColor(*colour) if colour is not None else QColor(palette.LINE))
        item.setIcon(QIcon(swatch))
        item.setSizeHint(QSize(0, _ROW_PX))
        item.setToolTip(words)
        item.setData(Qt.ItemDataRole.UserRole, key)
        self.lesions.addItem(item)

    def _lesion_clicked(self, item: QListWidgetItem) -> None:
        """A defect leads to its first segment, a lesion to the worst segment of its vessel."""
        key = item.data(Qt.ItemDataRole.UserRole)
        if not key:
            return
        segment = int(key) if key.isdigit() else self._worst_of(key)
        if segment and segment != self.chosen:
            self.choose(segment)

    def _worst_of(self, vessel: str) -> int:
        shares = {k: self.opened.share(k) for k, one in self.opened.found.segments.items() if one.territory == vessel}
        seen = {k: share for k, share in shares.items() if share is not None}
        return min(seen, key=lambda k: seen[k]) if seen else 0

    # The section

    def _first_level(self) -> float:
        """The seen slice through the worst wall, else the middle."""
        known = {k: share for k in range(1, 17) if (share := self.opened.share(k)) is not None}
        if not known:
            return 0.5
        return self._level_of(min(known, key=lambda k: known[k]))

    def _level_of(self, segment: int) -> float:
        """A slice that saw the segment's ring, the nearest to its middle; the middle where none did."""
        middle = _RINGS[(segment > 6) + (segment > 12)]
        seen = [one.level for one in self.opened.found.slices if abs(one.level - middle) <= _HALF_RING]
        return min(seen, key=lambda level: abs(level - middle), default=middle)

    def _telling_side(self) -> Standard:
        """The side on which the worst wall lies."""
        known = {k: share for k in range(1, 17) if (share := self.opened.share(k)) is not None}
        if not known:
            return "anterior"
        worst = min(known, key=lambda k: known[k])
        six: tuple[Standard, ...] = ("anterior", "septal", "septal", "inferior", "lateral", "lateral")
        four: tuple[Standard, ...] = ("anterior", "septal", "inferior", "lateral")
        return six[(worst - 1) % 6] if worst <= 12 else four[worst - 13]

    def _segment_under(self, x_mm: float, y_mm: float) -> int:
        if self.section is None:
            return 0
        column, row = (round((value + HALF_MM) / STEP_MM) for value in (x_mm, y_mm))
        wall = self.section.wall
        if not (0 <= row < wall.shape[0] and 0 <= column < wall.shape[1] and wall[row, column]):
            return 0
        level, degrees = level_and_degrees(self.opened, self.level, x_mm, y_mm)
        return int(aha_segments(np.asarray(level), np.asarray(degrees)))

    def _show_section(self) -> None:
        self.section = short_axis(self.opened, self.ct, self.level)
        self.eye.level = self.level
        self.eye.update()
        self._paint_section()

    def _paint_section(self) -> None:
        if self.section is None:
            return
        rgb = painted(
            self.section,
            self.opened.remote,
            window=self.ct_window,
            overlay=not self.overlay_hidden,
            territories=self.territories,
        )
        middle = (rgb.shape[1] - 1) / 2
        self.slice.show_picture(colour_image(rgb), pixel_mm=(STEP_MM, STEP_MM), origin_px=(middle, middle))
        self.slice.hide_outlines(self.overlay_hidden)
        seen = [one.level for one in self.opened.found.slices]
        apart = min((abs(self.level - level) for level in seen), default=np.inf) * self.opened.frame.length_mm
        near = f"nearest CMR slice {apart:.0f} mm away" if np.isfinite(apart) else ""
        lines = [f"{100 * self.level:.0f} % from apex; {near}", "septum left, anterior on top"]
        if self.ct is None:
            lines.append(self.ct_words)
        self.slice.corner = "\n".join(lines)
        self._show_outlines()

    def _window_dragged(self, across: float, up: float) -> None:
        low, high = self.ct_window
        width = max(high - low + across * _WINDOW_HU, 50.0)
        middle = 0.5 * (low + high) + up * _WINDOW_HU
        self.ct_window = (middle - width / 2, middle + width / 2)
        self._paint_section()

    def _show_outlines(self) -> None:
        if self.section is None:
            return
        lines = [
            Outline(points_mm=line, colour=_hex(CT_LINE), name="CT wall") for line in outlines_mm(self.section.wall)
        ]
        lines += [
            Outline(points_mm=line, colour=_hex(CMR_LINE), name="CMR wall", dashed=True)
            for line in outlines_mm(self.section.carried)
        ]
        if self._lit > 0:
            lines += [
                Outline(points_mm=line, colour=palette.BRIGHT_TEXT, width_px=2.4)
                for line in outlines_mm(self._segment_mask(self._lit))
            ]
        self.slice.show_outlines(tuple(lines))

    def _segment_mask(self, segment: int) -> np.ndarray:
        """Where a segment lies in the section."""
        assert self.section is not None
        side = np.arange(self.section.wall.shape[0]) * STEP_MM - HALF_MM
        degrees = self.opened.frame.aha_degrees(np.arctan2(-side[:, None], -side[None, :]))
        return self.section.wall & (aha_segments(np.full(degrees.shape, self.level), degrees) == segment)

    # The CT

    def open_ct(self, path: Path) -> str:
        """Show this CT behind the maps."""
        self.ct_words = "reading the CT"
        self._paint_section()
        self._background.run(lambda: _near_heart(load_ct(path), self.opened), self._ct_read, failed=self._ct_failed)
        return ""

    def _read_ct(self) -> None:
        if self.opened.cta:
            self.open_ct(Path(self.opened.cta))
        else:
            self.ct_words = "the folder does not say where the CT lies; CT\u2026 opens it"
            self._paint_section()

    def _ct_read(self, ct: CtVolume) -> None:
        self.ct = ct
        self._show_section()

    def _ct_failed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error
        self.ct_words = "no CT: CT\u2026 opens it from elsewhere"
        self._paint_section()
        self.say(str(error))


def _near_heart(ct: CtVolume, opened: OpenedCmr) -> CtVolume:
    """The CT's part about the heart; a whole chest would fill the memory.

    Raises:
        InputError: the heart of the result does not lie in this CT.
    """
    reach = 1.5 * HALF_MM
    middle = opened.frame.apex_mm + 0.5 * opened.frame.length_mm * opened.frame.axis
    span = reach + 0.5 * opened.frame.length_mm
    corners = middle + span * (np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3))
    inverse = np.linalg.inv(ct.lps_from_index)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    own = inverse[:3, :3] @ middle + inverse[:3, 3]
    shape = np.array(ct.voxels_hu.shape)
    if (own < 0).any() or (own > shape - 1).any():
        raise InputError("this CT does not hold the heart of the result; choose the CT that was fused")
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, None)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, shape)
    moved = ct.lps_from_index.copy()
    moved[:3, 3] += moved[:3, :3] @ low
    part = ct.voxels_hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]].copy()
    return CtVolume(voxels_hu=part, lps_from_index=moved)


def _hex(colour: tuple[int, int, int]) -> str:
    return QColor(*colour).name()
