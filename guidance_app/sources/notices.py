"""News from a source's own threads to the log. A peer cannot fill the disk with them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from guidance_app.sources.source import Notice, NoticeKind

_UNHEARD = 100
_SAME_AGAIN_NS = 10_000_000_000  # a peer that tries ten times a second is told of once in ten seconds
_REMEMBERED = 64


class NoticeBoard:
    """Any thread may pin a notice. The same text again within ten seconds is only counted."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._tell: Callable[[Notice], None] | None = None
        self._unheard: deque[Notice] = deque(maxlen=_UNHEARD)
        self._told_ns: dict[str, int] = {}
        self._repeats: dict[str, int] = {}

    def on_notice(self, tell: Callable[[Notice], None]) -> None:
        with self._lock:
            self._tell = tell
            unheard = tuple(self._unheard)
            self._unheard.clear()
        for notice in unheard:
            tell(notice)

    def pin(self, kind: NoticeKind, text: str) -> None:
        with self._lock:
            now_ns = self._clock_ns()
            told_ns = self._told_ns.get(text)
            if told_ns is not None and now_ns - told_ns < _SAME_AGAIN_NS:
                self._repeats[text] = self._repeats.get(text, 0) + 1
                return
            repeats = self._repeats.pop(text, 0)
            self._told_ns.pop(text, None)
            self._told_ns[text] = now_ns
            while len(self._told_ns) > _REMEMBERED:
                oldest = next(iter(self._told_ns))
                del self._told_ns[oldest]
                self._repeats.pop(oldest, None)
            notice = Notice(kind=kind, text=f"{text} (and {repeats} times before)" if repeats else text)
            if self._tell is None:
                self._unheard.append(notice)
                return
            tell = self._tell
        tell(notice)
