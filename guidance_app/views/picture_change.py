"""What is done to the pictures for the eye: a mask taken away, several pictures put into one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from engines.angiography.frame import Frame
from engines.angiography.roadmaps.eye_mask import EyeMask
from guidance_app.views.language import tr


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureChange:
    """Nothing that computes reads a changed picture.

    Args:
        mask: taken away from every frame that it fits.
        shift_px: moves the mask, (rows, columns).
        anatomy: 0 to 1, how much of the mask's anatomy stays.
        peak: shown in place of the frames: the darkest values of an injection.
    """

    mask: EyeMask | None = None
    shift_px: tuple[float, float] = (0.0, 0.0)
    anatomy: float = 0.0
    peak: Frame | None = None

    def shown(self, frame: Frame, field: Bool[np.ndarray, "rows columns"] | None) -> Frame:
        """The picture to show when this frame has come. `field`: where X-rays come through; None: everywhere."""
        picture = self.peak or frame
        if self.mask is None or not self.mask.fits(picture):
            return picture
        if picture.shape_px != frame.shape_px:
            field = None
        return self.mask.subtracted(picture, field, shift_px=self.shift_px, anatomy=self.anatomy)

    def subtracts(self, frame: Frame) -> bool:
        return self.mask is not None and self.mask.fits(self.peak or frame)

    def window_key(self, frame: Frame) -> tuple[object, ...]:
        """A picture with another key needs another window and level."""
        return (self.mask, self.anatomy) if self.subtracts(frame) else ()

    def note(self, frame: Frame) -> str:
        """What was done to the picture, in a few words; "" where its mask was never asked for."""
        if self.mask is None:
            return ""
        if not self.subtracts(frame):
            return tr("NOT SUBTRACTED: the mask is of another view")
        return tr("SUBTRACTED, mask {frames}").format(frames=frames_text(self.mask.frames))

    def line(self, frame: Frame) -> str:
        """How the mask lies and how much anatomy is left."""
        if self.mask is None or not self.subtracts(frame):
            return ""
        words = tr("Mask {moved}").format(moved=shift_text(self.shift_px))
        return words + (tr(", anatomy {share} %").format(share=round(100 * self.anatomy)) if self.anatomy else "")


def shift_text(shift_px: tuple[float, float]) -> str:
    """In words: "1.2 px left, 0.3 px down"."""
    down, right = (round(part, 1) for part in shift_px)
    parts = [tr("{px} px right" if right > 0 else "{px} px left").format(px=f"{abs(right):.1f}")] if right else []
    if down:
        parts.append(tr("{px} px down" if down > 0 else "{px} px up").format(px=f"{abs(down):.1f}"))
    return ", ".join(parts) or tr("not shifted")


def frames_text(frames: tuple[Frame, ...]) -> str:
    """Numbers as the room counts them, from 1: "3 to 5", or "3, 7"."""
    numbers = sorted({frame.source_frame + 1 for frame in frames})
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return tr("{first} to {last}").format(first=numbers[0], last=numbers[-1])
    return ", ".join(str(number) for number in numbers)
