"""What a person drops on a page of the case room."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtGui import QDropEvent


def dropped(event: QDropEvent) -> list[Path]:
    """Files and folders of this machine that are dropped."""
    data = event.mimeData()
    return [Path(url.toLocalFile()) for url in (data.urls() if data is not None else []) if url.isLocalFile()]
