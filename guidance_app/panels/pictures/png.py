"""A Qt picture as a file."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtGui import QImage

from calibration.store import write_atomically


def write_png(image: QImage, path: Path) -> None:
    """Write the picture as PNG, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """

    def write(beside: Path) -> None:
        if not image.save(str(beside), "PNG"):
            raise OSError("the picture could not be encoded as PNG")

    write_atomically(path, write)
