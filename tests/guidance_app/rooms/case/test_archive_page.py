"""Series from an archive in the same import: searched, fetched whole, looked through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.pacs.archive_stand_in import AET, Archive, ct_slice, serving
from tests.guidance_app.rooms.case.test_import import room_of, wizard_of

_PATIENCE_MS = 60_000


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive([ct_slice(index) for index in range(24)])) as running:
        yield running


@pytest.mark.usefixtures("at_once")
def test_a_series_is_found_fetched_and_offered(
    qtbot: QtBot,
    window: GuidanceWindow,
    archive: Archive,
    tmp_path: Path,
) -> None:
    room_of(window).restore({"archive": f"127.0.0.1:{archive.port}?aet={AET}"})
    wizard = room_of(window)._opened_wizard()
    qtbot.mouseClick(wizard.header.archive, Qt.MouseButton.LeftButton)
    page = wizard.archive
    assert page is not None
    assert wizard.step == "archive"
    qtbot.mouseClick(page.find_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.studies.count() == 1, timeout=_PATIENCE_MS)
    page.studies.setCurrentRow(0)
    qtbot.waitUntil(lambda: page.series.count() == 1, timeout=_PATIENCE_MS)
    item = page.series.item(0)
    assert item is not None
    assert "24 pictures" in item.text()
    item.setSelected(True)
    qtbot.mouseClick(page.fetch_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: wizard.step == "files" and not wizard.working, timeout=_PATIENCE_MS)
    (scan,) = wizard.sources.scans.values()
    assert (scan.slices, scan.why_not) == (24, "")
    assert scan.path.is_relative_to(tmp_path / "fetched")
    assert room_of(window).saved_state()["archive"] == f"127.0.0.1:{archive.port}?aet={AET}"


@pytest.mark.usefixtures("at_once")
def test_an_archive_that_is_not_there_or_no_address_is_one_line(
    qtbot: QtBot,
    window: GuidanceWindow,
) -> None:
    wizard = room_of(window)._opened_wizard()
    wizard.ask_archive()
    page = wizard_of(window).archive
    assert page is not None
    page.find_button.click()
    assert "is no HOST:PORT" in page.line.text()
    page.address.setText(f"127.0.0.1:9?aet={AET}")
    qtbot.keyClick(page.address, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "127.0.0.1:9" in page.line.text(), timeout=_PATIENCE_MS)
    assert "\n" not in page.line.text()
    wizard.header.back.click()
    assert wizard.step == "files"
