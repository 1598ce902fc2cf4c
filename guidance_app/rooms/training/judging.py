"""Exercise: tell right overlays from wrong ones, and say how sure you are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtWidgets import QHBoxLayout, QLabel

from engines.exercises.reference import ReferencePicture
from engines.exercises.right_or_wrong import (
    SURE,
    UNSURE,
    Answer,
    JudgingScore,
    OverlayItem,
    judging_score,
    overlay_items,
)
from guidance_app.panels.action import Action
from guidance_app.panels.pictures.picture_view import PictureView
from guidance_app.rooms.training.drawing import model_outlines, show_grey
from guidance_app.rooms.training.exercise import ANSWER, MINE, Exercise, Outcome, Verdict
from guidance_app.views import palette
from guidance_app.views.language import tr

_GOOD, _FAIR = 0.9, 0.7  # of pairs told apart


class Judging(Exercise):
    """Ten overlays, five of them off by 3 to 8 mm; the answer to each is shown before the next."""

    name = "right-or-wrong"
    heading = "Right or wrong?"
    task = (
        "Half of these overlays are right (within 1 mm), half are 3 to 8 mm off. Say which, and how sure you are. "
        "Hold O to look at the vessel without the overlay."
    )

    def __init__(
        self,
        pictures: Sequence[ReferencePicture],
        *,
        count: int,
        level: str,
        seed: int,
        over: Callable[[Outcome], None],
        clock_s: Callable[[], float],
    ) -> None:
        super().__init__(over, clock_s)
        self.task = tr(self.task)
        self.level, self.seed = level, seed
        self.items: tuple[OverlayItem, ...] = overlay_items(pictures, count, seed)
        self.answers: list[Answer] = []
        self.number = 0
        self._shown_at_s = clock_s()
        self._shown_for_s = 0.0
        self.view = PictureView("", bar_mm=10.0)
        layout = QHBoxLayout(self.stage)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.answer_line = QLabel()
        self.answer_line.setWordWrap(True)
        self.answer_line.setMinimumHeight(76)
        self.side_column.addWidget(self.answer_line)
        self._draw()

    @property
    def seconds(self) -> float:
        """While an overlay waits for an answer; reading the last answer costs no time."""
        if self.outcome is not None:
            return self.outcome.seconds
        return self._shown_for_s + (0.0 if self.answered else self._clock_s() - self._shown_at_s)

    @property
    def answered(self) -> bool:
        """The present overlay has its answer, which is on the picture."""
        return len(self.answers) > self.number

    @property
    def progress(self) -> str:
        return tr("{number} of {count}").format(number=min(self.number + 1, len(self.items)), count=len(self.items))

    @property
    def begun(self) -> bool:
        return bool(self.answers)

    def buttons(self) -> tuple[tuple[str, ...], ...]:
        return (("surely-right", "maybe-right"), ("maybe-wrong", "surely-wrong"), ("next",))

    def actions(self) -> tuple[Action, ...]:
        def make(name: str, words: str, key: str, wrong: bool, confidence: float) -> Action:
            return Action(
                id=f"training.{name}", words=words, keys=(key,), refusal=self._no_answer,
                press=lambda: self.answer(called_wrong=wrong, confidence=confidence),
            )  # fmt: skip

        return (
            make("surely-right", tr("Right, sure"), "1", False, SURE),
            make("maybe-right", tr("Right, unsure"), "2", False, UNSURE),
            make("maybe-wrong", tr("Wrong, unsure"), "3", True, UNSURE),
            make("surely-wrong", tr("Wrong, sure"), "4", True, SURE),
            Action(id="training.next", words=tr("Next overlay"), keys=("Space", "Return", "Enter"), press=self.next,
                   refusal=lambda: self.is_over() or ("" if self.answered else tr("Answer first: 1 to 4"))),
            Action(id="training.hide", words=tr("Hide the overlay"), keys=("O",), press=lambda: self._hide(True),
                   release=lambda: self._hide(False)),
        )  # fmt: skip

    def answer(self, *, called_wrong: bool, confidence: float) -> str:
        took_s = self._clock_s() - self._shown_at_s
        self._shown_for_s += took_s
        self.answers.append(Answer(called_wrong=called_wrong, confidence=confidence, seconds=took_s))
        item = self.items[self.number]
        good = called_wrong == item.wrong
        said = tr("wrong") if item.wrong else tr("right")
        sign, colour = ("\u2713", palette.HELD) if good else ("\u2715", palette.ALARM)
        branch = item.picture.branches[item.score.worst_branch].name
        told = tr("It was {said}: {away} mm off.").format(said=said, away=f"{item.score.mean_mm:.1f}")
        if item.wrong and branch:
            told = tr("It was {said}: {away} mm off, most on {branch} ({worst} mm).").format(
                said=said, away=f"{item.score.mean_mm:.1f}", branch=branch, worst=f"{item.score.worst_mm:.1f}"
            )
        self.answer_line.setText(f"{sign} {told}")
        self.answer_line.setStyleSheet(f"color: {colour}; font-size: 16px;")
        self._draw()
        if len(self.answers) == len(self.items):
            self.end(self._outcome(judging_score(self.items, self.answers)))
        return ""

    def next(self) -> str:
        self.number += 1
        self.answer_line.setText("")
        self._shown_at_s = self._clock_s()
        self._draw()
        return ""

    def _no_answer(self) -> str:
        return self.is_over() or (tr("Space shows the next overlay") if self.answered else "")

    def _outcome(self, score: JudgingScore) -> Outcome:
        verdict: Verdict = "good" if score.ordered >= _GOOD else "fair" if score.ordered >= _FAIR else "off"
        wrong, right = score.hits + score.misses, score.items - score.hits - score.misses
        sure = (
            tr("never sure")
            if score.sure_and_right is None
            else tr("sure {count} times, and {share} % of these were right").format(
                count=score.sure, share=f"{100 * score.sure_and_right:.0f}"
            )
        )
        source = min((item.picture.source for item in self.items), key=lambda one: one.confidence)
        return Outcome(
            verdict=verdict,
            headline=tr("{hits} of {wrong} wrong ones found").format(hits=score.hits, wrong=wrong),
            lines=(
                tr("sensitivity {share} %").format(share=f"{100 * score.sensitivity:.0f}"),
                tr("false alarms: {count} of {right} right ones called wrong").format(
                    count=score.false_alarms, right=right
                ),
                tr("told apart: {share} % of pairs (50 % is guessing)").format(share=f"{100 * score.ordered:.0f}"),
                sure,
                tr("{seconds} s, {each} s an overlay").format(
                    seconds=f"{score.seconds:.0f}", each=f"{score.seconds / score.items:.1f}"
                ),
            ),
            reference_words=source.words,
            score=100.0 * score.ordered,
            unit="% told apart",
            seconds=score.seconds,
            run=self.items[0].picture.run,
            frame=self.items[0].picture.frame,
            reference=source.kind,
            confidence=source.confidence,
            level=self.level,
            seed=self.seed,
            figures={
                "items": float(score.items), "hits": float(score.hits), "misses": float(score.misses),
                "false_alarms": float(score.false_alarms), "sensitivity": score.sensitivity,
                "specificity": score.specificity, "told_apart": score.ordered, "sure": float(score.sure),
                **({} if score.sure_and_right is None else {"sure_and_right": score.sure_and_right}),
            },
        )  # fmt: skip

    def _hide(self, hidden: bool) -> str:
        self.view.hide_outlines(hidden)
        return ""

    def _draw(self) -> None:
        item = self.items[self.number]
        picture = item.picture
        self.view.half_width_mm = 0.5 * max(picture.geometry.shape_px) * picture.geometry.isocentre_mm_per_px
        show_grey(self.view, picture.grey, picture.geometry)
        self.view.corner = tr("run {run}, frame {frame}").format(run=picture.run, frame=picture.frame + 1)
        projection = picture.geometry.projection(item.isocentre_from_lps)
        lines = model_outlines(picture.branches, projection, picture.geometry, colour=MINE, name=tr("overlay"))
        if self.answered:
            lines += model_outlines(
                picture.branches, picture.projection, picture.geometry, colour=ANSWER, name=tr("reference"), dashed=True
            )
        self.view.show_outlines(lines)
        self.changed.emit()
