"""X-ray runs among the files: a picture, angles, rate, and contrast over time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from calibration.dicom_values import stored_text
from calibration.errors import InputError, MissingGeometryError
from calibration.store import write_bytes
from engines.anatomy.intake.found import FoundRun
from engines.angiography.contrast import contrast_curve, contrast_frame
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.angiography.run import Run

_SIDE_PX = 260
_LOW_CONTRAST = 2e-3  # log units; a run without contrast must not fill its curve with noise
_REGION = ("BodyPartExamined", "SeriesDescription", "StudyDescription", "ProtocolName")


def run_of(path: Path, folder: Path, name: str, letter: str = "") -> FoundRun:
    """The run, or why it cannot be read; its picture is written into `folder` as `name`."""
    try:
        run = open_run(path)
    except InputError as error:
        return FoundRun(path=path, words=path.name, why_not=str(error), patient=letter)
    header = getattr(run, "header", None)
    texts = {} if header is None else {keyword: stored_text(header, keyword) for keyword in _REGION}
    found = FoundRun(
        path=path,
        words=texts.get("SeriesDescription") or f"{path.parent.name}/{path.name}",
        frames=run.frame_count,
        per_second=round(1e3 / run.frame_time_ms, 1) if run.frame_time_ms else None,
        subtracted=run.kind == "dsa",
        region=" ".join(texts.values()),
        patient=letter,
    )
    found = _with_geometry(found, run)
    try:
        return _with_contrast(found, run, folder, name)
    except InputError as error:
        return found.model_copy(update={"why_not": str(error)})


def _with_geometry(found: FoundRun, run: Run) -> FoundRun:
    try:
        geometry = run.geometry(0)
    except MissingGeometryError as error:
        return found.model_copy(update={"doubt": str(error)})
    rows, columns = geometry.shape_px
    angles = np.rad2deg([geometry.primary_rad, geometry.secondary_rad])
    return found.model_copy(
        update={"lao_deg": float(angles[0]), "cranial_deg": float(angles[1]), "size_px": (columns, rows)}
    )


def _with_contrast(found: FoundRun, run: Run, folder: Path, name: str) -> FoundRun:
    curve = contrast_curve(run)
    fullest = contrast_frame(run, curve) if run.frame_count > 1 else 0
    frame = run.frame(fullest)
    write_bytes(folder / name, cv2.imencode(".png", _small(frame))[1].tobytes())
    top = max(float(curve.amount.max()), _LOW_CONTRAST)
    rows, columns = frame.shape_px
    doubt = "" if curve.rises else "contrast does not arrive during it: there from the start, or never"
    return found.model_copy(
        update={
            "picture": name,
            "fullest": fullest,
            "rises": curve.rises,
            "size_px": (columns, rows),
            "curve": tuple(
                (index, round(float(amount) / top, 3)) for index, amount in zip(curve.frames, curve.amount, strict=True)
            ),
            "doubt": "; ".join(filter(None, (found.doubt, doubt))),
        }
    )


def _small(frame: Frame) -> UInt8[np.ndarray, "r c"]:
    pixels = frame.pixels.astype(np.float32)
    low, high = np.percentile(pixels, [1.0, 99.0])
    grey = np.clip((pixels - low) * (255.0 / max(float(high - low), 1.0)), 0, 255).astype(np.uint8)
    scale = _SIDE_PX / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
