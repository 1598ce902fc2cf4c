"""Whether Qt really paints on this machine: checked by a painted pixel."""

from __future__ import annotations

import os
import re
import subprocess
import sys

_PROBE = """
from PyQt6.QtWidgets import QApplication, QLabel
from PyQt6.QtGui import QColor
app = QApplication([])
label = QLabel()
label.setStyleSheet("background: #204060")
label.resize(8, 8)
assert label.grab().toImage().pixelColor(4, 4) == QColor("#204060")
"""


_OPEN = "from PyQt6.QtGui import QGuiApplication; QGuiApplication([])"
_SPEAKER = re.compile(r"^qt\.[\w.]+: ")  # the part of Qt that says a line


def offscreen_pixel_is_painted() -> str:
    """ "" if an offscreen widget shows its colour, else what went wrong. Runs in a process of its own."""
    said = _complaints(_PROBE, os.environ | {"QT_QPA_PLATFORM": "offscreen"})
    return said[-1] if said else ""


def display_problem() -> str:
    """Why no window can be shown to a person on this machine, "" where one can.

    Qt aborts the whole process where the X server that DISPLAY names does not answer or a library of its X plugin is
    missing, so it is tried in a process of its own first.
    """
    if os.environ.get("QT_QPA_PLATFORM") or sys.platform in ("win32", "darwin"):
        return ""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    said = _complaints(_OPEN, dict(os.environ))
    return _SPEAKER.sub("", said[0]).rstrip(". ") if said else ""


def _complaints(code: str, environment: dict[str, str]) -> list[str]:
    """What a process that runs this code said before it failed; [] if it did not."""
    try:
        probe = subprocess.run(
            [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=60, env=environment
        )
    except subprocess.TimeoutExpired:
        return ["Qt did not answer within 60 s"]
    if probe.returncode == 0:
        return []
    return probe.stderr.strip().splitlines() or [f"Qt ended with code {probe.returncode}"]
