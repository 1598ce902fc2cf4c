"""A live source that can be disturbed at any moment, and that remembers what it really sent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from guidance_app.live.benches.faults.drill_engine import marked_picture
from guidance_app.sources.notices import NoticeBoard
from guidance_app.sources.source import CorruptFrame, SourceClosed, SourceTimeout

FPS = 20.0
SIZE_PX = 256
_PERIOD_NS = round(1e9 / FPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, whatever anybody later says of it. `geometry` is None where the picture states none.

    `marked` pictures spell their mark; `shift_px` is where the anatomy truly is, None where nobody moves it.
    """

    received_ns: int
    geometry: CArmGeometry | None
    mark: int
    corrupt: bool = False
    marked: bool = True
    shift_px: tuple[float, float] | None = None


def view_at(primary_deg: float, secondary_deg: float, size_px: int = SIZE_PX) -> CArmGeometry:
    """The drill's C-arm at these angles."""
    from math import radians

    middle = (size_px - 1) / 2
    return CArmGeometry(
        primary_rad=radians(primary_deg), secondary_rad=radians(secondary_deg), sid_mm=1000.0, sod_mm=700.0,
        column_spacing_mm=0.3, row_spacing_mm=0.3, shape_px=(size_px, size_px), principal_point_px=(middle, middle),
    )  # fmt: skip


class ScriptedSource:
    """Twenty pictures a second; see `FrameSource` and `Notifies`. Disturbances may be asked for from any thread."""

    source_id = "drill"

    def __init__(self) -> None:
        self.sent: dict[int, Sent] = {}
        self._notices = NoticeBoard()
        self.on_notice = self._notices.on_notice
        self._changed = threading.Condition()
        self._closed = False
        self._index = 0
        self._due_ns = 0
        self._angles_deg = (0.0, 0.0)
        self._size_px = SIZE_PX
        self._away_until_ns = 0
        self._away = False
        self._frozen_mark: int | None = None
        self._frames_left = 0  # of a disturbance that is counted in frames
        self._blind = self._corrupt = False

    # Disturbances ---------------------------------------------------------------------------------------------------
    def disconnect(self, seconds: float) -> None:
        with self._changed:
            self._away_until_ns, self._away = time.monotonic_ns() + round(seconds * 1e9), True
        self._notices.pin("source_disconnected", f"drill: the peer is gone for {seconds:.3f} s")

    def freeze(self, seconds: float) -> None:
        """The same picture again and again."""
        with self._changed:
            self._frozen_mark, self._frames_left = self._index - 1, round(seconds * FPS)

    def turn(self, primary_deg: float, secondary_deg: float) -> None:
        """The C-arm stands elsewhere from the next picture on."""
        with self._changed:
            self._angles_deg = (primary_deg, secondary_deg)

    def hide_geometry(self, frames: int) -> None:
        with self._changed:
            self._blind, self._frames_left = True, frames

    def resize(self, size_px: int, frames: int) -> None:
        with self._changed:
            self._size_px, self._frames_left = size_px, frames

    def corrupt(self, frames: int) -> None:
        with self._changed:
            self._corrupt, self._frames_left = True, frames

    @property
    def angles_deg(self) -> tuple[float, float]:
        return self._angles_deg

    @property
    def disturbed(self) -> bool:
        """A disturbance that ends by itself has not ended yet."""
        return self._away or self._frames_left > 0

    # The seam -------------------------------------------------------------------------------------------------------
    def next_frame(self, timeout_s: float) -> Frame:
        give_up_ns = time.monotonic_ns() + round(timeout_s * 1e9)
        with self._changed:
            while True:
                now_ns = time.monotonic_ns()
                if self._closed:
                    raise SourceClosed(f"{self.source_id}: closed")
                due_ns = max(self._due_ns, self._away_until_ns)
                if now_ns >= due_ns:
                    break
                if now_ns >= give_up_ns:
                    raise SourceTimeout(f"{self.source_id}: nothing")
                self._changed.wait((min(due_ns, give_up_ns) - now_ns) / 1e9)
            came_back, self._away = self._away, False
            self._due_ns = max(self._due_ns + _PERIOD_NS, now_ns + _PERIOD_NS // 2)
            frame = self._made(now_ns)
        if came_back:
            self._notices.pin("source_connected", f"drill: the peer is back before picture {frame.index}")
        if self.sent[frame.index].corrupt:
            raise CorruptFrame(
                f"drill: picture {frame.index} is cut short", index=frame.index, source_frame=frame.index
            )
        return frame

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _made(self, now_ns: int) -> Frame:
        index, self._index = self._index, self._index + 1
        mark = index if self._frozen_mark is None else self._frozen_mark
        geometry = None if self._blind else view_at(*self._angles_deg, self._size_px)
        self.sent[index] = Sent(received_ns=now_ns, geometry=geometry, mark=mark, corrupt=self._corrupt)
        frame = Frame(
            pixels=marked_picture(mark, self._size_px), kind="fluoro", received_ns=now_ns, source_id=self.source_id,
            source_frame=index, index=index, frame_time_ms=1e3 / FPS,
        )  # fmt: skip
        if self._frames_left:
            self._frames_left -= 1
            if not self._frames_left:
                self._frozen_mark, self._blind, self._corrupt, self._size_px = None, False, False, SIZE_PX
        why = "" if geometry is not None else "drill: no DistanceSourceToDetector"
        return replace(frame, geometry=geometry, geometry_reason=why)
