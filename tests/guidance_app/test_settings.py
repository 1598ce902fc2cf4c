"""Settings survive a restart, and a bad file never blocks a start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from guidance_app.settings import Settings, load_settings, save_settings, settings_path


def test_settings_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "config" / "settings.json"
    settings = Settings(overlay_mode="filled", overlay_opacity=0.4, right_drag_windows=True, last_case="evt")
    save_settings(settings, path)
    assert load_settings(path) == settings


def test_without_a_file_the_defaults_hold_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.json") == Settings()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"{", b"[]", b"\xff\xfe\x00", b'{"overlay_opacity": 7}', b'{"schema_version": 2}']
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
    save_settings(Settings(overlay_opacity=0.5), path)
    assert load_settings(path).overlay_opacity == 0.5


def test_a_folder_in_the_files_place_blocks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "settings.json").mkdir()
    with caplog.at_level(logging.WARNING):
        assert load_settings(tmp_path / "settings.json") == Settings()


def test_a_place_that_cannot_be_written_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "config").write_text("")
    with caplog.at_level(logging.WARNING):
        save_settings(Settings(), tmp_path / "config" / "settings.json")
    assert "not saved" in caplog.text


def test_a_newer_versions_keys_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"schema_version": 1, "ultrasound_side": "left"}')
    assert load_settings(tmp_path / "settings.json") == Settings()


def test_the_file_lies_below_the_configured_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "guidance-app" / "settings.json"
