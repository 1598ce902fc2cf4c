"""Command `recording`: show what is in a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from guidance_app.sources.recording.recording_source import RecordedRun


def add_to(app: typer.Typer) -> None:
    recording = typer.Typer(help="Recordings made with --record.", no_args_is_help=True)
    app.add_typer(recording, name="recording")

    @recording.callback()
    def _root() -> None:
        """Keeps `show` named."""

    @recording.command()
    def show(
        file: Path = typer.Argument(..., help="The recording (MCAP)."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """What is in a recording, and whether it was ended in order."""
        from guidance_app.sources.recording.recording_source import RecordedRun

        run = RecordedRun(file)
        content = _content(run)
        run.close()
        if as_json:
            print(json.dumps(content, indent=1))
            return
        about = content["about"]
        print(f"{file.name}: case {about.get('case', '?')}, source {about.get('source', '?')}")
        print(f"{content['frames']} frames in {content['seconds']:.1f} s, {content['corrupt']} of them not decodable")
        print(", ".join(f"{count} {topic.removeprefix('/')}" for topic, count in content["messages"].items()))
        print(content["notice"] or "ended in order")


def _content(run: RecordedRun) -> dict[str, Any]:
    from guidance_app.sources.recording.recording_messages import EVENTS, FRAMES

    reader = run.reader
    times_ns = reader.times_ns(FRAMES)
    return {
        "schema": "guidance-app/recording-summary/1",
        "about": reader.about,
        "complete": reader.complete,
        "notice": reader.notice,
        "frames": run.frame_count,
        "corrupt": sum(_is_corrupt(run, index) for index in range(run.frame_count)),
        "seconds": round(float(times_ns[-1] - times_ns[0]) / 1e9, 3),
        "messages": {topic: reader.count(topic) for topic in reader.topics},
        "events": [event.get("kind") for event in reader.messages(EVENTS)],
    }


def _is_corrupt(run: RecordedRun, index: int) -> bool:
    from calibration.errors import GuidanceError

    try:
        return bool(run.header(index).corrupt)
    except GuidanceError:
        return True
