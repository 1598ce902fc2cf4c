"""The attention of one frame as a job in a process of its own: the window brings no torch."""

from __future__ import annotations

from pathlib import Path

from engines.angiography.frame import Frame
from guidance_app.panels.jobs.work import TellProgress

ANSWER = "attention.npz"


def explain_into(folder: Path, tell: TellProgress, *, frame: Frame, kind: str, field_of_view: str) -> None:
    """Write `values` (float16, 0 to 1, frame's grid) and `found` (mask) of the network that the case is guided with.

    Raises:
        InputError: the network cannot be used.
    """
    import numpy as np

    from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
    from engines.segmentation.attention import AttentionMapper
    from engines.segmentation.segmenter import model_for_kind

    tell("loading the network", 0.1)
    name = model_for_kind(kind, field_of_view)
    record = read_manifest(BUNDLED_MODELS).models[name]
    mapper = AttentionMapper(ModelFiles(name=name, folder=BUNDLED_MODELS, record=record))
    tell("looking", 0.6)
    seen = mapper.explain(frame, record.classes[0])
    np.savez_compressed(
        folder / ANSWER, values=seen.values.astype(np.float16), found=seen.found, network=name,
        class_name=seen.class_name, layer=seen.layer,
    )  # fmt: skip
