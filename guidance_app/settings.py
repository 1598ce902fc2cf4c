"""What a person set up and expects to find again; kept in the platform's configuration folder."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from calibration.errors import GuidanceError
from calibration.store import write_json

_LOG = logging.getLogger(__name__)
_VERSION = 1
_MOVED = {  # to the state of a room; stood at the top before there were rooms
    "overlay_mode": "live",
    "overlay_opacity": "live",
    "right_drag_windows": "live",
    "last_case": "case",
}


class Settings(BaseModel):
    """Settings of the window. Unknown keys are kept as they are, for the version that wrote them."""

    model_config = ConfigDict(extra="allow", frozen=True)
    schema_version: int = Field(default=_VERSION, ge=1)
    rooms: dict[str, dict[str, JsonValue]] = Field(default_factory=dict, description="each room's state, by its id")

    @property
    def of_later_version(self) -> bool:
        """Read as far as this version understands them; `save_settings` leaves their file alone."""
        return self.schema_version > _VERSION

    @model_validator(mode="before")
    @classmethod
    def _rooms_have_their_own(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("rooms", {}), dict):
            return content
        rooms = dict(content.get("rooms", {}))
        for key, room in _MOVED.items():
            if key in content:
                rooms[room] = {key: content[key]} | rooms.get(room, {})
        return {key: value for key, value in content.items() if key not in _MOVED} | {"rooms": rooms}


def settings_path() -> Path:
    """`settings.json` below the user's configuration folder of this platform."""
    if sys.platform == "win32":
        root = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return root / "guidance-app" / "settings.json"


def data_folder() -> Path:
    """Where this platform keeps what a user has made: the history of trainings, measurements; no settings."""
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return root / "guidance-app"


def load_settings(path: Path | None = None) -> Settings:
    """The stored settings, or the defaults where there are none.

    A bad file is moved aside and reported; it never stops the program. One of a later version stays where it is.
    """
    path = path or settings_path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        _move_aside(path, error)
        return Settings()
    later = _version_of(content)
    try:
        return Settings.model_validate(content)
    except ValueError as error:
        if later:
            return Settings(schema_version=later)
        _move_aside(path, error)
        return Settings()


def save_settings(settings: Settings, path: Path | None = None) -> None:
    """Store the settings, except over a file of a later version, which would lose what only that version knows.

    A read-only home is reported and never stops the program.
    """
    if settings.of_later_version:
        _LOG.warning("settings were not saved: the file is of a later version, and is kept for it")
        return
    try:
        write_json(path or settings_path(), settings.model_dump())
    except (GuidanceError, OSError) as error:
        _LOG.warning("settings were not saved: %s", error)


def _version_of(content: Any) -> int:
    """The later version that the file states, 0 where it is one of this version or states none."""
    version = content.get("schema_version") if isinstance(content, dict) else None
    return version if isinstance(version, int) and version > _VERSION else 0


def _move_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(f"{path.stem}.bad-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    reason = " ".join(str(error).split())[:200]
    try:
        path.replace(aside)
    except OSError:
        _LOG.warning("%s cannot be used (%s); starting with defaults", path, reason)
    else:
        _LOG.warning("%s cannot be used (%s); it is now %s, starting with defaults", path, reason, aside.name)
