"""A finished result with its pictures in memory, opened from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
from jaxtyping import Float, Int16, UInt8

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.contour_maps import polygon_centroid
from engines.ivus.files.contour_tables import Contours, read_contours
from engines.ivus.files.open_pullback import open_pullback
from engines.ivus.files.pullback import Pullback
from engines.ivus.files.result_files import matching_section
from engines.ivus.files.session_file import Inputs, Session, read_session
from engines.ivus.fusion import Fusion
from engines.ivus.geometry.straightened import sample_ct
from engines.ivus.registration import Matter
from engines.ivus.search.evidence import frame_evidence, load_evidence_weights

CONTOUR_PIXEL_MM, _CONTOUR_HALF_MM = 0.1, 4.5
_LUMEN_GREY, _WALL_GREY, _AROUND_GREY = 18, 150, 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedFusion:
    """Args:
    frames: ultrasound pictures, painted from the outlines where there are contours alone.
    mpr: the CT on their grid, HU.
    pixel_mm, centre_px: of both; (column, row) of the catheter, of the lumen's middle for contours.
    """

    folder: Path
    fusion: Fusion
    inputs: Inputs
    source: Pullback | Contours
    frames: UInt8[np.ndarray, "f r c"]
    mpr: Int16[np.ndarray, "f r c"]
    pixel_mm: float
    centre_px: tuple[float, float]


def open_result(folder: Path) -> OpenedFusion:
    """Open a folder that `ivus register` wrote; its inputs must still lie where they lay.

    Raises:
        InputError: no result there, or an input is gone or another.
    """
    session: Session = read_session(folder)
    inputs = session.inputs
    source: Pullback | Contours = (
        read_contours(Path(inputs.contours)) if inputs.contours else open_pullback(Path(inputs.pullback))
    )
    if len(source.z_mm) != len(session.fusion.z_mm):
        raise InputError(
            f"{folder}: was made of {len(session.fusion.z_mm)} frames, {inputs.pullback or inputs.contours} holds "
            f"{len(source.z_mm)}; register it again"
        )
    mpr = np.asarray(nib.load(folder / "mpr.nii.gz").dataobj).transpose(2, 1, 0)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(source, Contours):
        frames, pixel_mm = painted_contours(source), CONTOUR_PIXEL_MM
        middle = (mpr.shape[2] - 1) / 2
        centre = (middle, middle)
    else:
        frames, pixel_mm, centre = source.frames, source.pixel_mm, source.centre_px
    return OpenedFusion(folder=folder, fusion=session.fusion, inputs=inputs, source=source, frames=frames,
                        mpr=mpr.astype(np.int16), pixel_mm=pixel_mm, centre_px=centre)  # fmt: skip


def painted_contours(contours: Contours) -> UInt8[np.ndarray, "f r c"]:
    """Outlines as pictures: dark lumen and branches, grey wall."""
    size = 2 * round(_CONTOUR_HALF_MM / CONTOUR_PIXEL_MM) + 1
    out = np.full((len(contours.lumen), size, size), _AROUND_GREY, dtype=np.uint8)
    for frame, lumen in enumerate(contours.lumen):
        centre = polygon_centroid(lumen)
        layers = [(contours.eem[frame], _WALL_GREY), ((lumen,), _LUMEN_GREY), (contours.branch[frame], _LUMEN_GREY)]
        if not contours.eem[frame]:
            out[frame] = _WALL_GREY
        for polygons, grey in layers:
            for polygon in polygons:
                at = np.rint(((polygon - centre + _CONTOUR_HALF_MM) / CONTOUR_PIXEL_MM) * 16).astype(np.int32)
                cv2.fillPoly(out[frame], [at], grey, lineType=cv2.LINE_AA, shift=4)
    return out


def matter_of(opened: OpenedFusion, ct: CtVolume) -> Matter:
    """What the result was found from, so that a person's help may search again."""
    fusion = opened.fusion
    offset = fusion.signs.get("size_offset", 0.0)
    return Matter(
        ct=ct, source=opened.source, course=fusion.course, course_maps=fusion.course_maps, frame_maps=fusion.frame_maps,
        index=fusion.frame_index, ostium=fusion.signs["ostium"], size_offset=offset,
        way_share=fusion.signs.get("way_share", 1.0),
        evidence=frame_evidence(fusion.frame_maps, fusion.course_maps, load_evidence_weights(), size_offset=offset),
        doubtful=fusion.signs.get("gating_doubtful", 0.0) > 0.5,
    )  # fmt: skip


def opened_ct(opened: OpenedFusion) -> CtVolume:
    """Raises InputError where the CT is gone."""
    return load_ct(Path(opened.inputs.cta))


class CtSections:
    """The CT on the frames' grid under one answer: from the result's file, or read from the CT when it is asked for."""

    def __init__(self, opened: OpenedFusion, fusion: Fusion, ct: CtVolume | None) -> None:
        self._opened, self._fusion, self._ct = opened, fusion, ct
        self._stack = opened.mpr if fusion is opened.fusion else None
        self._kept: dict[int, Int16[np.ndarray, "r c"]] = {}

    def section(self, frame: int) -> Int16[np.ndarray, "r c"]:
        """One cross-section, HU."""
        if self._stack is not None:
            return self._stack[frame]
        if frame not in self._kept:
            assert self._ct is not None
            self._kept[frame] = matching_section(self._ct, self._fusion, self._opened.source, frame)
        return self._kept[frame]

    def lines(self, x_mm: Float[np.ndarray, " n"], y_mm: Float[np.ndarray, " n"]) -> Float[np.ndarray, "f n"]:
        """HU along one line in every frame: places along u and v."""
        opened, fusion = self._opened, self._fusion
        if self._stack is not None:
            return sampled(self._stack, x_mm, y_mm, opened.pixel_mm, opened.centre_px)
        assert self._ct is not None
        at = (
            fusion.points_mm[:, None]
            + x_mm[None, :, None] * fusion.u[:, None]
            + y_mm[None, :, None] * fusion.v[:, None]
        )
        return sample_ct(self._ct, at).astype(np.float64)

    def stack(self) -> Int16[np.ndarray, "f r c"]:
        """All of them; seconds where they must be read."""
        if self._stack is None:
            self._stack = np.stack([self.section(frame) for frame in range(len(self._fusion.points_mm))])
        return self._stack


def sampled(
    stack: np.ndarray, x_mm: Float[np.ndarray, " n"], y_mm: Float[np.ndarray, " n"], pixel_mm: float,
    centre_px: tuple[float, float],
) -> Float[np.ndarray, "f n"]:  # fmt: skip
    """The nearest pixels along a line in every picture; 0 outside."""
    column = np.rint(centre_px[0] + x_mm / pixel_mm).astype(int)
    row = np.rint(centre_px[1] + y_mm / pixel_mm).astype(int)
    inside = (column >= 0) & (column < stack.shape[2]) & (row >= 0) & (row < stack.shape[1])
    line = stack[:, np.clip(row, 0, stack.shape[1] - 1), np.clip(column, 0, stack.shape[2] - 1)]
    return line.astype(np.float64) * inside[None, :]
