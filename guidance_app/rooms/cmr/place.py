"""The CMR room with a result in it: lesions, trust, bull's eye, CT sections, cine, curves and heart, all linked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QListWidgetItem, QVBoxLayout

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.results.session_file import SessionSlice
from guidance_app.panels.background import Background
from guidance_app.panels.pictures.handle_view import HandleView
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.panels.result_place import ResultPlace
from guidance_app.panels.verdict_banner import VerdictBanner
from guidance_app.rooms.cmr import exports
from guidance_app.rooms.cmr.cine_desk import CineDesk
from guidance_app.rooms.cmr.correcting.desk import CorrectingDesk
from guidance_app.rooms.cmr.correcting.hand_work import HandWork
from guidance_app.rooms.cmr.ct_near_heart import ct_near_heart
from guidance_app.rooms.cmr.ct_sections import CtSections
from guidance_app.rooms.cmr.filming import HeartFilm
from guidance_app.rooms.cmr.first_look import first_level, level_of, telling_side, worst_segment
from guidance_app.rooms.cmr.lesion_list import LesionList
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.pictures.bulls_eye_view import BullsEyeView
from guidance_app.rooms.cmr.pictures.curve_view import CurveView
from guidance_app.rooms.cmr.pictures.heart_scene import Standard, draw_arteries, draw_heart, standard_view
from guidance_app.rooms.cmr.pictures.section import HALF_MM, level_and_degrees
from guidance_app.rooms.cmr.words import coronaries_words, next_step, reasons, segment_lines, trust_of
from guidance_app.views import palette

_NEAREST_LEVEL, _FARTHEST_LEVEL = -0.05, 1.05


class CmrPlace(ResultPlace):
    """Everything of one result. What keys and buttons call returns a line for the status strip, "" for none."""

    def __init__(
        self, opened: OpenedCmr, session: tuple[SessionSlice, ...] | None = None, *,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.opened = opened
        self.say = say
        self.sections = CtSections(opened, first_level(opened))
        self.chosen = 0
        self._background = Background(self)
        self._make_widgets()
        self.cine = CineDesk(
            opened, session, self.cine_view, self.plot, self.sections.wall_at, self.sections.grey_at, self
        )
        self.hand = HandWork(opened, say, self)
        self.correcting = CorrectingDesk(self, self.hand)
        self.film = HeartFilm(self, say)
        self._lay_out()
        self._connect()
        self._show_words()
        draw_arteries(self.scene, opened)
        draw_heart(self.scene, opened, territories=False)
        self.look(telling_side(opened))
        self.to_level(self.sections.level)
        self._read_ct()

    @property
    def level(self) -> float:
        return self.sections.level

    # What keys and buttons do

    def step(self, by_mm: float) -> str:
        """Move the short-axis section towards the base."""
        return self.to_level(self.level + by_mm / self.opened.frame.length_mm)

    def to_level(self, level: float) -> str:
        within = float(np.clip(level, _NEAREST_LEVEL, _FARTHEST_LEVEL))
        self.eye.level = within
        self.eye.update()
        self.cine.to_level(within)
        self.sections.to_level(within)
        self.correcting.show()
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
        shown = self.sections.shown
        shown.territories = self.eye.show_territories = not shown.territories
        self.eye.update()
        self.sections.paint()
        draw_heart(self.scene, self.opened, territories=shown.territories, lit=shown.lit or self.chosen)
        return ""

    def switch_aha(self) -> str:
        self.eye.show_aha = not self.eye.show_aha
        self.eye.update()
        return ""

    def hold_overlay(self, held: bool) -> str:
        self.sections.shown.overlay_hidden = held
        self.sections.paint()
        self.cine_view.hide_outlines(held)
        return ""

    def look(self, name: Standard) -> str:
        standard_view(self.scene, self.opened, name)
        return ""

    def choose(self, segment: int) -> str:
        """Take a segment and bring the section to its middle; 0 takes none."""
        self.chosen = 0 if segment == self.chosen else segment
        self.eye.chosen = self.chosen
        self.eye.update()
        self.sections.shown.lit = -1  # the 3-D view follows at once
        self.light(self.chosen)
        return self.to_level(level_of(self.opened, self.chosen)) if self.chosen and self.chosen != 17 else ""

    def light(self, segment: int) -> None:
        """Show a segment in all views; 0 goes back to the chosen one."""
        lit, shown = segment or self.chosen, self.sections.shown
        if lit == shown.lit:
            return
        shown.lit = lit
        self.eye.light(segment)
        draw_heart(self.scene, self.opened, territories=shown.territories, lit=lit)
        self.detail.setText("\n".join(segment_lines(self.opened, lit)) if lit else "Point at a segment")
        self.cine.light(lit)
        self.sections.show_outlines()

    def export(self, folder: Path) -> str:
        """Write figure, tables and a picture of the panel.

        Raises:
            InputError: the folder cannot be written to.
        """
        if self.hand.corrected:
            self.hand.write(folder)
        written = exports.export_files(self.opened, folder, corrected=self.hand.corrected)
        self.save_picture(folder / exports.SCREENSHOT)
        return f"{len(written) + 1} files in {folder}"

    def renew(self, opened: OpenedCmr, session: tuple[SessionSlice, ...]) -> None:
        """Show a corrected result where the old one was; level, beat and chosen segment stay."""
        self.opened = opened
        self.lesions.show_result(opened)
        self._show_words()
        self._show_eye()
        self.sections.renew(opened)
        self.cine.renew(opened, session)
        self.scene.clear()
        draw_arteries(self.scene, opened)
        draw_heart(self.scene, opened, territories=self.sections.shown.territories, lit=self.chosen)
        self.correcting.show()

    # Widgets

    def _make_widgets(self) -> None:
        self.lesions = LesionList(self.opened)
        self.banner = VerdictBanner()
        self.eye = BullsEyeView()
        self.slice = self.sections.short
        self.cine_view = HandleView("CMR stress", half_width_mm=HALF_MM, bar_mm=10.0)
        self.plot = CurveView()
        self.scene = SceneView("Heart")
        self.detail = QLabel("Point at a segment")
        self.detail.setTextFormat(Qt.TextFormat.PlainText)
        self.detail.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.detail.setStyleSheet(f"background: {palette.PANEL}; padding: 6px 10px; font-size: 13px;")
        self.detail.setMinimumHeight(92)
        self.detail.setWordWrap(True)
        self.tools = QGridLayout()
        self.tools.setSpacing(4)
        self._show_eye()

    def _show_eye(self) -> None:
        segments = self.opened.found.segments
        shared = frozenset(k for k, one in segments.items() if one.territory_shared)
        self.eye.show_result({k: self.opened.share(k) for k in segments}, self.opened.territories, shared)

    def _lay_out(self) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        last = QVBoxLayout()
        last.setSpacing(6)
        last.addWidget(self.detail, 1)
        last.addLayout(self.tools)
        pictures = QGridLayout()
        pictures.setSpacing(6)
        for column, (upper, lower) in enumerate(
            ((self.eye, self.plot), (self.slice, self.sections.long[True]), (self.cine_view, self.sections.long[False]))
        ):
            pictures.addWidget(upper, 0, column)
            pictures.addWidget(lower, 1, column)
        pictures.addWidget(self.scene, 0, 3)
        pictures.addLayout(last, 1, 3)
        for column, share in enumerate((11, 10, 10, 11)):
            pictures.setColumnStretch(column, share)
        pictures.setRowStretch(0, 10)
        pictures.setRowStretch(1, 9)
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 4)
        layout.setSpacing(6)
        layout.addWidget(self.lesions)
        layout.addWidget(self.banner)
        layout.addWidget(self.correcting.panel)
        layout.addLayout(pictures, 1)
        layout.addWidget(research)

    def _connect(self) -> None:
        self.eye.pointed.connect(self.light)
        self.eye.clicked.connect(self.choose)
        self.slice.pointed.connect(lambda x, y: self.light(self.sections.segment_under(x, y)))
        self.slice.clicked.connect(lambda x, y: self.choose(self.sections.segment_under(x, y)))
        self.slice.left.connect(lambda: self.light(0))
        self.slice.dragged.connect(self.sections.drag_window)
        self.slice.dragged.connect(lambda _across, _up: self.cine.show() if self.cine.mix else None)
        self.slice.wheeled.connect(lambda notches: self.step(2.0 * notches))
        self.cine_view.pointed.connect(self._point_in_cine)
        self.cine_view.clicked.connect(lambda x, y: self.choose(self._segment_in_cine(x, y)))
        self.cine_view.left.connect(lambda: self.light(0))
        self.cine_view.wheeled.connect(lambda notches: self.cine.step(notches))
        for view in self.sections.long.values():
            view.clicked.connect(lambda _x, y: self.to_level(self.sections.level_under(y)))
            view.wheeled.connect(lambda notches: self.step(2.0 * notches))
            view.dragged.connect(self.sections.drag_window)
        self.lesions.itemClicked.connect(self._lesion_clicked)
        self.hand.changed.connect(self.renew)

    def _show_words(self) -> None:
        found = self.opened.found
        remote = "" if self.opened.remote is None else f"remote upslope {self.opened.remote:.3f} of the LV pool's\n"
        dice = found.dice.registered
        fit = "" if dice is None else f"wall Dice CT on CMR {dice:.2f}, {len(found.slices)} slices"
        # On the same line: pictures must not jump when a correction comes.
        fit += f"; CORRECTED BY HAND: {len(found.by_hand)}" if found.by_hand else ""
        coronaries = f"\n{words}" if (words := coronaries_words(found)) else ""
        self.banner.show_verdict(
            trust_of(found.flags), reasons(found.flags), next_step(self.opened), remote + fit + coronaries
        )

    def _lesion_clicked(self, item: QListWidgetItem) -> None:
        """A defect leads to its first segment, a lesion to the worst segment of its vessel."""
        key = self.lesions.key_of(item)
        if not key:
            return
        segment = int(key) if key.isdigit() else worst_segment(self.opened, vessel=key)
        if segment and segment != self.chosen:
            self.choose(segment)

    # The cine

    def _point_in_cine(self, x_mm: float, y_mm: float) -> None:
        segment = self._segment_in_cine(x_mm, y_mm)
        self.light(segment)
        if segment:
            self.cine.light_pixel(x_mm, y_mm)

    def _segment_in_cine(self, x_mm: float, y_mm: float) -> int:
        """By the pixel of the CMR's wall under the mouse."""
        one = self.cine.slice
        if one is None or one.pixel_under(x_mm, y_mm) is None:
            return 0
        level, degrees = level_and_degrees(self.opened, one.level, x_mm, y_mm)
        return int(aha_segments(np.asarray(level), np.asarray(degrees)))

    def close_place(self) -> None:
        self.film.stop()
        self.cine.stop()
        self.hand.close()
        super().close_place()

    @property
    def busy(self) -> bool:
        return super().busy or self.hand.busy

    # The CT

    @property
    def ct(self) -> CtVolume | None:
        return self.sections.ct

    def open_ct(self, path: Path) -> str:
        """Show this CT behind the maps."""
        self.sections.say("reading the CT")
        self._background.run(
            lambda: ct_near_heart(load_ct(path), self.opened), self.sections.show_ct, failed=self._ct_failed
        )
        return ""

    def _read_ct(self) -> None:
        if self.opened.cta:
            self.open_ct(Path(self.opened.cta))
        else:
            self.sections.say("the folder does not say where the CT lies; CT\u2026 opens it")

    def _ct_failed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error
        self.sections.say("no CT: CT\u2026 opens it from elsewhere")
        self.say(str(error))
