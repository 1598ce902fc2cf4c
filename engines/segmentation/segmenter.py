"""Segment a frame of any size and depth into probabilities on the frame's own grid."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.angiography.contrast_gate import Background
from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame
from engines.inference.backend import Backend
from engines.inference.factory import make_backend
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, ModelRecord, read_manifest
from engines.segmentation.arrival import WITH_ARRIVAL, arrival_channel, channels_for
from engines.segmentation.careful import careful_probabilities
from engines.segmentation.conditioning import Conditioned, FindsField, condition
from engines.segmentation.field_memory import FieldMemory
from engines.segmentation.islands import without_islands
from engines.segmentation.scenes import is_bundled, model_for_kind, nearest, scene_of_model, shows_polarity
from engines.segmentation.segmentation import Segmentation

__all__ = ["RunSegmenter", "Segmenter", "load_segmenter", "model_for_kind"]


class Segmenter:
    """Segments frames; one instance belongs to one thread.

    Attributes:
        name: the network's name.
        backend: runtime and device that execute it, as "onnx (cpu)".
        classes: output maps.
        threshold: probability from which a pixel counts as found; chosen on simulated pictures.
        takes_arrival: whether the network heeds what came with the contrast, where a `Background` is given.
        smallest_share: of the picture; a smaller connected piece counts as none.
        careful: every frame is segmented several times (`careful_probabilities`), at four to six times the cost; for
            stored pictures, never live.
    """

    def __init__(self, name: str, record: ModelRecord, backend: Backend, *, careful: bool = False) -> None:
        self.name = name
        self.backend = f"{backend.name} ({backend.device})"
        self.classes = record.classes
        self.threshold = record.threshold
        self._working_px = record.working_px
        self._channels = record.channels_on(backend.name)
        self.takes_arrival = self._channels >= WITH_ARRIVAL
        self._smallest_px = record.smallest_px
        self.smallest_share = record.smallest_px / record.working_px**2
        self.careful = careful
        self._scales = scene_of_model(name).careful_scales if is_bundled(name) else (1.0,)
        self._shows_polarity = shows_polarity(name)
        self._network = backend

    def segment(
        self,
        frame: Frame,
        *,
        find_field: FindsField = find_field_of_view,
        background: Background | None = None,
    ) -> Segmentation:
        """Probabilities of every class; all zeros for a frame that shows nothing (constant or tiny).

        Args:
            background: of this frame's view, for a network that takes it; None where it is not known.
        """
        conditioned = condition_frame(
            frame, self._working_px, find_field=find_field, detect_polarity=self._shows_polarity
        )
        rows, columns = frame.shape_px
        if conditioned is None:
            return self._result(np.zeros((len(self.classes), rows, columns), np.float32), None)
        channels = network_input(frame, conditioned, self._channels, background)
        if self.careful:
            probabilities = careful_probabilities(self._network.run, channels, self._scales)
        else:
            probabilities = self._network.run(channels[None])[0]
        field = conditioned.field_of_view
        if field is not None:
            probabilities = probabilities * field
        probabilities = without_islands(probabilities, self.threshold, self._smallest_px, self.classes)
        full = _resized(probabilities, rows, columns)
        open_field = None
        if field is not None:
            open_field = cv2.resize(field.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) > 0
        return self._result(full, open_field)

    def for_run(self) -> RunSegmenter:
        """This segmenter for the frames of one run in order; faster, because they share a field of view."""
        return RunSegmenter(self)

    def _result(self, probabilities: Float[np.ndarray, "classes rows columns"], field) -> Segmentation:
        return Segmentation(
            probabilities=probabilities,
            classes=self.classes,
            model=self.name,
            backend=self.backend,
            field_of_view=field,
        )


class RunSegmenter:
    """A segmenter that remembers the field of view and checks it against every frame.

    Another run may follow: a change of source, size or geometry starts a new search.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._memory = FieldMemory()
        self.name = segmenter.name
        self.backend = segmenter.backend
        self.classes = segmenter.classes
        self.threshold = segmenter.threshold

    def segment(self, frame: Frame, *, key: object | None = None, background: Background | None = None) -> Segmentation:
        """As `Segmenter.segment`.

        Args:
            key: of the view that the frame shows, for a caller who has compared the geometries already; see
                `FieldMemory.expect`.
        """
        self._memory.expect(frame, key)
        return self._segmenter.segment(frame, find_field=self._memory.find, background=background)


def condition_frame(
    frame: Frame, size_px: int, *, find_field: FindsField = find_field_of_view, detect_polarity: bool = True
) -> Conditioned | None:
    """The network input of a frame; None if the frame shows nothing."""
    return condition(
        frame.pixels,
        size_px,
        vessels_bright=frame.vessels_bright,
        detect_polarity=detect_polarity,
        log=frame.linear_intensity,
        find_field=find_field,
    )


def network_input(
    frame: Frame, conditioned: Conditioned, channels: int, background: Background | None = None
) -> Float[np.ndarray, "channels size size"]:
    """What a network with that many channels is shown of a frame.

    Args:
        background: of the frame's view; None where it is not known.
    """
    arrival = None
    if channels >= WITH_ARRIVAL and background is not None and background.shows_view_of(frame):
        size_px = conditioned.channels.shape[1]
        arrival = arrival_channel(background.darkening(frame), size_px, conditioned.field_of_view)
    return channels_for(conditioned.channels, channels, arrival)


def load_segmenter(
    model: str,
    backend: str = "auto",
    threads: int = 1,
    folder: Path = BUNDLED_MODELS,
    *,
    careful: bool = False,
    live: bool = False,
) -> Segmenter:
    """Load a network by name.

    Args:
        model: `coronary`, `coronary-sim`, `cerebral`, `aortic-upper`, `aortic-lower`, or another
            network in `folder`.
        backend: `auto`, or a runtime by name.
        threads: threads that one frame may use.
        folder: the folder of the weights and their manifest.
        careful: see `Segmenter`.
        live: see `make_backend`.

    Raises:
        InputError: the name is unknown, or the weights are missing, changed or unreadable.
    """
    models = read_manifest(folder).models
    if model not in models:
        raise InputError(f"no model is called {model!r} in {folder.name}; {nearest(model, models)}")
    record = models[model]
    files = ModelFiles(name=model, folder=folder, record=record)
    return Segmenter(model, record, make_backend(backend, files, threads=threads, live=live), careful=careful)


def _resized(
    planes: Float[np.ndarray, "classes r c"], rows: int, columns: int
) -> Float[np.ndarray, "classes rows columns"]:
    full = np.empty((len(planes), rows, columns), np.float32)
    for plane, target in zip(planes, full, strict=True):
        cv2.resize(plane, (columns, rows), dst=target, interpolation=cv2.INTER_LINEAR)
    return np.clip(full, 0, 1, out=full)
