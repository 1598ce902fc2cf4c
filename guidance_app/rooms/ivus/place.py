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
from PyQt6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QListWidget,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.fusion import Candidate, Fusion
from engines.ivus.rescue import Act, landmark_pair, slide, turn
from guidance_app.panels.background import Background
from guidance_app.panels.pictures.film import FilmWriter
from guidance_app.panels.pictures.grey import grey_image, windowed
from guidance_app.panels.pictures.lane_view import LaneView
from guidance_app.panels.pictures.picture_view import Outline, PictureView
from guidance_app.panels.pictures.profile_plot import Profile, ProfilePlot, Spot
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.panels.result_place import ResultPlace
from guidance_app.panels.verdict_banner import VerdictBanner
from guidance_app.rooms.ivus import exports, lanes, scene
from guidance_app.rooms.ivus.desk import FusionDesk
from guidance_app.rooms.ivus.opened import CtSections, OpenedFusion, matter_of, opened_ct
from guidance_app.rooms.ivus.overlays import ct_outlines, frame_outlines
from guidance_app.rooms.ivus.profiles import FrameTable, frame_table
from guidance_app.views import palette

PAIR_MODES = ("side by side", "blend", "flicker", "checkerboard")
_FLICKER_MS, _PLAY_MS = 400, 66
_CHECKER_MM = 1.5
_FILM_FRAMES = 150
_SURE_MM, _SURE_DEG = 4.0, 41.0  # what counts as right
_IVUS_WINDOW, _CT_WINDOW = (0.0, 255.0), (-150.0, 650.0)


class FusionPlace(ResultPlace):
    """Everything of one result. What keys and buttons call returns a line for the status strip, "" for none."""

    def __init__(self, opened: OpenedFusion, *, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.desk = FusionDesk(opened)
        self.say = say
        self.ct: CtVolume | None = None
        self.pair_mode = 0
        self.colouring: scene.Colouring = "lumen"
        self.ivus_window, self.ct_window = _IVUS_WINDOW, _CT_WINDOW
        self.scrub_ms = 0.0  # how long the last scrub took, 3-D aside
        self._pointing: tuple[int, float] | None = None  # a landmark pair whose frame side was clicked
        self._measuring: tuple[float, float] | None = None
        self.measure_on = False
        self._first_shown = True
        self._film: FilmWriter | None = None
        self._table: FrameTable = frame_table(self.desk)
        self._background = Background(self)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._player, self._flicker = QTimer(self), QTimer(self)
        self._player.setInterval(_PLAY_MS)
        self._player.timeout.connect(self._play_on)
        self._flicker.setInterval(_FLICKER_MS)
        self._flicker.timeout.connect(self._flick)
        self._flicked = False
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
        self._show_pair()
        return ""

    def hold_overlay(self, held: bool) -> str:
        for view in (self.ivus, self.cross):
            view.hide_outlines(held)
        return ""

    def next_pair_mode(self) -> str:
        self.modes.setCurrentIndex((self.pair_mode + 1) % len(PAIR_MODES))
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
        if number == self.desk.shown_candidate:
            return ""
        opened = self.desk.opened
        if number == 0 and not self.desk.acts:
            self.desk.take(opened.fusion, CtSections(opened, opened.fusion, None), (), candidate=0)
            self._answer_changed()
            return ""
        return self._rank((self.desk.candidate_act(number),), candidate=number)

    def slide(self, by_mm: float) -> str:
        return self._rank((*self._own_acts(), slide(self.desk.fusion, self.desk.frame, by_mm)))

    def turn(self, by_deg: float) -> str:
        return self._rank((*self._own_acts(), turn(self.desk.fusion, self.desk.frame, np.deg2rad(by_deg))))

    def point_pair(self) -> str:
        """Begin a landmark pair: a click on the frame, then one on the CT's map or cross-section."""
        self._pointing = (-1, 0.0)
        return "click the landmark in the IVUS frame"

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
        """Switch measuring on or off."""
        self.measure_on = not self.measure_on
        self._measuring = None
        return "click two places in a picture" if self.measure_on else ""

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
        if self._film is not None and self._film.running:
            return "the last export is still filming"
        written = exports.export_files(self.desk, self._table, folder)
        self.save_picture(folder / exports.SCREENSHOT)
        if film:
            order = np.argsort(self.desk.fusion.place_mm, kind="stable")
            every = max(1, len(order) // _FILM_FRAMES)
            here = self.desk.frame
            self._film = FilmWriter(folder / exports.FILM, [int(k) for k in order[::every]], self._filmed, self)
            self._film.advanced.connect(lambda share: self.say(f"filming, {100 * share:.0f} %"))
            self._film.ended.connect(lambda why: self._film_ended(why, folder, here))
        return f"{len(written) + 1} files in {folder}"

    def _filmed(self, frame: int) -> QImage:
        self.desk.to_frame(frame)
        self._scrubbed()
        self.scene.render_now()
        return self.grab().toImage()

    def _film_ended(self, why: str, folder: Path, frame: int) -> None:
        self.to_frame(frame)
        self.say(why or f"export is whole: {folder}")

    def to_frame(self, frame: int) -> str:
        if self.desk.to_frame(frame):
            self._scrubbed()
        return ""

    def to_place(self, place_mm: float) -> None:
        if self.desk.to_place(place_mm):
            self._scrubbed()

    def close_place(self) -> None:
        self._player.stop()
        self._flicker.stop()
        if self._film is not None and self._film.running:
            self._film.stop()
        super().close_place()

    # Widgets

    def _make_widgets(self) -> None:
        self.banner = VerdictBanner()
        drawn = bool(self.desk.opened.inputs.contours)
        self.ivus, self.cross = PictureView("IVUS outlines" if drawn else "IVUS"), PictureView("CT cross-section")
        self.scene = SceneView("Artery")
        self.lanes = LaneView(axis_words="mm")
        self.plot = ProfilePlot(left="mm\u00b2")
        self.candidates = QListWidget()
        self.candidates.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.candidates.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.candidates.setStyleSheet("QListWidget { font-size: 13px; } QListWidget::item { padding: 3px 4px; }")
        self.modes = QComboBox()
        self.modes.addItems(PAIR_MODES)
        self.modes.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.here = QLabel()
        self.here.setTextFormat(Qt.TextFormat.PlainText)
        self.here.setWordWrap(True)
        self.here.setObjectName("quiet")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def _lay_out(self) -> None:
        side = QFrame()
        side.setObjectName("panel")
        column = QVBoxLayout(side)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        heading = QLabel("CANDIDATES (C: next)")
        heading.setObjectName("heading")
        column.addWidget(heading)
        column.addWidget(self.candidates, 1)
        row = QHBoxLayout()
        row.addWidget(self.here, 1)
        row.addWidget(self.modes)
        column.addLayout(row)
        self.tools = QGridLayout()
        self.tools.setSpacing(3)
        column.addLayout(self.tools)
        side.setFixedWidth(272)
        top = QHBoxLayout()
        top.setSpacing(2)
        top.addWidget(self.ivus, 3)
        top.addWidget(self.cross, 3)
        top.addWidget(self.scene, 3)
        top.addWidget(side)
        upper = QWidget()
        upper.setLayout(top)
        top.setContentsMargins(0, 0, 0, 0)
        lower = QWidget()
        below = QVBoxLayout(lower)
        below.setContentsMargins(0, 2, 0, 0)
        below.setSpacing(0)
        below.addWidget(self.lanes, 4)
        below.addWidget(self.plot, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(upper)
        split.addWidget(lower)
        split.setStretchFactor(0, 45)
        split.setStretchFactor(1, 55)
        split.setSizes([470, 530])
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        research.setObjectName("quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 2)
        layout.setSpacing(3)
        layout.addWidget(self.banner)
        layout.addWidget(split, 1)
        layout.addWidget(research)

    def _connect(self) -> None:
        self.lanes.scrubbed.connect(self.to_place)
        self.lanes.wheeled.connect(lambda notches: self.step(-notches))
        self.lanes.clicked.connect(self._lane_clicked)
        self.plot.scrubbed.connect(self.to_place)
        self.modes.currentIndexChanged.connect(self._set_pair_mode)
        self.candidates.currentRowChanged.connect(self._candidate_picked)
        for view, other in ((self.ivus, self.cross), (self.cross, self.ivus)):
            view.pointed.connect(self._linked(view, other))
            view.wheeled.connect(lambda notches: self.step(-notches))
            view.clicked.connect(self._picture_clicked(view))
        self.ivus.dragged.connect(self._drag_ivus)
        self.cross.dragged.connect(self._drag_cross)

    def _linked(self, view: PictureView, other: PictureView) -> Callable[[float, float], None]:
        def follow(x_mm: float, y_mm: float) -> None:
            view.show_cursor(x_mm, y_mm)
            other.show_cursor(x_mm, y_mm)

        return follow

    def _picture_clicked(self, view: PictureView) -> Callable[[float, float], None]:
        def clicked(x_mm: float, y_mm: float) -> None:
            if self.measure_on:
                self._measure_to(x_mm, y_mm)
            elif self._pointing is not None:
                self._point_to(view, float(np.arctan2(y_mm, x_mm)))

        return clicked

    def _drag_ivus(self, right: float, up: float) -> None:
        if self._on_handle(self.ivus):
            self._turn_handle(self.ivus)
        else:
            self.ivus_window = _dragged(self.ivus_window, right, up)
            self._show_pair()
            self._show_lanes()

    def _drag_cross(self, right: float, up: float) -> None:
        self.ct_window = _dragged(self.ct_window, right, up)
        self._show_pair()
        self._show_lanes()

    def _on_handle(self, view: PictureView) -> bool:
        """The knob is dragged where the mouse is near it or has begun to turn it."""
        if view.cursor_mm is None:
            return False
        x, y = view.cursor_mm
        reach = 0.93 * view.half_width_mm / view.zoom
        return bool(np.hypot(x - reach * np.cos(self.desk.cut_rad), y - reach * np.sin(self.desk.cut_rad)) < 1.0)

    def _turn_handle(self, view: PictureView) -> None:
        assert view.cursor_mm is not None
        self.desk.cut_rad = float(np.arctan2(view.cursor_mm[1], view.cursor_mm[0]))
        self._show_lanes()
        self._show_pair()

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
        desk, fusion = self.desk, self.desk.fusion
        way = "distal to proximal" if fusion.distal_to_proximal else "proximal to distal"
        right = "" if "WITH_MANUAL_HELP" in fusion.flags else f"right with probability {_chance(fusion.confidence)}\n"
        mirrored = "mirrored" if fusion.handedness < 0 else "not mirrored"
        figures = (
            f"{right}{desk.frames} frames, {way}, {mirrored}\n"
            f"{fusion.place_mm.min():.1f} to {fusion.place_mm.max():.1f} mm from the ostium, method {fusion.method}"
        )
        if fusion.acts:
            figures += "\nwith manual help: " + "; ".join(fusion.acts[-1:])
        self.banner.show_verdict(desk.verdict, desk.reasons(), desk.next_step(), figures)

    def _show_lanes(self) -> None:
        shown, joins = lanes.all_lanes(self.desk, self.ivus_window, self.ct_window)
        if len(shown) > lanes.IVUS_MAP:
            marked = replace(shown[lanes.IVUS_MAP], marks=lanes.landmark_marks(self.desk))
            shown = (*shown[: lanes.IVUS_MAP], marked, *shown[lanes.IVUS_MAP + 1 :])
        self.lanes.show_lanes(shown, lanes.axis_range(self.desk), joins)

    def _show_profiles(self) -> None:
        table = self._table
        order = np.argsort(table.place_mm)
        x = table.place_mm[order]
        shown = [Profile(name="lumen IVUS", x_mm=x, y=table.lumen_mm2[order], colour=lanes.LUMEN),
                 Profile(name="lumen CT", x_mm=x, y=table.ct_area_mm2[order], colour=palette.VALID)]  # fmt: skip
        if np.isfinite(table.vessel_mm2).any():
            shown += [
                Profile(name="vessel IVUS", x_mm=x, y=table.vessel_mm2[order], colour="#c792ea"),
                Profile(
                    name="plaque burden, % / 10",
                    x_mm=x,
                    y=table.burden_percent[order] / 10,
                    colour="#e64a5a",
                    dashed=True,
                ),
            ]
        shown.append(
            Profile(
                name="calcium CT (0 to 5)", x_mm=x, y=5.0 * table.ct_calcium[order], colour=lanes.CALCIUM, dashed=True
            )
        )
        low, reference = table.narrowest, table.reference
        spots = (
            Spot(x_mm=float(table.place_mm[low]), y=float(table.lumen_mm2[low]), colour=palette.ALARM,
                 words=f"MLA {table.lumen_mm2[low]:.1f}"),
            Spot(x_mm=float(table.place_mm[reference]), y=float(table.lumen_mm2[reference]),
                 words=f"ref {table.lumen_mm2[reference]:.1f}", colour=palette.BRIGHT_TEXT),
        )  # fmt: skip
        self.plot.show_profiles(tuple(shown), lanes.axis_range(self.desk), spots)

    def _show_candidates(self) -> None:
        self.candidates.blockSignals(True)
        self.candidates.clear()
        judged = self.desk.opened.fusion.method == "ours"
        for number, candidate in enumerate(self.desk.candidates, start=1):
            chance = f"{100 * candidate.probability:.0f} %" if judged else f"{candidate.probability:.2f}"
            way = "\u2190" if candidate.distal_to_proximal else "\u2192"
            mirror = ", mirror" if candidate.handedness < 0 else ""
            ends = _ends(candidate, float(np.ptp(self.desk.fusion.z_mm)))
            self.candidates.addItem(f"{number}  {chance}  {ends} {way} {candidate.rotation_deg:.0f}\u00b0{mirror}")
            item = self.candidates.item(number - 1)
            assert item is not None
            order = "distal to proximal" if candidate.distal_to_proximal else "proximal to distal"
            item.setToolTip(f"frames {order} over {ends}, the first turned by {candidate.rotation_deg:.0f} degrees")
        self.candidates.setCurrentRow(self.desk.shown_candidate)
        self.candidates.blockSignals(False)

    def _show_flags(self) -> None:
        marks = tuple(
            (float(self.desk.fusion.place_mm[mark.frame]), palette.UNVERIFIED) for mark in self.desk.bookmarks
        )
        self.lanes.show_flags(marks)

    def _show_pair(self) -> None:
        desk, k = self.desk, self.desk.frame
        px, centre = desk.opened.pixel_mm, desk.opened.centre_px
        one = windowed(desk.opened.frames[k], self.ivus_window)
        other = windowed(desk.ct.section(k), self.ct_window)
        mixed = _mixed(one, other, PAIR_MODES[self.pair_mode], flicked=self._flicked, checker_px=_CHECKER_MM / px)
        for view, picture, outlines in (
            (self.ivus, mixed, frame_outlines(desk)),
            (self.cross, other, (*ct_outlines(desk), frame_outlines(desk)[0])),
        ):
            view.show_picture(grey_image(picture), pixel_mm=(px, px), origin_px=centre)
            view.show_outlines((*outlines, *self._measured()))
            view.handle_rad = desk.cut_rad
        place = float(desk.fusion.place_mm[k])
        table = self._table
        self.ivus.corner = f"frame {k}  z {desk.fusion.z_mm[k]:.1f} mm\nlumen {table.lumen_mm2[k]:.1f} mm\u00b2"
        seen = table.ct_area_mm2[k]
        self.cross.corner = f"{place:.1f} mm from ostium\nlumen " + (
            f"{seen:.1f} mm\u00b2" if np.isfinite(seen) else "not seen"
        )

    def _measured(self) -> tuple[Outline, ...]:
        return tuple(
            Outline(
                points_mm=np.array([m.start_mm, m.end_mm]), colour=palette.BRIGHT_TEXT, name=f"{m.length_mm:.2f} mm"
            )
            for m in self.desk.measurements
            if m.frame == self.desk.frame
        )

    def _scrubbed(self) -> None:
        """Everything follows at once; 3-D when there is time."""
        began = time.perf_counter()
        desk = self.desk
        place = float(desk.fusion.place_mm[desk.frame])
        self._show_pair()
        self.lanes.show_cursor(place)
        self.plot.show_cursor(place)
        sigma = ""
        if desk.fusion.certainty is not None:
            row = desk.maps_row(desk.frame)
            known = desk.fusion.certainty
            sure = known.place_sigma_mm[row] <= _SURE_MM and known.turn_sigma_deg[row] <= _SURE_DEG
            words = "sure within" if sure else "not sure:"
            sigma = f"{words} {known.place_sigma_mm[row]:.1f} mm, {known.turn_sigma_deg[row]:.0f}\u00b0"
        self.here.setText(sigma)
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

    def _set_pair_mode(self, mode: int) -> None:
        self.pair_mode = mode
        self._flicked = False
        self._flicker.start() if PAIR_MODES[mode] == "flicker" else self._flicker.stop()
        self._show_pair()

    def _flick(self) -> None:
        self._flicked = not self._flicked
        self._show_pair()

    def _play_on(self) -> None:
        before = self.desk.frame
        self.step(1)
        if self.desk.frame == before:
            self._player.stop()

    # Help by hand

    def _own_acts(self) -> tuple[Act, ...]:
        return self.desk.acts

    def _candidate_picked(self, row: int) -> None:
        if row >= 0 and (words := self.show_candidate(row)):
            self.say(words)

    def _lane_clicked(self, lane: int, place_mm: float, height: float) -> None:
        """A right click (or Ctrl and a click): on the frames' map it begins a landmark pair, on the CT's ends it."""
        if lane == lanes.IVUS_MAP:
            self.to_place(place_mm)
            self._pointing = (self.desk.frame, float(np.deg2rad(height)))
            self.say("now right-click the same landmark in the CT's map, or click it in the cross-section")
        elif lane == lanes.CT_MAP and self._pointing is not None and self._pointing[0] >= 0:
            hand = self.desk.fusion.handedness * (-1 if self.desk.fusion.distal_to_proximal else 1)
            frame = int(np.abs(self.desk.fusion.place_mm - place_mm).argmin())
            course_rad = float(self.desk.fusion.angle_rad[frame]) + hand * float(np.deg2rad(height))
            self._pair_done(place_mm, course_rad)

    def _point_to(self, view: PictureView, turn_rad: float) -> None:
        assert self._pointing is not None
        if self._pointing[0] < 0:
            if view is self.ivus:
                self._pointing = (self.desk.frame, turn_rad)
                self.say("scrub to where the CT shows the same landmark, and click it in the cross-section")
        elif view is self.cross:
            fusion = self.desk.fusion
            hand = fusion.handedness * (-1 if fusion.distal_to_proximal else 1)
            place = float(fusion.place_mm[self.desk.frame])
            self._pair_done(place, float(fusion.angle_rad[self.desk.frame]) + hand * turn_rad)

    def _pair_done(self, place_mm: float, course_rad: float) -> None:
        assert self._pointing is not None
        frame, frame_rad = self._pointing
        self._pointing = None
        self.say(self._rank((*self._own_acts(), landmark_pair(frame, frame_rad, place_mm, course_rad))))

    def _measure_to(self, x_mm: float, y_mm: float) -> None:
        if self._measuring is None:
            self._measuring = (x_mm, y_mm)
            return
        found = self.desk.measure(self._measuring, (x_mm, y_mm))
        self._measuring = None
        self._show_pair()
        self.say(f"{found.length_mm:.2f} mm")

    def _rank(self, acts: tuple[Act, ...], *, candidate: int = -1) -> str:
        """Search again in the background and take the answer."""
        if self.desk.opened.fusion.method != "ours":
            return "the published method has no hypotheses to rank again; register with method ours"
        if self.desk.matter is None:
            return "the CT is still being read; try again in a moment"
        ct = self.ct
        assert ct is not None

        def work() -> Fusion:
            return self.desk.ranked(acts)

        def then(fusion: Fusion) -> None:
            shown = self.desk.shown_candidate if candidate < 0 else candidate
            self.desk.take(fusion, CtSections(self.desk.opened, fusion, ct), acts, candidate=shown)
            self._answer_changed()
            self.say(f"ranked again: {acts[-1].words}")

        self._background.run(work, then, failed=lambda error: self.say(f"could not rank again: {error}"))
        return "ranking the hypotheses again"

    def _ct_read(self, ct: CtVolume) -> None:
        self.ct = ct
        scene.stand_ct(self.scene, self.desk, ct, self.ct_window)
        if self.desk.opened.fusion.method != "ours":
            return

        def keep(matter: Any) -> None:
            self.desk.matter = matter

        self._background.run(lambda: matter_of(self.desk.opened, ct), keep, failed=self._ct_failed)

    def _ct_failed(self, error: Exception) -> None:
        self.say(f"{error}; the result is shown, help by hand is not possible")


def _chance(confidence: float) -> str:
    """Nothing is certain: two figures, and no 1.00 and no 0.00."""
    return ">0.99" if confidence > 0.99 else "<0.01" if confidence < 0.01 else f"{confidence:.2f}"


def _ends(candidate: Candidate, length_mm: float) -> str:
    """The stretch of the vessel that a candidate covers."""
    other = candidate.offset_mm + (-length_mm if candidate.distal_to_proximal else length_mm)
    low, high = sorted((candidate.offset_mm, other))
    return f"{low:.0f} to {high:.0f}"


def _dragged(window: tuple[float, float], right: float, up: float) -> tuple[float, float]:
    low, high = window
    width = max((high - low) * (1.0 + 1.5 * right), 4.0)
    middle = 0.5 * (low + high) - up * (high - low)
    return middle - 0.5 * width, middle + 0.5 * width


def _mixed(one: np.ndarray, other: np.ndarray, mode: str, *, flicked: bool, checker_px: float) -> np.ndarray:
    if mode == "blend":
        return (one // 2 + other // 2).astype(np.uint8)
    if mode == "flicker":
        return other if flicked else one
    if mode == "checkerboard":
        rows, columns = (np.arange(size) // max(checker_px, 1.0) for size in one.shape)
        return np.where((rows[:, None] + columns[None, :]) % 2 > 0, other, one)
    return one
