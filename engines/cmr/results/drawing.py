"""Canvas, colours and letters of the figure; colours stay apart for colour-blind readers (Okabe and Ito; viridis)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # everything is drawn twice as large and reduced: smooth edges without a plotting library
INK, FAINT, PAPER = (28, 32, 38), (120, 126, 134), (255, 255, 255)
UNKNOWN = (206, 209, 213)
VESSEL_COLOURS = {"LAD": (213, 94, 0), "LCx": (0, 114, 178), "RCA": (0, 158, 115)}
CT_LINE, CMR_LINE = (86, 180, 233), (240, 228, 66)
_VIRIDIS = np.array(
    [
        (68, 1, 84),
        (72, 40, 120),
        (62, 74, 137),
        (49, 104, 142),
        (38, 130, 142),
        (31, 158, 137),
        (53, 183, 121),
        (110, 206, 88),
        (181, 222, 43),
        (253, 231, 37),
    ],
    dtype=np.float64,
)


def colours(share: Float[np.ndarray, ...]) -> UInt8[np.ndarray, "... 3"]:
    """viridis from 0 to 1; grey where not a number."""
    place = np.clip(np.nan_to_num(share), 0.0, 1.0) * (len(_VIRIDIS) - 1)
    low = np.minimum(place.astype(int), len(_VIRIDIS) - 2)
    mix = (place - low)[..., None]
    colour = (1 - mix) * _VIRIDIS[low] + mix * _VIRIDIS[low + 1]
    return np.where(np.isfinite(share)[..., None], colour, UNKNOWN).astype(np.uint8)


class Canvas:
    """A white page in points; drawn at twice its size."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self._fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 13,
        colour: tuple[int, int, int] = INK,
        anchor: str = "la",
        bold: bool = False,
    ) -> None:
        font = self._fonts.setdefault(size, ImageFont.load_default(size * SCALE))
        stroke = 1 if bold else 0
        self.draw.text(
            (x * SCALE, y * SCALE),
            words,
            fill=colour,
            font=font,
            anchor=anchor,
            stroke_width=stroke,
            stroke_fill=colour,
        )

    def width_of(self, words: str, size: int) -> float:
        font = self._fonts.setdefault(size, ImageFont.load_default(size * SCALE))
        return self.draw.textlength(words, font=font) / SCALE

    def line(self, points: np.ndarray, colour: tuple[int, int, int], width: float = 1.0) -> None:
        self.draw.line(
            [(float(x) * SCALE, float(y) * SCALE) for x, y in points],
            fill=colour,
            width=round(width * SCALE),
            joint="curve",
        )

    def paste(self, picture: UInt8[np.ndarray, "h w 3"], x: float, y: float) -> None:
        """A picture that is already at twice its size."""
        self.image.paste(Image.fromarray(picture), (round(x * SCALE), round(y * SCALE)))

    def wrapped(
        self, x: float, y: float, words: str, width: float, *, size: int = 13, colour: tuple[int, int, int] = INK
    ) -> float:
        """Text broken at `width`; returns the y below it."""
        line = ""
        for word in words.split():
            longer = f"{line} {word}".strip()
            if self.width_of(longer, size) > width and line:
                self.text(x, y, line, size=size, colour=colour)
                y, line = y + 1.35 * size, word
            else:
                line = longer
        self.text(x, y, line, size=size, colour=colour)
        return y + 1.35 * size

    def png(self) -> bytes:
        from io import BytesIO

        small = self.image.resize((self.image.width // SCALE, self.image.height // SCALE), Image.Resampling.LANCZOS)
        stream = BytesIO()
        small.save(stream, format="PNG", optimize=True)
        return stream.getvalue()
