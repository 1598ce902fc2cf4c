"""The IVUS room with a result in it: verdict, frame pair, 3-D, lanes, profiles, candidates, and what a person does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QGridLayout, QInputDialog, QLabel

from engines.anatomy.vessel_model import CtVolume
from guidance_app.panels.background import Background
from guidance_app.panels.pictures.lane_view import LaneView
from guidance_app.panels.pictures.profile_plot import ProfilePlot
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.panels.result_place import ResultPlace
from guidance_app.panels.verdict_banner import VerdictBanner
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.answer.frame_table import FrameTable, frame_table
from guidance_app.rooms.ivus.answer.helping import HandHelp
from guidance_app.rooms.ivus.answer.opened import OpenedFusion, matter_of, opened_ct
from guidance_app.rooms.ivus.answer.words import answer_words, sure_words
from guidance_app.rooms.ivus.exporting import exports
from guidance_app.rooms.ivus.exporting.filming import ScrubFilm
from guidance_app.rooms.ivus.pictures import lanes, scene
from guidance_app.rooms.ivus.pictures.arrangement import arrange, side_column
from guidance_app.rooms.ivus.pictures.candidate_list import CandidateList
from guidance_app.rooms.ivus.pictures.frame_pair import FramePair
from guidance_app.rooms.ivus.pictures.profile_curves import narrow_spots, profile_curves
from guidance_app.rooms.ivus.pictures.thumbnails import candidate_pictures
from guidance_app.views import palette

_PLAY_MS = 66


class FusionPlace(ResultPlace):
    """Everything of one result. What keys and buttons call returns a line for the status strip, "" for none."""

    def __init__(self, opened: OpenedFusion, *, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.desk = FusionDesk(opened)
        self.say = say
        self.colouring: scene.Colouring = "lumen"
        self.scrub_ms = 0.0  # how long the last scrub took, 3-D aside
        self._first_shown = True
        self._thumbnails: tuple[np.ndarray | None, ...] = ()
        self._table: FrameTable = frame_table(self.desk)
        self._background = Background(self)
        self.help = HandHelp(
            self.desk, self._background, changed=self._answer_changed, say=lambda words: self.say(words)
        )
        self._film = ScrubFilm(
            self.desk, self, shown=self._filmed, back=self._back_to, say=lambda words: self.say(words)
        )
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._player = QTimer(self)
        self._player.setInterval(_PLAY_MS)
        self._player.timeout.connect(self._play_on)
        self.show_answer()
        self.to_frame(self._most_telling())
        self._background.run(lambda: opened_ct(opened), self._ct_read, failed=self._ct_failed)

    # What keys and buttons do

    def step(self, frames: int) -> str:
        """Along the axis as it is seen: right is away from the ostium."""
        way = -1 if self.desk.fusion.distal_to_proximal else 1
        return self.to_frame(self.desk.frame + way * frames)

    def to_end(self, *, ostium: bool) -> str:
        place = self.desk.fusion.place_mm
        return self.to_frame(int(place.argmin() if ostium else place.argmax()))

    def next_landmark(self, by: int) -> str:
        way = -by if self.desk.fusion.distal_to_proximal else by
        if not self.desk.next_landmark(way):
            return "no further landmark this way"
        self._scrubbed()
        return ""

    def play_or_pause(self) -> str:
        self._player.stop() if self._player.isActive() else self._player.start()
        return ""

    def stop_playing(self) -> None:
        self._player.stop()

    def turn_cut(self, by_deg: float) -> str:
        self.desk.turn_cut(np.deg2rad(by_deg))
        self._show_lanes()
        self.pair.show_frame()
        return ""

    def hold_overlay(self, held: bool) -> str:
        self.pair.hide_outlines(held)
        return ""

    def next_pair_mode(self) -> str:
        self.pair.next_mode()
        return ""

    def next_colouring(self) -> str:
        """What colours the artery in 3-D."""
        known = scene.COLOURINGS if np.isfinite(self._table.burden_percent).any() else scene.COLOURINGS[:-1]
        self.colouring = known[(known.index(self.colouring) + 1) % len(known)]
        scene.draw_artery(self.scene, self.desk, self._table, self.colouring)
        return ""

    def next_candidate(self) -> str:
        """Show the next candidate; the list stays as the search left it."""
        count = len(self.desk.candidates)
        return (
            self.show_candidate((self.desk.shown_candidate + 1) % count) if count > 1 else "there is no other candidate"
        )

    def show_candidate(self, number: int) -> str:
        return self.help.show_candidate(number)

    def slide(self, by_mm: float) -> str:
        return self.help.slide(by_mm)

    def turn(self, by_deg: float) -> str:
        return self.help.turn(by_deg)

    def point_pair(self) -> str:
        return self.help.begin_pair()

    def accept(self) -> str:
        self.desk.judge("accepted")
        self._show_verdict()
        return "accepted"

    def reject(self) -> str:
        self.desk.judge("rejected")
        self._show_verdict()
        return "rejected"

    def undo(self) -> str:
        words = self.desk.undo()
        self._answer_changed()
        return words

    def measure(self) -> str:
        """Length, area, arc, off."""
        return self.pair.next_ruler()

    def bookmark(self, note: str | None = None) -> str:
        """Remember this frame.

        Args:
            note: None asks for one.
        """
        if note is None:
            note, given = QInputDialog.getText(self, "Bookmark", f"Note to frame {self.desk.frame}:")
            if not given:
                return ""
        self.desk.bookmark(note)
        self._show_flags()
        return f"frame {self.desk.frame} bookmarked"

    def export(self, folder: Path, *, film: bool = True) -> str:
        """Write figure, table, geometry, reviewed result, a picture of the panel, and a film of the scrub.

        The film goes on while the window stays alive.

        Raises:
            InputError: the folder cannot be written to.
        """
        if self._film.running:
            return "the last export is still filming"
        written = exports.export_files(self.desk, self._table, folder)
        self.save_picture(folder / exports.SCREENSHOT)
        if film:
            self._film.start(folder)
        return f"{len(written) + 1} files in {folder}"

    def _filmed(self, frame: int) -> QImage:
        self._back_to(frame)
        self.scene.render_now()
        return self.grab().toImage()

    def _back_to(self, frame: int) -> None:
        self.desk.to_frame(frame)
        self._scrubbed()

    def to_frame(self, frame: int) -> str:
        if self.desk.to_frame(frame):
            self._scrubbed()
        return ""

    def to_place(self, place_mm: float) -> None:
        if self.desk.to_place(place_mm):
            self._scrubbed()

    def close_place(self) -> None:
        self._player.stop()
        self.pair.stop()
        self._film.stop()
        super().close_place()

    # Widgets

    def _make_widgets(self) -> None:
        self.banner = VerdictBanner()
        self.pair = FramePair(self.desk, lambda: self._table, self)
        self.ivus, self.cross = self.pair.ivus, self.pair.cross
        self.scene = SceneView("Artery")
        self.lanes = LaneView(axis_words="mm")
        self.plot = ProfilePlot(left="mm\u00b2")
        self.candidates = CandidateList()
        self.here = QLabel()
        self.here.setTextFormat(Qt.TextFormat.PlainText)
        self.here.setWordWrap(True)
        self.here.setObjectName("quiet")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def _lay_out(self) -> None:
        self.tools = QGridLayout()
        side = side_column(self.candidates, self.here, self.pair.modes, self.tools)
        arrange(self, self.banner, (self.ivus, self.cross, self.scene), side, self.lanes, self.plot)

    def _connect(self) -> None:
        self.lanes.scrubbed.connect(self.to_place)
        self.lanes.wheeled.connect(lambda notches: self.step(-notches))
        self.lanes.clicked.connect(self._lane_clicked)
        self.plot.scrubbed.connect(self.to_place)
        self.candidates.currentRowChanged.connect(self._candidate_picked)
        self.pair.recut.connect(self._show_lanes)
        self.pair.clicked.connect(self._picture_clicked)
        self.pair.measured.connect(lambda words: self.say(words))
        for view in (self.ivus, self.cross):
            view.wheeled.connect(lambda notches: self.step(-notches))

    def _picture_clicked(self, in_frame: bool, x_mm: float, y_mm: float) -> None:
        turn_rad = float(np.arctan2(y_mm, x_mm))
        if in_frame:
            self.help.pair_in_frame(turn_rad)
        else:
            place = float(self.desk.fusion.place_mm[self.desk.frame])
            self.help.pair_in_ct(place, self.desk.frame, turn_rad)

    # What is shown

    def show_answer(self) -> None:
        """All that depends on the answer."""
        self._table = frame_table(self.desk)
        self._show_verdict()
        self._show_lanes()
        self._show_profiles()
        self._show_candidates()
        scene.draw_artery(self.scene, self.desk, self._table, self.colouring)
        if self._first_shown:
            scene.first_look(self.scene, self.desk)
            self._first_shown = False
        self._show_flags()

    def _answer_changed(self) -> None:
        self.show_answer()
        self._scrubbed()

    def _show_verdict(self) -> None:
        self.banner.show_verdict(self.desk.verdict, self.desk.reasons(), self.desk.next_step(), answer_words(self.desk))

    def _show_lanes(self) -> None:
        shown, joins = lanes.all_lanes(self.desk, self.pair.ivus_window, self.pair.ct_window)
        if len(shown) > lanes.IVUS_MAP:
            marked = replace(shown[lanes.IVUS_MAP], marks=lanes.landmark_marks(self.desk))
            shown = (*shown[: lanes.IVUS_MAP], marked, *shown[lanes.IVUS_MAP + 1 :])
        self.lanes.show_lanes(shown, lanes.axis_range(self.desk), joins)

    def _show_profiles(self) -> None:
        self.plot.show_profiles(profile_curves(self._table), lanes.axis_range(self.desk), narrow_spots(self._table))

    def _show_candidates(self) -> None:
        self.candidates.show_candidates(self.desk, self._thumbnails)

    def _show_flags(self) -> None:
        marks = tuple(
            (float(self.desk.fusion.place_mm[mark.frame]), palette.UNVERIFIED) for mark in self.desk.bookmarks
        )
        self.lanes.show_flags(marks)

    def _scrubbed(self) -> None:
        """Everything follows at once; 3-D when there is time."""
        began = time.perf_counter()
        desk = self.desk
        place = float(desk.fusion.place_mm[desk.frame])
        self.pair.show_frame()
        self.lanes.show_cursor(place)
        self.plot.show_cursor(place)
        self.here.setText(sure_words(desk))
        scene.stand_frame(self.scene, desk)
        self.scrub_ms = 1000.0 * (time.perf_counter() - began)

    def _most_telling(self) -> int:
        """The frame with the strongest landmark."""
        maps = self.desk.fusion.frame_maps
        strength = (maps.branch**2).sum(axis=1) + (maps.calcium**2).sum(axis=1) + 1e-3
        place = self.desk.fusion.place_mm[self.desk.fusion.frame_index]
        seen = self.desk.fusion.course_maps.place_mm
        strength = strength * ((place > seen[0]) & (place < seen[-1]))
        return int(self.desk.fusion.frame_index[int(strength.argmax())]) or 1

    def _play_on(self) -> None:
        before = self.desk.frame
        self.step(1)
        if self.desk.frame == before:
            self._player.stop()

    # Help by hand

    def _candidate_picked(self, row: int) -> None:
        if row >= 0 and (words := self.show_candidate(row)):
            self.say(words)

    def _lane_clicked(self, lane: int, place_mm: float, height: float) -> None:
        """A right click (or Ctrl and a click): on the frames' map it begins a landmark pair, on the CT's ends it."""
        if lane == lanes.IVUS_MAP:
            self.to_place(place_mm)
            self.help.pair_in_frames_map(float(np.deg2rad(height)))
        elif lane == lanes.CT_MAP:
            frame = int(np.abs(self.desk.fusion.place_mm - place_mm).argmin())
            self.help.pair_in_ct(place_mm, frame, float(np.deg2rad(height)))

    def _ct_read(self, ct: CtVolume) -> None:
        self.help.ct = ct
        self._thumbnails = candidate_pictures(self.desk, ct, self.pair.ct_window)
        self._show_candidates()
        scene.stand_ct(self.scene, self.desk, ct, self.pair.ct_window)
        if self.desk.opened.fusion.method != "ours":
            return

        def keep(matter: Any) -> None:
            self.desk.matter = matter

        self._background.run(lambda: matter_of(self.desk.opened, ct), keep, failed=self._ct_failed)

    def _ct_failed(self, error: Exception) -> None:
        self.say(f"{error}; the result is shown, help by hand is not possible")
