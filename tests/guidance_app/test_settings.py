"""Settings survive a restart, and a bad file never blocks a start."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from guidance_app.settings import Settings, load_settings, save_settings, settings_path


def test_settings_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "config" / "settings.json"
    settings = Settings(rooms={"live": {"overlay_opacity": 0.4}, "case": {"last_case": "evt"}})
    save_settings(settings, path)
    assert load_settings(path) == settings


def test_without_a_file_the_defaults_hold_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.json") == Settings()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"{", b"[]", b"\xff\xfe\x00", b'{"rooms": 7}', b'{"schema_version": 0}']
)
def test_a_bad_file_is_moved_aside_with_a_note(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert load_settings(path) == Settings()
    aside = [entry for entry in tmp_path.iterdir() if entry.name.startswith("settings.bad-")]
    assert len(aside) == 1
    assert aside[0].read_bytes() == content
    assert "starting with defaults" in caplog.text
    save_settings(Settings(rooms={"cmr": {"slice": 3}}), path)
    assert load_settings(path).rooms == {"cmr": {"slice": 3}}


def test_a_folder_in_the_files_place_blocks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "settings.json").mkdir()
    with caplog.at_level(logging.WARNING):
        assert load_settings(tmp_path / "settings.json") == Settings()


def test_a_place_that_cannot_be_written_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "config").write_text("")
    with caplog.at_level(logging.WARNING):
        save_settings(Settings(), tmp_path / "config" / "settings.json")
    assert "not saved" in caplog.text


def test_keys_that_this_version_does_not_know_survive_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"schema_version": 1, "ultrasound_side": "left"}')
    save_settings(load_settings(path).model_copy(update={"rooms": {"cmr": {"slice": 3}}}), path)
    assert json.loads(path.read_text()) == {
        "schema_version": 1, "ultrasound_side": "left", "rooms": {"cmr": {"slice": 3}}
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ['{"schema_version": 2, "rooms": {}}', '{"schema_version": 2, "rooms": [1, 2], "new": {}}'],
)
def test_a_file_of_a_later_version_is_kept_and_not_written_over(content: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content)
    settings = load_settings(path)
    assert settings.of_later_version
    save_settings(settings.model_copy(update={"rooms": {"cmr": {"slice": 3}}}), path)
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


def test_what_stood_at_the_top_before_there_were_rooms_belongs_to_its_room_now(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"schema_version": 1, "overlay_opacity": 0.5, "last_case": "evt"}')
    assert load_settings(path).rooms == {"live": {"overlay_opacity": 0.5}, "case": {"last_case": "evt"}}


def test_the_file_lies_below_the_configured_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "guidance-app" / "settings.json"
