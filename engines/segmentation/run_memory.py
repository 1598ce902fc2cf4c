"""A recorded run's pictures before the bolus, used for the masks of all its frames.

One picture does not tell a spine or a heart from an aorta, nor a rib from an artery; the pictures before the bolus do.
Registration and the live path use the same two means: a native head is subtracted, and elsewhere what was as dark
before the bolus is no vessel. A beating heart is never subtracted, because its mask never fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from calibration.errors import InputError
from engines.angiography.contrast_gate import Background, background_of_run
from engines.angiography.dsa import is_subtractable, subtract
from engines.angiography.frame import Frame
from engines.angiography.run import Run
from engines.inference.model_files import BUNDLED_MODELS, read_manifest
from engines.segmentation.islands import without_islands
from engines.segmentation.scenes import arrival_weights, is_bundled, scene_of_model
from engines.segmentation.segmentation import Segmentation
from engines.segmentation.segmenter import Segmenter, load_segmenter

Means = Literal["", "subtraction", "gate", "arrival"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunMemory:
    """What a network is shown of a run, and what else is known of it.

    Args:
        shown: the run, subtracted where that helps.
        background: its view before the bolus; None where nothing is known, or nothing needed.
    """

    shown: Run
    background: Background | None = None

    @classmethod
    def of(cls, run: Run, model: str, *, single_frame: bool = False) -> RunMemory:
        """The memory for a network; the run as it is where it has no frame before contrast.

        Frames are compared within one DICOM object alone: pictures of a folder, or of a video, need not be of one view.

        Args:
            single_frame: heed a stated mask alone.
        """
        scene = scene_of_model(model).name if is_bundled(model) else ""
        single_frame = single_frame or run.frame_count < 2 or not run.sop_instance_uid
        try:
            if scene == "cerebral":
                return cls(shown=subtracted_for(run, "" if single_frame else "evt"))
            if scene and not single_frame:
                return cls(shown=run, background=background_of_run(run))
        except InputError:  # frames of several sizes, or none that can be read: each is judged for itself
            pass
        return cls(shown=run)

    def best(self, network: Network) -> Segmenter:
        """The segmenter for this run's frames."""
        return network.single if self.background is None or network.arrival is None else network.arrival

    def means(self, segmenter: Segmenter) -> Means:
        """How the pictures before the bolus are used."""
        if hasattr(self.shown, "unsubtracted"):
            return "subtraction"
        if self.background is None:
            return ""
        return "arrival" if segmenter.takes_arrival else "gate"

    def segment(self, segmenter: Segmenter, frame: Frame) -> Segmentation:
        """A frame of `shown`."""
        background = self.background
        if background is None or not background.shows_view_of(frame):
            return segmenter.segment(frame)
        if segmenter.takes_arrival:
            return segmenter.segment(frame, background=background)
        return _gated(segmenter.segment(frame), background, frame, segmenter)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A network for single frames, and where there is one the same for frames whose run shows the time before contrast.

    Args:
        single: takes pictures alone.
        arrival: its `arrival_weights`; None where the folder has none.
    """

    single: Segmenter
    arrival: Segmenter | None = None


def load_network_pair(
    model: str,
    backend: str = "auto",
    threads: int = 1,
    folder: Path = BUNDLED_MODELS,
    *,
    careful: bool = False,
    single_frame: bool = False,
) -> Network:
    """`load_segmenter`, and beside it the weights that take the arrival, if the folder has them.

    Args:
        single_frame: without those.

    Raises:
        InputError: as `load_segmenter`.
    """
    single = load_segmenter(model, backend, threads, folder, careful=careful)
    other = arrival_weights(model)
    if single_frame or other == model or other not in read_manifest(folder).models:
        return Network(single=single)
    return Network(single=single, arrival=load_segmenter(other, backend, threads, folder, careful=careful))


def subtracted_for(run: Run, case_kind: str) -> Run:
    """The run with the best visible vessels: subtracted if it is meant to be, else unchanged."""
    if run.kind == "dsa":
        return run
    if run.mask or (case_kind == "evt" and is_subtractable(run)):
        return subtract(run)
    return run


def _gated(found: Segmentation, background: Background, frame: Frame, segmenter: Segmenter) -> Segmentation:
    """Without vessel that was as dark before the bolus; devices stay, they were there before."""
    gate = background.gate(frame)
    vessel = np.array([name != "device" for name in found.classes])
    probabilities = np.where(vessel[:, None, None], found.probabilities * gate, found.probabilities)
    rows, columns = frame.shape_px
    smallest_px = round(segmenter.smallest_share * rows * columns)
    probabilities = without_islands(probabilities, segmenter.threshold, smallest_px, found.classes)
    return replace(found, probabilities=probabilities.astype(np.float32))
