"""Replay, training and benchmark: every word goes through the catalogue, and longer ones have room."""

from __future__ import annotations

import gettext
import json
import re
from collections.abc import Callable, Iterator

import pytest
from PyQt6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QTableWidget, QWidget

from engines.anatomy.cases.case import load_case
from engines.inference.machine import this_machine
from guidance_app.panels.action import Action
from guidance_app.rooms.benchmark.room import BenchmarkRoom
from guidance_app.rooms.replay import take_desk
from guidance_app.rooms.replay.room import ReplayRoom
from guidance_app.rooms.training.room import TrainingRoom
from guidance_app.views import legibility, palette
from guidance_app.window.gallery.faults import word_faults
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.benchmark.test_benchmark_room import report
from tests.guidance_app.rooms.replay.takes import compute_stand_in
from tests.guidance_app.views.pseudo_language import PseudoLanguage, spoken

# What is nobody's language: names, units, figures, file names, the fixed line.
_NO_WORDS = re.compile(
    r"LAO|RAO|CRA|CAU|SID|JSON|CSV|PNG|A|B|mm|ms|s|p\d+|max|Esc|N|E|PgUp|coronary|demo|run\d|dcm|auto|torch|onnx|heron|W|L|"
    r"openvino|LM|x\d+|tensorrt|rtx|int|bf|fp|narrow|cpu|stand|in|on|json|one|two|latency|at|x"
)
SIZES = {"1280x800": ((1280, 800), 0.235), "1920x1080": ((1920, 1080), 0.277), "3840x2160@2": ((1920, 1080), 0.311)}


class Marked(gettext.NullTranslations):
    """Every word that the catalogue has gives a word that English has not."""

    def gettext(self, message: str) -> str:
        return re.sub(r"\{[^}]*\}|[^\W\d_]+", lambda found: _marked(found.group()), message)


def _marked(word: str) -> str:
    return word if word.startswith("{") else f"\u00e6{word.lower()}\u00e6"


def untranslated(window: QWidget, actions: tuple[Action, ...]) -> list[str]:
    """Words in sight, and of actions, that did not come out of the catalogue."""
    shown: list[str] = []
    for child in window.findChildren(QWidget):
        if not child.isVisible():
            continue
        if isinstance(child, QLabel | QAbstractButton):
            shown += [child.text(), child.toolTip(), child.accessibleName()]
        elif isinstance(child, QComboBox):
            shown += [child.currentText(), child.toolTip()]
        elif isinstance(child, QLineEdit):
            shown.append(child.placeholderText())
        elif isinstance(child, QTableWidget):
            for column in range(child.columnCount()):
                item = child.horizontalHeaderItem(column)
                shown.append("" if item is None else item.text())
    for action in actions:
        shown += [action.words, action.tip]
    left = []
    for text in shown:
        plain = re.sub("\u00e6[^\u00e6]*\u00e6", "", text.replace(palette.RESEARCH_LINE, ""))
        plain = re.sub(r"\([^)]*\)\s*$", "", plain).replace(this_machine().cpu, "")  # keys, and who made it
        words = [word for word in re.findall(r"[A-Za-z]+\d*", plain) if not _NO_WORDS.fullmatch(word)]
        if words:
            left.append(f"{text!r}: {words}")
    return left


def begin_training(name: str) -> Callable:
    def begin(window, qtbot) -> None:
        place = window.rooms[0].widget
        qtbot.waitUntil(lambda: place.prepared is not None, timeout=60_000)
        place.start.pseudonym.setText("heron-7")
        if name:
            assert place.begin(name) == ""

    return begin


def compute(window, qtbot) -> None:
    place = window.rooms[0].widget
    for letter in ("A", "B"):
        place.compute(letter)
    qtbot.waitUntil(lambda: all(side.screens is not None for side in place.sides.values()), timeout=60_000)
    place.playback.go_to(20)


def fill_table(window, _qtbot) -> None:
    place = window.rooms[0].widget
    for number, path in enumerate(window.reports):
        place.open_file(report(path, 1.0 + number))


ROOMS: dict[str, tuple[type, Callable]] = {
    "replay": (ReplayRoom, compute),
    "training": (TrainingRoom, begin_training("")),
    "by hand": (TrainingRoom, begin_training("by-hand")),
    "right or wrong": (TrainingRoom, begin_training("right-or-wrong")),
    "projection": (TrainingRoom, begin_training("projection")),
    "benchmark": (BenchmarkRoom, fill_table),
}


@pytest.fixture
def room(qtbot, tmp_path, monkeypatch) -> Iterator[Callable]:
    """Opens one room on a case, in the language that is spoken."""
    monkeypatch.setattr(take_desk, "compute_take", compute_stand_in)
    shown: list[GuidanceWindow] = []

    def make(name: str, size: str = "1280x800") -> GuidanceWindow:
        kind, fill = ROOMS[name]
        size_px, pixel_mm = SIZES[size]
        monkeypatch.setattr(legibility, "mm_per_px", lambda _px, _mm: pixel_mm)
        folder = {} if kind is ReplayRoom else {"folder": tmp_path / "data"}
        window = GuidanceWindow(make_rooms=(lambda house: kind(house, **folder),))
        window.reports = [tmp_path / "one.json", tmp_path / "two.json"]  # type: ignore[attr-defined]
        shown.append(window)
        qtbot.addWidget(window)
        window.resize(*size_px)
        window.show()
        window._set_case(load_case("coronary"))
        window.go_to(kind.id)
        fill(window, qtbot)
        window.grab()  # whatever has changed is laid out
        return window

    yield make
    for window in shown:
        window.close_rooms()


@pytest.mark.parametrize("name", ROOMS)
def test_every_word_comes_out_of_the_catalogue(room, name) -> None:
    with spoken(Marked()):
        window = room(name)
        place = window.rooms[0].widget
        assert untranslated(place, window.rooms[0].actions()) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ROOMS)
def test_words_that_are_40_percent_longer_have_room(room, name, size) -> None:
    with spoken(PseudoLanguage()):
        window = room(name, size)
        assert word_faults(window.rooms[0].widget) == []


@pytest.mark.parametrize("name", ROOMS)
def test_english_words_have_room_too(room, name) -> None:
    assert word_faults(room(name).rooms[0].widget) == []


def test_the_measure_finds_a_word_that_goes_round_the_catalogue(room) -> None:
    with spoken(Marked()):
        window = room("benchmark")
        place = window.rooms[0].widget
        place.case_line.setText("A line in English")
        assert len(untranslated(place, ())) == 1
        assert "English" in json.dumps(untranslated(place, ()))
