"""Damaged videos through the capture source, which stands a file in for a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz import samples
from tests.fuzz.damage import Rng, damaged, one_of
from tests.fuzz.targets import Feed, require_sound


@contextmanager
def capture_feed(folder: Path) -> Iterator[Feed]:
    from guidance_app.sources.capture.capture_source import CaptureSource
    from guidance_app.sources.live_uris import CaptureUri
    from guidance_app.sources.source import CorruptFrame, SkippedFrame, SourceClosed, SourceTimeout

    made = {
        name: content for name, content in samples.picture_samples(folder).items() if name[2:] in ("mp4", "avi", "mkv")
    }

    def feed(rng: Rng, folder: Path, armed) -> None:
        name = one_of(rng, list(made))
        (folder / name).write_bytes(damaged(made[name], rng))
        with armed():
            source = CaptureSource(CaptureUri(device=folder / name, fps=1000.0))
            try:
                for _ in range(6):
                    try:
                        require_sound(source.next_frame(0.5))
                    except (CorruptFrame, SkippedFrame, SourceTimeout):
                        continue
                    except SourceClosed:
                        break
            finally:
                source.close()

    yield feed
