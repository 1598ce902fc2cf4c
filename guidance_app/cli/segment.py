"""Command `segment`: masks of frames."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from calibration.errors import GuidanceError, InputError

_SCHEMA = "guidance-app/segment/1"


def add_to(app: typer.Typer) -> None:
    app.command("segment")(segment)


def segment(
    inputs: Annotated[list[Path], typer.Argument(help="XA DICOM, picture, folder of pictures, or video")],
    out: Annotated[Path, typer.Option(help="folder for the masks and summary.json")],
    model: Annotated[str, typer.Option(help="coronary, cerebral, aortic-upper or aortic-lower")],
    backend: Annotated[str, typer.Option(help="auto, onnx or torch")] = "auto",
    class_name: Annotated[str, typer.Option("--class", help="one class of the model; default: all vessels")] = "",
    models: Annotated[Path | None, typer.Option(help="folder of other weights, as `train` leaves it")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print summary.json")] = False,
) -> None:
    """Write `{stem}_{frame:04d}.png` (0 or 255, the input's size) for every frame, and `summary.json`.

    A bad input is reported and skipped; the exit status is then 1.
    """
    from calibration.store import write_json
    from engines.inference.model_files import BUNDLED_MODELS
    from engines.segmentation.segmenter import load_segmenter

    segmenter = load_segmenter(model, backend, threads, folder=models or BUNDLED_MODELS)
    if class_name and class_name not in segmenter.classes:
        raise InputError(f"--class {class_name}: {model} has the classes {', '.join(segmenter.classes)}")
    taken: dict[str, Path] = {}
    entries: list[dict[str, Any]] = []
    for path in inputs:
        outcome = _Outcome(input=str(path))
        try:
            if path.stem in taken:
                raise InputError(f"{path}: its masks would overwrite those of {taken[path.stem]}; use another --out")
            taken[path.stem] = path
            _segment_run(path, segmenter, class_name, out, outcome)
        except GuidanceError as error:
            outcome.fail(str(error))
        if outcome.reason:
            print(f"error: {outcome.reason}", file=sys.stderr)
        entries.append(outcome.entry())
    summary = {
        "schema": _SCHEMA, "model": model, "backend": segmenter.backend, "classes": list(segmenter.classes),
        "class": class_name or "vessels", "threshold": segmenter.threshold, "inputs": entries,
    }  # fmt: skip
    write_json(out / "summary.json", summary)
    if as_json:
        print(json.dumps(summary, indent=1))
    else:
        print(f"{sum(len(e['masks']) for e in entries)} masks in {out} ({model}, {segmenter.backend})")
    if any(entry["status"] == "error" for entry in entries):
        raise typer.Exit(1)


@dataclass(slots=True)
class _Outcome:
    input: str
    reason: str = ""
    masks: list[str] | None = None
    subtracted: bool = False

    def fail(self, reason: str) -> None:
        # The first reason is the one that helps; a damaged file goes on failing in the same way.
        self.reason = self.reason or (reason if self.input in reason else f"{self.input}: {reason}")

    def entry(self) -> dict[str, Any]:
        return {
            "input": self.input, "status": "error" if self.reason else "ok", "reason": self.reason,
            "subtracted": self.subtracted, "masks": self.masks or [],
        }  # fmt: skip


def _segment_run(path: Path, segmenter, class_name: str, out: Path, outcome: _Outcome) -> None:
    import cv2
    import numpy as np

    from calibration.store import write_bytes
    from engines.angiography.open_run import open_run

    run = open_run(path)
    outcome.masks = []
    if segmenter.name == "cerebral" and run.kind != "dsa" and run.mask:
        from engines.angiography.dsa import subtract

        run = subtract(run)
        outcome.subtracted = True
    for index in range(run.frame_count):
        try:
            frame = run.frame(index)
        except GuidanceError as error:
            outcome.fail(f"{path}: frame {index}: {error}")
            continue
        segmentation = segmenter.segment(frame)
        probability = segmentation.probability(class_name) if class_name else segmentation.vessel()
        mask = np.where(probability >= segmenter.threshold, 255, 0).astype(np.uint8)
        name = f"{path.stem}_{index:04d}.png"
        encoded = cv2.imencode(".png", mask)[1].tobytes()
        write_bytes(out / name, encoded)
        outcome.masks.append(name)
        if run.frame_count > 1 and sys.stderr.isatty():
            print(f"\r{path.name} {index + 1}/{run.frame_count}", end="\n" if index + 1 == run.frame_count else "",
                  file=sys.stderr, flush=True)  # fmt: skip
