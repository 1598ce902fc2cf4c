"""The common part of sources whose pictures come from threads of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from engines.angiography.frame import Frame
from guidance_app.sources.arrivals import Arrivals
from guidance_app.sources.notices import NoticeBoard
from guidance_app.sources.source import Notice


class ArrivingSource(ABC):
    """The reading side of a live source (see `FrameSource`, `Notifies`); what is built on it sets both attributes."""

    _arrivals: Arrivals
    _notices: NoticeBoard

    @property
    def received(self) -> int:
        """Pictures that have arrived so far."""
        return self._arrivals.received

    def on_notice(self, tell: Callable[[Notice], None]) -> None:
        self._notices.on_notice(tell)

    def next_frame(self, timeout_s: float) -> Frame:
        return self._arrivals.take(timeout_s)

    def close(self) -> None:
        if self._arrivals.closed:
            return
        self._arrivals.close()
        self._stop_receiving()

    @abstractmethod
    def _stop_receiving(self) -> None:
        """End the receiving threads and free what they hold; called once, when nothing is delivered any more."""
