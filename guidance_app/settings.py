"""What a person set up and expects to find again; kept in the platform's configuration folder."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from calibration.errors import GuidanceError
from calibration.store import write_json

_LOG = logging.getLogger(__name__)


class Settings(BaseModel):
    """Settings of the window. Keys of a newer version are ignored; a value out of range makes the file bad."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    schema_version: Literal[1] = 1
    overlay_mode: Literal["outline", "centerline", "filled"] | None = Field(
        default=None, description="what a person chose; without a choice the kind of case decides"
    )
    overlay_opacity: float = Field(default=1.0, ge=0.1, le=1.0)
    right_drag_windows: bool = Field(
        default=False, description="right drag sets window and level, left drag zooms, as some workstations have it"
    )
    last_case: str = ""


def settings_path() -> Path:
    """`settings.json` below the user's configuration folder of this platform."""
    if sys.platform == "win32":
        root = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return root / "guidance-app" / "settings.json"


def load_settings(path: Path | None = None) -> Settings:
    """The stored settings, or the defaults where there are none.

    A bad file is moved aside and reported; it never stops the program.
    """
    path = path or settings_path()
    try:
        return Settings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        _move_aside(path, error)
        return Settings()


def save_settings(settings: Settings, path: Path | None = None) -> None:
    """Store the settings; a read-only home is reported and never stops the program."""
    try:
        write_json(path or settings_path(), settings.model_dump())
    except (GuidanceError, OSError) as error:
        _LOG.warning("settings were not saved: %s", error)


def _move_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(f"{path.stem}.bad-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    reason = " ".join(str(error).split())[:200]
    try:
        path.replace(aside)
    except OSError:
        _LOG.warning("%s cannot be used (%s); starting with defaults", path, reason)
    else:
        _LOG.warning("%s cannot be used (%s); it is now %s, starting with defaults", path, reason, aside.name)
