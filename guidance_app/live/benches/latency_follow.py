"""A latency benchmark told while it runs: a line every half second, for whoever draws it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from guidance_app.live.latency import Durations, StageName
from guidance_app.live.line_file import LineFile
from guidance_app.live.session.session import LiveSession

EVERY_S = 0.5


class Moment(BaseModel):
    """How a run stands. Counts are of the whole run so far, durations medians of what came since the moment before.

    Args:
        t_s: since the first frame.
        stages_ms: of stages that ran since.
        overlay_age_ms: None where no overlay was painted since.
    """

    model_config = ConfigDict(frozen=True)
    t_s: float
    frames: int
    painted: int
    superseded: int
    dropped: int
    stages_ms: dict[StageName, float]
    overlay_age_ms: float | None


@contextmanager
def followed(session: LiveSession, path: Path | None, every_s: float = EVERY_S) -> Iterator[None]:
    """Write moments into `path` until the block ends, the last one after the session; None writes nothing.

    Raises:
        InputError: the file cannot be made.
    """
    if path is None:
        yield
        return
    file = LineFile(path)
    over = threading.Event()
    teller = _Teller(session)

    def tell() -> None:
        while not over.wait(every_s):
            if (moment := teller.moment()) is not None:
                file.add(moment.model_dump())

    telling = threading.Thread(target=tell, name="guidance-bench-follow", daemon=True)
    telling.start()
    try:
        yield
    finally:
        over.set()
        telling.join()
        if (moment := teller.moment()) is not None:
            file.add(moment.model_dump())
        file.close()


def moments_after(path: Path, offset: int) -> tuple[list[Moment], int]:
    """Whole lines from a place in the file on, and the place after them; none where there is no file yet."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except OSError:
        return [], offset
    whole, newline, _ = content.rpartition(b"\n")
    moments = []
    for line in whole.splitlines():
        try:
            moments.append(Moment.model_validate_json(line))
        except ValidationError:
            continue  # not ours to repair: the report at the end is what counts
    return moments, offset + len(whole) + len(newline)


class _Teller:
    """Reads the book beside those who write it: arrays only grow, so a slice of them is always whole."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._seen: dict[str, int] = {}
        self._began_s: float | None = None

    def moment(self) -> Moment | None:
        """None before the first frame."""
        counts = self._session.frame_counts
        frames = sum(counts.values())
        if not frames:
            return None
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s
        book = self._session.latency
        stages: dict[StageName, float] = {}
        for name, durations in book.stages.items():
            if (median := self._median(name, durations)) is not None:
                stages[name] = median
        return Moment(
            t_s=round(now_s - self._began_s, 3),
            frames=frames,
            painted=counts["painted"],
            superseded=counts["superseded"],
            dropped=counts["dropped"],
            stages_ms=stages,
            overlay_age_ms=self._median("overlay age", book.overlay_age),
        )

    def _median(self, name: str, durations: Durations) -> float | None:
        seen, known = self._seen.get(name, 0), len(durations.kept_ms)
        self._seen[name] = known
        return round(float(np.median(durations.kept_ms[seen:known])), 3) if known > seen else None
