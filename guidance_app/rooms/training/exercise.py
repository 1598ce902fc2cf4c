"""What every exercise is to the room: a picture, a task, actions, and an outcome at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from engines.planning.angles import GantryLimits
from guidance_app.panels.action import Action
from guidance_app.rooms.training.history import ExerciseName
from guidance_app.views import palette
from guidance_app.views.language import tr

Verdict = Literal["good", "fair", "off"]

_LIMITS = GantryLimits()
PRIMARY_LIMIT_DEG, SECONDARY_LIMIT_DEG = _LIMITS.lao_deg, _LIMITS.cranial_deg

MINE = palette.UNVERIFIED  # what the trainee set
ANSWER = palette.VALID  # the reference
VERDICT_COLOURS: dict[Verdict, str] = {"good": palette.HELD, "fair": palette.UNVERIFIED, "off": palette.ALARM}
VERDICT_SIGNS: dict[Verdict, str] = {"good": "\u2713", "fair": "\u25cf", "off": "\u2715"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An exercise that is over, as it is told and kept.

    Args:
        headline: the score in a few words.
        lines: the other figures, and what to learn from them.
        score: what progress is drawn from, in `unit`.
        figures: all numbers by name.
        reference: `truth`, `registration` or `model`, with its confidence; `reference_words` say it.
    """

    verdict: Verdict
    headline: str
    lines: tuple[str, ...]
    reference_words: str
    score: float
    unit: str
    seconds: float
    run: int
    frame: int
    reference: str
    confidence: float
    level: str
    seed: int
    figures: Mapping[str, float] = field(default_factory=dict)


class Exercise(QObject):
    """One exercise from its start to its answer; it is thrown away afterwards.

    Args:
        over: told of the outcome, once, while the answer is on the picture.
        clock_s: monotonic.

    Attributes:
        stage: fills the room's left part; `side` holds what belongs beside it.
    """

    changed = pyqtSignal()  # what its buttons can do may have

    name: ExerciseName
    heading: str
    task: str

    def __init__(self, over: Callable[[Outcome], None], clock_s: Callable[[], float]) -> None:
        super().__init__()
        self._over, self._clock_s = over, clock_s
        self._began_s = clock_s()
        self.outcome: Outcome | None = None
        self.stage = QWidget()
        self.side = QWidget()
        self.side_column = QVBoxLayout(self.side)
        self.side_column.setContentsMargins(0, 0, 0, 0)
        self.side_column.setSpacing(6)

    @property
    def seconds(self) -> float:
        """Since it began; stands still once it is over."""
        return self.outcome.seconds if self.outcome is not None else self._clock_s() - self._began_s

    @property
    def progress(self) -> str:
        """Where it stands, as "3 of 10"; "" where it has no parts."""
        return ""

    @property
    def begun(self) -> bool:
        """Something would be lost if it were given up now."""
        raise NotImplementedError

    def actions(self) -> tuple[Action, ...]:
        raise NotImplementedError

    def buttons(self) -> tuple[tuple[str, ...], ...]:
        """Ids of the actions that have a button, by rows."""
        raise NotImplementedError

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._over(outcome)

    def is_over(self) -> str:
        """Why it cannot go on, "" where it can."""
        return tr("This exercise is over; N begins the next") if self.outcome is not None else ""
