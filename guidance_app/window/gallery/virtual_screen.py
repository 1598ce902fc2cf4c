"""An X server without a monitor, of a stated size, with a window manager where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from calibration.errors import InputError

WINDOW_MANAGERS = ("openbox", "xfwm4", "metacity", "kwin_x11", "marco", "icewm")
_READY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSize:
    """Device pixels, how many of them make one of Qt's, and dots per inch as a monitor would state them."""

    width_px: int
    height_px: int
    scale: float = 1.0
    dots_per_inch: int = 92

    @property
    def pixel_mm(self) -> float:
        """Of one of Qt's pixels on the monitor that is meant."""
        return 25.4 / self.dots_per_inch * self.scale

    @property
    def name(self) -> str:
        return f"{self.width_px}x{self.height_px}" + (f"@{self.scale:g}" if self.scale != 1.0 else "")


# A laptop's 14 inches, 24 inches and 27 inches.
SIZES = (
    ScreenSize(width_px=1280, height_px=800, dots_per_inch=108),
    ScreenSize(width_px=1920, height_px=1080, dots_per_inch=92),
    ScreenSize(width_px=3840, height_px=2160, scale=2.0, dots_per_inch=163),
)


@contextmanager
def virtual_screen(size: ScreenSize) -> Iterator[tuple[dict[str, str], str]]:
    """The environment of a program that is to open its window there, and the window manager's name ("" without one).

    Raises:
        InputError: there is no Xvfb, or it does not start.
    """
    if shutil.which("Xvfb") is None:
        raise InputError("no Xvfb on this machine; install the package xvfb, or give --offscreen")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size.width_px}x{size.height_px}x24",
         "-nolisten", "tcp"],
        pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    manager = None
    try:
        with os.fdopen(reading) as said:
            number = said.readline().strip()  # returns empty where the server ends
        if not number:
            raise InputError(f"Xvfb {size.name}: does not start; run Xvfb :99 to see why")
        environment = {
            name: value for name, value in os.environ.items() if name not in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY")
        }  # fmt: skip
        environment |= {"DISPLAY": f":{number}", "QT_SCALE_FACTOR": f"{size.scale:g}"}
        name = next((name for name in WINDOW_MANAGERS if shutil.which(name)), "")
        if name:
            manager = subprocess.Popen(
                [name], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )  # fmt: skip
        yield environment, name
    finally:
        for process in (manager, server):
            if process is not None:
                process.terminate()
                process.wait(_READY_S)
