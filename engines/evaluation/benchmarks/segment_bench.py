"""Measure how fast and how well every inference runtime of this machine segments a frame, against eager torch.

Times are of the frames of a run in their order, as live guidance takes them: the field of view is remembered and
checked (`Segmenter.for_run`). Frames each on its own, which are searched for it, are timed apart.

One runtime works at a time. On a busy machine a network on several threads waits at every layer for the thread that
has no core (eager torch was seen to take 686 ms instead of 54), so each runtime gets the number of threads that is
fastest for it under the present load.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

from calibration.errors import InputError
from engines.anatomy.cases.case import bundled_cases_folder
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
from engines.evaluation.segmentation.pooled_dice import pooled_dice
from engines.inference.backend import Backend, thread_count
from engines.inference.factory import runtime_named
from engines.inference.machine import this_machine
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
from engines.inference.probe import choose
from engines.inference.runtimes import RUNTIMES, load, why_not
from engines.segmentation.scenes import nearest, scene_of_model
from engines.segmentation.segmenter import RunSegmenter, Segmenter
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, synthesize

SCHEMA = "guidance-app/bench-segment/1"
HELD_OUT_SEED = 3_000_000  # training seeds are smaller, those of the 8-bit graph's calibration differ
PEER = "torch"
_TURNS = 4  # blocks of consecutive frames of each runtime, so that a change of the load falls on all alike
_TRIALS = 5  # frames that the number of threads is chosen on
_BUNDLED_CASES = {"coronary": "coronary", "cerebral": "evt", "aortic-upper": "tavi", "aortic-lower": "tavi"}


class _Timed:
    """A backend that records the duration of its last run."""

    def __init__(self, backend: Backend) -> None:
        self.name, self.device = backend.name, backend.device
        self.backend = backend
        self.seconds = 0.0

    def run(self, batch):
        began = time.perf_counter()
        answer = self.backend.run(batch)
        self.seconds = time.perf_counter() - began
        return answer


@dataclass(slots=True)
class _Contestant:
    segmenter: Segmenter
    network: _Timed
    threads: int
    total_s: list[float] = field(default_factory=list)
    network_s: list[float] = field(default_factory=list)
    alone_s: list[float] = field(default_factory=list)

    def segment(self, frame: Frame) -> Bool[np.ndarray, "rows columns"]:
        return _mask(self.segmenter, frame)

    def ready(self) -> None:
        """Give torch its number of threads back: it has one a process, and the last that was loaded set it."""
        if self.network.name == PEER:
            import torch

            torch.set_num_threads(self.threads)

    def time(self, run: RunSegmenter, frame: Frame) -> None:
        self.network.seconds = 0.0  # the network is not called for a frame that shows nothing
        began = time.perf_counter()
        _mask(run, frame)
        self.total_s.append(time.perf_counter() - began)
        self.network_s.append(self.network.seconds)

    def time_alone(self, frame: Frame) -> None:
        began = time.perf_counter()
        _mask(self.segmenter, frame)
        self.alone_s.append(time.perf_counter() - began)


def run_segment_bench(
    *,
    model: str = "coronary",
    backends: Sequence[str] | None = None,
    sizes: Sequence[int] = (256, 512),
    rounds: int = 40,
    pictures: int = 40,
    threads: int = 0,
    seed: int = HELD_OUT_SEED,
    folder: Path = BUNDLED_MODELS,
    labelled: Sequence[LabelledPicture] = (),
    labelled_name: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Times of the whole frame path (conditioning, network, resizing) and Dice, as `bench-segment/1`.

    `median_ms`, `p99_ms`, `network_ms`, `around_ms` and `speedup` are of a running sequence, `alone_ms` of frames that
    know nothing of each other. `speedup` is against torch, `speedup_over` against each of the others. `load` is the
    system's load average over one minute, before anything ran here and after everything had.

    Args:
        model: name of the network.
        backends: by default every one that runs here; eager torch always takes part.
        sizes: of square frames, in pixels.
        rounds: timed frames of each runtime and size, after one that warms up.
        pictures: synthetic pictures that Dice is measured on, pooled over all pixels.
        threads: of one call, for all alike; 0 lets each have all cores that are of use or one, whichever is faster.
        seed: of the synthetic pictures.
        folder: of the networks.
        labelled: real frames with masks, for a second Dice.
        labelled_name: their name in the figures.
        progress: called with a line before each part.

    Raises:
        InputError: a model or runtime is unknown, or a count is below 1.
    """
    if min([*sizes, rounds, pictures]) < 1 or threads < 0:
        raise InputError("bench segment needs sizes, rounds and pictures of at least 1, and threads of at least 0")
    models = read_manifest(folder).models
    if model not in models:
        raise InputError(f"no model is called {model!r} in {folder}; {nearest(model, models)}")
    files = ModelFiles(name=model, folder=folder, record=models[model])
    load_before = _load_average()
    counts = (threads,) if threads else tuple(dict.fromkeys((thread_count(0), 1)))
    wanted = list(dict.fromkeys([PEER, *(backends or RUNTIMES)]))
    left_out = [
        {"name": name, "reason": reason}
        for name in wanted
        if (reason := why_not(runtime_named(name), files)) is not None
    ]
    names = [name for name in wanted if name not in {entry["name"] for entry in left_out}]
    progress("measuring what auto takes")
    choice = choose(files, threads=counts[0])
    rows = []
    run = f"assets/cases/{_BUNDLED_CASES[scene_of_model(model).name]}, run1"
    for size in sizes:
        progress(f"{size}x{size}: {pictures} pictures for Dice, then {rounds} frames of {', '.join(names)}")
        frames = [_held_out(model, seed, index, size) for index in range(pictures)]
        sequence = _sequence(model, size)
        contestants = {name: _contestant(name, files, counts, sequence[0]) for name in names}
        rows.append(
            {
                "size": [size, size], "auto": choice.name,
                "backends": _figures(contestants, frames, sequence, rounds, labelled),
            }
        )  # fmt: skip
    return {
        "schema": SCHEMA, "machine": this_machine().model_dump(), "seed": seed, "model": model,
        "data": f"{pictures} synthetic pictures of {WORKING_PX} px, seed {seed}, enlarged to the size; pooled Dice",
        "timed_on": f"{run}: its frames in their order, each resized; the field of view is remembered between them",
        "real_data": labelled_name or None, "threads": counts[0], "rounds": rounds, "auto_reason": choice.why,
        "load": {"before": load_before, "after": _load_average()}, "sizes": rows, "left_out": left_out,
    }  # fmt: skip


def _figures(
    contestants: dict[str, _Contestant],
    frames: Sequence[LabelledPicture],
    sequence: Sequence[Frame],
    rounds: int,
    labelled: Sequence[LabelledPicture],
) -> list[dict[str, Any]]:
    dice: dict[str, float] = {}
    real: dict[str, float] = {}
    for name, each in contestants.items():
        each.ready()
        dice[name] = _dice(each, frames)
        if labelled:
            real[name] = _dice(each, labelled)
    runs = {name: each.segmenter.for_run() for name, each in contestants.items()}
    for block in np.array_split(np.arange(rounds), min(_TURNS, rounds)):
        for name, each in contestants.items():
            each.ready()
            _mask(runs[name], sequence[(block[0] - 1) % len(sequence)])  # threads of the one before go to sleep
            for turn in block:
                each.time(runs[name], sequence[turn % len(sequence)])
    for each in contestants.values():
        each.ready()
        each.segment(frames[-1].frame)
        for turn in range(max(rounds // 4, 1)):
            each.time_alone(frames[turn % len(frames)].frame)
    medians = {name: float(np.median(each.total_s)) for name, each in contestants.items()}
    rows = []
    for name, each in contestants.items():
        total, network = np.array(each.total_s), np.array(each.network_s)
        row = {
            "name": name, "device": each.network.device, "threads": each.threads, "median_ms": _ms(medians[name]),
            "p99_ms": _ms(np.percentile(total, 99)), "network_ms": _ms(np.median(network)),
            "around_ms": _ms(np.median(total - network)), "speedup": round(medians[PEER] / medians[name], 2),
            "speedup_over": {other: round(s / medians[name], 2) for other, s in medians.items() if other != name},
            "alone_ms": _ms(np.median(each.alone_s)),
            "dice": round(dice[name], 5), "dice_lost_points": round(100 * (dice[PEER] - dice[name]), 3),
        }  # fmt: skip
        if real:
            row |= {
                "dice_real": round(real[name], 5),
                "dice_real_lost_points": round(100 * (real[PEER] - real[name]), 3),
            }
        rows.append(row)
    return rows


def _contestant(name: str, files: ModelFiles, counts: Sequence[int], frame: Frame) -> _Contestant:
    """The runtime with the number of threads that is fastest under the present load."""
    if len(counts) == 1:
        return _loaded(name, files, counts[0])
    best, best_s = counts[0], np.inf
    for count in counts:
        each = _loaded(name, files, count)
        for _ in range(_TRIALS + 1):
            each.time_alone(frame)
        seconds = float(np.median(each.alone_s[1:]))
        if seconds < best_s:
            best, best_s = count, seconds
    return _loaded(name, files, best)


def _loaded(name: str, files: ModelFiles, threads: int) -> _Contestant:
    network = _Timed(load(RUNTIMES[name], files, threads=threads))
    return _Contestant(Segmenter(files.name, files.record, network), network, threads)


def _load_average() -> float | None:
    """Of one minute: processes that run or wait for a core."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # not on every system
        return None


def _held_out(model: str, seed: int, index: int, size: int) -> LabelledPicture:
    scene = scene_of_model(model)
    sample = synthesize(scene, seed, index, WORKING_PX)
    picture = cv2.resize(sample.picture, (size, size), interpolation=cv2.INTER_CUBIC)
    vessels = sample.masks[[k for k, name in enumerate(scene.classes) if name != "device"]].max(0)
    truth = cv2.resize(vessels, (size, size), interpolation=cv2.INTER_LINEAR) > 0.5
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return LabelledPicture(name=f"synthetic {index}", frame=Frame(pixels=pixels, kind="fluoro"), mask=truth)


def _sequence(model: str, size: int) -> list[Frame]:
    """The frames of a bundled run at this size."""
    run = open_run(bundled_cases_folder() / _BUNDLED_CASES[scene_of_model(model).name] / "xa" / "run1.dcm")
    frames = [run.frame(index) for index in range(run.frame_count)]
    return [
        Frame(
            pixels=cv2.resize(frame.pixels, (size, size), interpolation=cv2.INTER_AREA), kind=frame.kind,
            bits_stored=frame.bits_stored, source_id=frame.source_id, index=frame.index,
            vessels_bright=frame.vessels_bright, linear_intensity=frame.linear_intensity,
        )
        for frame in frames
    ]  # fmt: skip


def _mask(segmenter: Segmenter | RunSegmenter, frame: Frame) -> Bool[np.ndarray, "rows columns"]:
    return segmenter.segment(frame).vessel() >= segmenter.threshold


def _dice(contestant: _Contestant, frames: Iterable[LabelledPicture]) -> float:
    pairs = [(contestant.segment(each.frame), each.mask) for each in frames]
    return pooled_dice(pairs)


def _ms(seconds: float) -> float:
    return round(1e3 * float(seconds), 3)
