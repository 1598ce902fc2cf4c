"""Frames in memory as a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import MaskOperation


class FrameRun:
    """Frames of one view, size and kind, as a run (see `Run`) that states no mask.

    Raises:
        InputError: no frame, or native frames beside subtracted ones.
    """

    mask: tuple[MaskOperation, ...] = ()

    def __init__(self, frames: Sequence[Frame]) -> None:
        if len({frame.kind for frame in frames}) != 1:
            raise InputError(f"a run in memory: {len(frames)} frames, expected one at least, all of one kind")
        first = frames[0]
        self._frames = tuple(frames)
        self.path = Path(first.source_id)
        self.source_id, self.sop_instance_uid = first.source_id, first.sop_instance_uid
        self.kind: FrameKind = first.kind
        self.log_intensity = first.log_intensity
        self.frame_count, self.frame_time_ms = len(frames), first.frame_time_ms

    def frame(self, index: int) -> Frame:
        return replace(self._frames[index], source_frame=index)

    def geometry(self, index: int) -> CArmGeometry:
        geometry = self._frames[index].geometry
        if geometry is None:
            raise MissingGeometryError(self._frames[index].geometry_reason)
        return geometry
