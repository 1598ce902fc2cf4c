"""Exercise: choose the C-arm angles from which a piece of vessel is seen whole and free."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtWidgets import QHBoxLayout, QLabel

from engines.planning.angles import angle_words
from engines.planning.segment_views import AngleMap, Segment, angle_map, seen_from
from guidance_app.panels.action import Action
from guidance_app.panels.pictures.picture_view import PictureView
from guidance_app.rooms.training.angle_map_view import AngleMapView
from guidance_app.rooms.training.drawing import show_shadow
from guidance_app.rooms.training.exercise import (
    PRIMARY_LIMIT_DEG,
    SECONDARY_LIMIT_DEG,
    Exercise,
    Outcome,
    Verdict,
)
from guidance_app.views.language import tr

_GOOD, _FAIR = 0.05, 0.15  # of the segment's length lost beyond what the best angles lose
_HALF_MM = 88.0


class ProjectionChoice(Exercise):
    """Angles are set first and looked at then, as with a C-arm: every look is a run, with contrast and dose."""

    name = "projection"
    heading = "Choose the projection"

    def __init__(
        self,
        segment: Segment,
        *,
        level: str,
        seed: int,
        over: Callable[[Outcome], None],
        clock_s: Callable[[], float],
    ) -> None:
        super().__init__(over, clock_s)
        self.segment, self.level, self.seed = segment, level, seed
        self.task = (
            tr("Find the angles that show {name} (blue) at its full length, free of other vessels.").format(
                name=segment.name
            )
            + " "
            + tr("Click or drag in the map, or use the arrows; Space takes a look. Enter chooses. Each look counts.")
        )
        self.here = (0.0, 0.0)
        self.looks = 0
        self._map: AngleMap | None = None
        self.view = PictureView("", half_width_mm=_HALF_MM, bar_mm=10.0)
        self.best_view = PictureView("", half_width_mm=_HALF_MM, bar_mm=10.0)
        self.best_view.hide()
        layout = QHBoxLayout(self.stage)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.best_view, 1)
        self.words = QLabel()
        self.words.setStyleSheet("font-size: 20px;")
        self.map_view = AngleMapView()
        self.map_view.chosen.connect(self._choose)
        self.side_column.addWidget(self.words)
        self.side_column.addWidget(self.map_view)
        self._show(0.0, 0.0)
        self._tell()

    @property
    def progress(self) -> str:
        return tr("1 look") if self.looks == 1 else tr("{count} looks").format(count=self.looks)

    @property
    def begun(self) -> bool:
        return self.looks > 0

    def buttons(self) -> tuple[tuple[str, ...], ...]:
        return (("look", "done"),)

    def actions(self) -> tuple[Action, ...]:
        def make(name: str, words: str, by: tuple[float, float], *keys: str) -> Action:
            return Action(
                id=f"training.{name}", words=words, keys=keys, repeats=True, refusal=self.is_over,
                press=lambda: self.turn(*by),
            )  # fmt: skip

        return (
            make("lao", tr("Turn the C-arm to LAO by 1 degree"), (1.0, 0.0), "Right"),
            make("rao", tr("Turn the C-arm to RAO by 1 degree"), (-1.0, 0.0), "Left"),
            make("cra", tr("Turn the C-arm cranial by 1 degree"), (0.0, 1.0), "Up"),
            make("cau", tr("Turn the C-arm caudal by 1 degree"), (0.0, -1.0), "Down"),
            make("lao-10", tr("Turn the C-arm to LAO by 10 degrees"), (10.0, 0.0), "Shift+Right"),
            make("rao-10", tr("Turn the C-arm to RAO by 10 degrees"), (-10.0, 0.0), "Shift+Left"),
            make("cra-10", tr("Turn the C-arm cranial by 10 degrees"), (0.0, 10.0), "Shift+Up"),
            make("cau-10", tr("Turn the C-arm caudal by 10 degrees"), (0.0, -10.0), "Shift+Down"),
            Action(id="training.look", words=tr("Take a look"), keys=("Space",), press=self.look, refusal=self.is_over),
            Action(id="training.done", words=tr("Choose these angles"), keys=("Return", "Enter"), refusal=self.is_over,
                   press=self.done),
        )  # fmt: skip

    def take_map(self, found: AngleMap) -> None:
        """What was computed meanwhile: it takes a second or two."""
        self._map = found

    def turn(self, primary_deg: float, secondary_deg: float) -> str:
        self._choose(self.here[0] + primary_deg, self.here[1] + secondary_deg)
        return ""

    def look(self) -> str:
        """Show the vessels from here."""
        self.looks += 1
        self.map_view.looked.append(self.here)
        self.map_view.update()
        self._show(*self.here)
        return ""

    def done(self) -> str:
        """Score the angles, and show the best beside them."""
        seconds = self.seconds
        found = self._map or angle_map(self.segment)
        mine = seen_from(self.segment, *self.here)
        best = min(found.best, mine, key=lambda one: one.lost)  # the grid may have missed a better one that was chosen
        beyond = mine.lost - best.lost
        verdict: Verdict = "good" if beyond <= _GOOD else "fair" if beyond <= _FAIR else "off"
        self._show(*self.here)
        self.view.title = tr("Your choice")
        show_shadow(self.best_view, self.segment, best.primary_deg, best.secondary_deg, lit=True)
        self.best_view.title = tr("Best within reach")
        self.best_view.corner = angle_words(best.primary_deg, best.secondary_deg)
        self.best_view.show()
        self.map_view.show_answer(found)
        self.end(
            Outcome(
                verdict=verdict,
                headline=tr("{length}\u00a0% foreshortened, {overlap}\u00a0%\u00a0covered").format(
                    length=f"{100 * mine.foreshortening:.0f}", overlap=f"{100 * mine.overlap:.0f}"
                ),
                lines=(
                    tr("best within reach: {length} % and {overlap} %, from {angles}").format(
                        length=f"{100 * best.foreshortening:.0f}", overlap=f"{100 * best.overlap:.0f}",
                        angles=angle_words(best.primary_deg, best.secondary_deg),
                    ),
                    tr("you lose {share} % of the length more than the best").format(share=f"{100 * beyond:.0f}"),
                    f"{seconds:.0f} s, {self.progress}",
                ),
                reference_words=tr(
                    "Reference: computed from the model, over LAO/RAO 60 and CRA/CAU 40 every 2.5 degrees. "
                    "The patient lies as in the CT"
                ),
                score=100.0 * beyond,
                unit="% lost",
                seconds=seconds,
                run=0,
                frame=0,
                reference="model",
                confidence=1.0,
                level=self.level,
                seed=self.seed,
                figures={
                    "primary_deg": mine.primary_deg, "secondary_deg": mine.secondary_deg,
                    "foreshortening": mine.foreshortening, "overlap": mine.overlap,
                    "best_primary_deg": best.primary_deg, "best_secondary_deg": best.secondary_deg,
                    "best_foreshortening": best.foreshortening, "best_overlap": best.overlap,
                    "looks": float(self.looks),
                },
            )
        )  # fmt: skip
        return ""

    def _choose(self, primary_deg: float, secondary_deg: float) -> None:
        if self.is_over():
            return
        self.here = (
            float(np.clip(primary_deg, -PRIMARY_LIMIT_DEG, PRIMARY_LIMIT_DEG)),
            float(np.clip(secondary_deg, -SECONDARY_LIMIT_DEG, SECONDARY_LIMIT_DEG)),
        )
        self._tell()

    def _tell(self) -> None:
        self.map_view.here = self.here
        self.map_view.update()
        self.words.setText(angle_words(*self.here))

    def _show(self, primary_deg: float, secondary_deg: float) -> None:
        show_shadow(self.view, self.segment, primary_deg, secondary_deg, lit=True)
        self.view.title = "" if self.outcome is not None else tr("Seen last")
        self.view.corner = angle_words(primary_deg, secondary_deg)
        self.view.update()
        self.changed.emit()
