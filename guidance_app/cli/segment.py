"""Command `segment`: masks of frames."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.angiography.contrast_gate import Background
    from engines.angiography.frame import Frame
    from engines.segmentation.run_memory import Network

    Explain = Callable[[str, Frame, Background | None], bytes]

_SCHEMA = "guidance-app/segment/1"


def add_to(app: typer.Typer) -> None:
    app.command("segment")(segment)


def segment(
    inputs: Annotated[list[Path], typer.Argument(help="XA DICOM, picture, folder of pictures, or video")],
    out: Annotated[Path, typer.Option(help="folder for the masks and summary.json")],
    model: Annotated[str, typer.Option(help="coronary, coronary-sim, cerebral, aortic-upper or aortic-lower")],
    backend: Annotated[str, typer.Option(help="auto, torch, onnx, openvino, openvino-int8, ...")] = "auto",
    class_name: Annotated[str, typer.Option("--class", help="one class of the model; default: all vessels")] = "",
    models: Annotated[Path | None, typer.Option(help="folder of other weights, as `train` leaves it")] = None,
    threads: Annotated[int, typer.Option(min=1, help="of the network")] = 1,
    careful: Annotated[
        bool,
        typer.Option("--careful", help="look at each frame mirrored too, coronaries smaller too; 4 to 6 times slower"),
    ] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="also write what the network looks at: {stem}_{frame}_attention.png")
    ] = False,
    single_frame: Annotated[
        bool, typer.Option("--single-frame", help="each frame for itself: heed no picture before the bolus")
    ] = False,
    layer: Annotated[str, typer.Option(help="--attention: encoder-1..4, bottom, decoder-1..4")] = "decoder-3",
    as_json: Annotated[bool, typer.Option("--json", help="print summary.json")] = False,
) -> None:
    """Write `{stem}_{frame:04d}.png` (0 or 255, the input's size) for every frame, and `summary.json`.

    In a DICOM run whose contrast arrives, the pictures before it count too: native heads are subtracted, and elsewhere
    vessel is what darkened since then. `summary.json` says of each input what was used (`before_contrast`).

    A bad input is reported and skipped; the exit status is then 1. Inputs of one name, from different folders, would
    share the names of their masks: the second is refused.
    """
    from calibration.store import make_folder, write_json
    from engines.inference.model_files import BUNDLED_MODELS
    from engines.segmentation.run_memory import load_network_pair

    folder = models or BUNDLED_MODELS
    network = load_network_pair(model, backend, threads, folder, careful=careful, single_frame=single_frame)
    segmenter = network.single
    if class_name and class_name not in segmenter.classes:
        raise InputError(f"--class {class_name}: {model} has the classes {', '.join(segmenter.classes)}")
    explain = _explainer(folder, class_name, layer) if attention else None
    make_folder(out)
    taken: dict[str, Path] = {}
    entries: list[dict[str, Any]] = []
    for path in inputs:
        outcome = _Outcome(input=str(path))
        try:
            stem = _stem(path)
            if stem in taken:
                raise InputError(f"{path}: its masks would overwrite those of {taken[stem]}; use another --out")
            _segment_run(path, network, class_name, out, outcome, explain, single_frame=single_frame)
        except GuidanceError as error:
            outcome.fail(str(error))
        if outcome.masks:
            taken.setdefault(_stem(path), path)
        for reason in outcome.reasons:
            print(f"error: {reason}", file=sys.stderr)
        entries.append(outcome.entry())
    summary = {
        "schema": _SCHEMA, "model": model, "backend": segmenter.backend, "classes": list(segmenter.classes),
        "class": class_name or "vessels", "threshold": segmenter.threshold, "careful": careful,
        "inputs": entries,
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
    reasons: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    attention: list[str] = field(default_factory=list)
    subtracted: bool = False
    before_contrast: str = ""
    model: str = ""
    threshold: float = 0.0

    def fail(self, reason: str) -> None:
        # One file goes on failing in the same way, and its first reason helps; in a folder each bad file is named.
        if not self.reasons or Path(self.input).is_dir():
            reason = reason.removeprefix(f"{Path(self.input).name}: ")
            self.reasons.append(reason if reason.startswith(self.input) else f"{self.input}: {reason}")

    def entry(self) -> dict[str, Any]:
        return {
            "input": self.input, "status": "error" if self.reasons else "ok", "reason": "; ".join(self.reasons),
            "subtracted": self.subtracted, "before_contrast": self.before_contrast or "none", "masks": self.masks,
            **({"model": self.model, "threshold": self.threshold} if self.model else {}),
            **({"attention": self.attention} if self.attention else {}),
        }  # fmt: skip


def _stem(path: Path) -> str:
    # "." and ".." have no name of their own.
    return (path if path.stem.strip(".") else path.resolve()).stem


def _is_source(mask: Path, source: Path) -> bool:
    """Whether a mask would be written over what is being segmented, in a folder of pictures one of its own."""
    mask, source = mask.resolve(), source.resolve()
    return mask == source or (mask.parent == source and mask.exists())


def _explainer(folder: Path, class_name: str, layer: str) -> Explain:
    """From a network's name and a frame to the PNG of its attention; a class not named is the network's first."""
    import cv2

    from engines.inference.model_files import ModelFiles, read_manifest
    from engines.segmentation.attention import AttentionMapper, attention_picture, check_layer

    check_layer(layer)
    mappers: dict[str, AttentionMapper] = {}

    def explain(model: str, frame: Frame, background: Background | None) -> bytes:
        record = read_manifest(folder).models[model]
        if model not in mappers:
            mappers[model] = AttentionMapper(ModelFiles(name=model, folder=folder, record=record))
        mapper = mappers[model]
        seen = mapper.explain(frame, class_name or record.classes[0], layer, background=background)
        return cv2.imencode(".png", attention_picture(frame, seen))[1].tobytes()

    return explain


def _segment_run(
    path: Path,
    network: Network,
    class_name: str,
    out: Path,
    outcome: _Outcome,
    explain: Explain | None,
    *,
    single_frame: bool,
) -> None:
    import cv2
    import numpy as np

    from calibration.store import write_bytes
    from engines.angiography.files.open_run import open_run
    from engines.segmentation.run_memory import RunMemory

    run = open_run(path)
    memory = RunMemory.of(run, network.single.name, single_frame=single_frame)
    segmenter = memory.best(network)
    run = memory.shown
    outcome.model, outcome.threshold = segmenter.name, segmenter.threshold
    outcome.before_contrast = memory.means(segmenter)
    outcome.subtracted = outcome.before_contrast == "subtraction"
    for index in range(run.frame_count):
        try:
            frame = run.frame(index)
        except GuidanceError as error:
            outcome.fail(str(error))
            continue
        segmentation = memory.segment(segmenter, frame)
        probability = segmentation.probability(class_name) if class_name else segmentation.vessel()
        mask = np.where(probability >= segmenter.threshold, 255, 0).astype(np.uint8)
        name = f"{_stem(path)}_{index:04d}.png"
        if _is_source(out / name, path):
            raise InputError(f"{path}: its mask {name} would overwrite a picture that is read; use another --out")
        encoded = cv2.imencode(".png", mask)[1].tobytes()
        write_bytes(out / name, encoded)
        outcome.masks.append(name)
        if explain is not None:
            seen = f"{_stem(path)}_{index:04d}_attention.png"
            if _is_source(out / seen, path):
                raise InputError(f"{path}: its {seen} would overwrite a picture that is read; use another --out")
            write_bytes(out / seen, explain(segmenter.name, frame, memory.background))
            outcome.attention.append(seen)
        if run.frame_count > 1 and sys.stderr.isatty():
            print(f"\r{path.name} {index + 1}/{run.frame_count}", end="\n" if index + 1 == run.frame_count else "",
                  file=sys.stderr, flush=True)  # fmt: skip
