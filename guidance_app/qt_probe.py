"""Whether Qt really paints here, told by a pixel and not by the absence of an error."""

from __future__ import annotations

import os
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


def offscreen_pixel_is_painted() -> str:
    """ "" if an offscreen widget shows its colour, else what went wrong. Runs in a process of its own."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False, timeout=60, env=environment
        )
    except subprocess.TimeoutExpired:
        return "Qt did not answer within 60 s"
    if probe.returncode == 0:
        return ""
    return (probe.stderr.strip().splitlines() or [f"Qt ended with code {probe.returncode}"])[-1]
