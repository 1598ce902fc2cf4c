"""A head without its bones: native frames are subtracted as soon as their view is known without contrast.

A network finds a piece of the tree among bones, and the whole tree without them. A run that states its mask comes
subtracted; of any other the contrast memory finds the mask, and this subtracts it, as `register` does.
"""

from __future__ import annotations

from engines.angiography.anatomy_anchor import AnatomyAnchor, anchor_of
from engines.angiography.contrast_gate import Background
from engines.angiography.dsa import MaskPicture
from engines.angiography.frame import Frame

_HOLDS = 0.92  # agreement of bones with the mask's (a full head keeps 0.96 and more); turned ones leave false edges
_STILL_PX = 0.15  # a smaller move leaves no edge, and finding it exactly takes as long as all the rest
_FURTHEST_MM = 8.0  # in the isocentre plane; further away parallax leaves edges too


class BoneMask:
    """For the thread that steps."""

    def __init__(self) -> None:
        self._background: Background | None = None
        self._mask: MaskPicture | None = None
        self._anchor: AnatomyAnchor | None = None

    def subtracted(self, frame: Frame, background: Background) -> Frame:
        """The subtracted frame; the frame itself where its bones do not lie as the mask's do. Takes 20 to 40 ms."""
        if background is not self._background:
            self._background = background
            self._mask = MaskPicture.of(background.mean, log_intensity=background.log_intensity)
            self._anchor = anchor_of(background.frame, self._mask.field)
        if self._mask is None or self._anchor is None or frame.geometry is None:
            return frame
        move = self._anchor.compare(frame, self._mask.field)
        if move.agreement < _HOLDS or move.length_px * frame.geometry.isocentre_mm_per_px > _FURTHEST_MM:
            return frame
        return self._mask.subtracted(frame, shift_px=(0.0, 0.0) if move.length_px < _STILL_PX else None)
