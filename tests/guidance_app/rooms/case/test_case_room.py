"""Cases as cards: with a picture, found by words, remembered, and opened by a drop."""

import shutil

import pytest
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QApplication

from engines.anatomy.cases.case import load_case
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.case.room import CaseRoom


@pytest.fixture
def own(tmp_path):
    """A case of one's own without a run."""
    shutil.copytree(load_case("coronary").folder, tmp_path / "heart-12")
    return tmp_path / "heart-12"


@pytest.fixture
def window(window_with):
    return window_with(CaseRoom)


def drop(widget, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(widget.rect().center(), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(widget, enter)
    if enter.isAccepted():
        at = QPointF(widget.rect().center())
        QApplication.sendEvent(widget, QDropEvent(at, Qt.DropAction.CopyAction, data, buttons, keys))
    return enter.isAccepted()


def shown(place):
    return [key for key, button in place.buttons.items() if button.isVisible()]


def test_every_card_shows_its_vessels(window, qtbot):
    place = window.rooms[0].welcome

    def pictures():
        return [pixels_of(button.icon().pixmap(66, 66).toImage()) for button in place.buttons.values()]

    # Until its picture has been drawn a card holds an empty one of the same size.
    qtbot.waitUntil(lambda: all(picture.std() > 5 for picture in pictures()), timeout=60_000)
    assert len({picture.tobytes() for picture in pictures()}) == len(place.buttons)


def test_words_find_a_case_and_enter_opens_the_one_that_is_left(window, qtbot, monkeypatch):
    place = window.rooms[0].welcome
    opened = []
    monkeypatch.setattr(place, "_choose", lambda case: opened.append(case) or "")
    place.search.setFocus()
    qtbot.keyClicks(place.search, "valve aortic")
    assert shown(place) == ["tavi"]
    qtbot.keyClick(place.search, Qt.Key.Key_Return)
    assert opened == ["tavi"]
    qtbot.keyClicks(place.search, "x")
    assert shown(place) == []
    assert place.nothing_found.isVisible()
    place.search.clear()
    assert len(shown(place)) == 3


def test_a_dropped_folder_is_opened_and_remembered(window, own):
    room = window.rooms[0]
    asked = []
    room.welcome._choose = lambda case: asked.append(case) or ""
    assert drop(room.welcome, own)
    assert drop(room.welcome, own / "case.json")
    assert asked == [str(own), str(own / "case.json")]


def test_what_is_dropped_and_is_no_case_begins_a_new_one(window, own, tmp_path):
    place = window.rooms[0].welcome
    begun = []
    place.new_wanted.disconnect()
    place.new_wanted.connect(begun.append)
    (tmp_path / "scans").mkdir()
    run = own / "xa" / "run1.dcm"
    assert drop(place, tmp_path / "scans")
    assert drop(place, run)
    assert drop(place, tmp_path / "scans", run)
    assert begun == [[tmp_path / "scans"], [run], [tmp_path / "scans", run]]


def test_a_file_dropped_on_an_open_case_is_a_run_of_it(window, own):
    place = window.rooms[0].welcome
    window._set_case(load_case(own))
    asked = []
    place._choose_run = lambda file: asked.append(file) or ""
    assert drop(place, own / "xa" / "run1.dcm")
    assert asked == [str(own / "xa" / "run1.dcm")]


def test_cases_of_ones_own_are_remembered_the_last_first(window, own):
    room = CaseRoom(window)
    room.restore({"last_case": "/a/one", "recent": ["/b/two", "/a/one", 7, "/x/tavi"]})
    assert room._recent == ("/a/one", "/b/two")
    window._set_case(load_case(own))
    assert room.saved_state() == {"last_case": str(own), "recent": [str(own), "/a/one", "/b/two"]}
    window._set_case(load_case("tavi"))
    assert room.saved_state()["recent"] == ["/a/one", "/b/two"]


def test_a_state_of_an_earlier_version_is_understood(window):
    room = CaseRoom(window)
    room.restore({"last_case": "/a/one"})
    assert room._recent == ("/a/one",)
    assert "Last case: one" in room.welcome.buttons["last"].text()
    room.close()
    room.welcome.deleteLater()
