"""One measured run as the room shows it, read from `latency.json` or from a comparison of two."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calibration.errors import InputError
from calibration.store import write_bytes, write_json
from engines.inference.machine import Machine
from guidance_app.live.benches.latency_comparison import LatencyComparison
from guidance_app.live.latency import LatencyReport, Percentiles
from guidance_app.views.language import tr
from guidance_app.views.palette import RESEARCH_LINE

PERCENTILES = ("p50", "p90", "p95", "p99", "max")
_MOST_BYTES = 8 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredRun:
    """Percentiles by stage, and what became of the frames.

    Args:
        label: what was measured, in a few words, as "onnx".
        content: the file's own JSON, for the export.
    """

    label: str
    source: str
    machine: Machine
    fps: float | None
    seconds: float
    frames: int
    painted: int
    superseded: int
    dropped: int
    rows: Mapping[str, Percentiles]
    content: Mapping[str, Any]

    @property
    def words(self) -> str:
        """One line that says what was run and whether every frame arrived."""
        paced = tr("as fast as it can") if self.fps is None else tr("{fps} frames/s").format(fps=f"{self.fps:g}")
        return (
            tr("{label}: {source}, {paced}, {seconds} s; {frames} frames").format(
                label=self.label, source=self.source, paced=paced, seconds=f"{self.seconds:.0f}", frames=self.frames
            )
            + ", "
            + counts_words(self.painted, self.superseded, self.dropped)
        )

    @property
    def machine_words(self) -> str:
        return tr("{cpu}, {cores} cores").format(cpu=self.machine.cpu, cores=self.machine.cores)


def counts_words(painted: int, superseded: int, dropped: int) -> str:
    """What became of the frames."""
    return tr("{painted} painted, {superseded} superseded, {dropped} dropped").format(
        painted=painted, superseded=superseded, dropped=dropped
    )


def open_runs(path: Path, label: str = "") -> tuple[MeasuredRun, ...]:
    """The run of a `latency.json`, or both arms of a comparison.

    Raises:
        InputError: the file is neither.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path.name}: {path.stat().st_size} bytes, expected a small JSON file of `bench latency`")
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("schema") == "guidance-app/latency-comparison/1":
            return _arms(LatencyComparison.model_validate(content), content)
        report = LatencyReport.model_validate(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a latency.json") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the file"
        raise InputError(
            f"{path.name}: {where}: {error.errors()[0]['msg']}; expected guidance-app/latency/1 of `bench latency`"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: is not JSON ({error}); give a latency.json of `bench latency`") from error
    rows = {**report.stages_ms, "overlay_age": report.overlay_age_ms, "jitter": report.jitter_ms}
    if report.tick_ms is not None:
        rows["tick"] = report.tick_ms
    if report.tick_late_ms is not None:
        rows["tick_late"] = report.tick_late_ms
    run = MeasuredRun(
        label=label or path.stem,
        source=report.source,
        machine=report.machine,
        fps=report.paced_fps,
        seconds=report.seconds,
        frames=report.frames,
        painted=report.painted,
        superseded=report.superseded,
        dropped=report.dropped,
        rows={str(name): found for name, found in rows.items()},
        content=content,
    )
    return (run,)


def export_runs(runs: Sequence[MeasuredRun], folder: Path) -> tuple[Path, ...]:
    """Write each run as JSON, and all as one table and one picture; every one carries the research line.

    Raises:
        InputError: the folder cannot be written to.
    """
    from guidance_app.live.benches.latency_plot import write_plot

    written = []
    for letter, run in zip("AB", runs, strict=False):
        path = folder / f"latency-{letter.lower()}.json"
        write_json(path, {**run.content, "research_use_only": RESEARCH_LINE})
        written.append(path)
    write_bytes(folder / "latency.csv", _table(runs).encode())
    arms = [(f"{letter}: {run.label}", run.rows) for letter, run in zip("AB", runs, strict=False)]
    write_plot(
        folder / "latency.png", runs[0].words.partition(": ")[2], arms, f"{runs[0].machine_words}. {RESEARCH_LINE}"
    )  # fmt: skip
    return (*written, folder / "latency.csv", folder / "latency.png")


def _table(runs: Sequence[MeasuredRun]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "label", "stage", *(f"{name}_ms" for name in PERCENTILES), "count", "note"])
    for letter, run in zip("AB", runs, strict=False):
        for stage, found in run.rows.items():
            values = ["" if (value := getattr(found, name)) is None else value for name in PERCENTILES]
            writer.writerow([letter, run.label, stage, *values, found.count, RESEARCH_LINE])
    return text.getvalue()


def _arms(comparison: LatencyComparison, content: Mapping[str, Any]) -> tuple[MeasuredRun, ...]:
    return tuple(
        MeasuredRun(
            label=arm.name,
            source=comparison.source,
            machine=comparison.machine,
            fps=comparison.paced_fps,
            seconds=comparison.seconds_per_arm,
            frames=arm.frames,
            painted=arm.painted,
            superseded=arm.superseded,
            dropped=arm.dropped,
            rows={**arm.stages_ms, "overlay_age": arm.overlay_age_ms, "jitter": arm.jitter_ms},
            content=content,
        )
        for arm in comparison.arms
    )
