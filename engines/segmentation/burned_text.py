"""Find letters that a system has burnt into the picture; dark letters would be taken for vessels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Num

# Shares of the picture's longer side, taken from annotations of common systems and of screen captures.
_GLYPH_HEIGHT = (0.010, 0.060)
_BORDER = 0.2  # annotations lie near the picture's edges
_GAP = 0.025
_LEAST_GLYPH_PX = 4
_LEAST_INK_PX = 30
_LONGEST_WORD = 12  # in letter heights
_LEAST_STROKES = 4  # strokes that a row through the line crosses; a row crosses a clipped vessel once or twice
_MOST_SATURATED = 0.6  # in a picture of nearly one value, text cannot be told from the background


def find_text(pixels: Num[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"] | None:
    """Pixels of text, with the rim that smoothing leaves around it; None if there is no text.

    Text has the darkest or the brightest value of the picture and lies near its border. It forms lines of pieces
    (letters, or words whose letters touch) of similar height, which a row of pixels crosses many times.
    """
    found = np.zeros(pixels.shape, np.uint8)
    for value in (pixels.min(), pixels.max()):
        ink = pixels == value
        if _LEAST_INK_PX <= np.count_nonzero(ink) < _MOST_SATURATED * ink.size:
            found |= _lines(ink.astype(np.uint8))
    if not found.any():
        return None
    return cv2.dilate(found, np.ones((5, 5), np.uint8)) > 0


def without_text(pixels: Num[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"] | None:
    """The picture with letters replaced by their surroundings; None if there are no letters."""
    text = find_text(pixels)
    if text is None:
        return None
    picture = np.asarray(pixels, np.float32)
    # Fill from near to far with the mean of the surroundings: exact enough for strokes of a few pixels.
    open_ground = (~text).astype(np.float32)
    for width_px in (3, 9, 27, 81):
        weight = cv2.blur(open_ground, (width_px, width_px))
        mean = cv2.blur(picture * open_ground, (width_px, width_px)) / np.maximum(weight, 1e-6)
        fillable = text & (weight > 0.05)
        picture = np.where(fillable, mean, picture)
        text = text & ~fillable
        open_ground = (~text).astype(np.float32)
    return picture


def _lines(ink: np.ndarray) -> np.ndarray:
    rows, columns = ink.shape
    side = max(rows, columns)
    _, labels, boxes, centres = cv2.connectedComponentsWithStats(ink, connectivity=8)
    height, width = boxes[:, cv2.CC_STAT_HEIGHT], boxes[:, cv2.CC_STAT_WIDTH]
    tallest = _GLYPH_HEIGHT[1] * side
    glyph = (
        (height >= max(_GLYPH_HEIGHT[0] * side, _LEAST_GLYPH_PX))
        & (height <= tallest)
        & (width <= _LONGEST_WORD * height)
    )
    across, down = centres[:, 0] / columns, centres[:, 1] / rows
    glyph &= np.minimum(np.minimum(across, 1 - across), np.minimum(down, 1 - down)) < _BORDER
    glyph[0] = False
    text = np.zeros(ink.shape, np.uint8)
    candidates = np.flatnonzero(glyph)
    candidates = candidates[np.argsort(boxes[candidates, cv2.CC_STAT_LEFT])]
    while len(candidates):
        line = [candidates[0]]
        for other in candidates[1:]:
            if _continues(boxes[line[-1]], boxes[other], _GAP * side):
                line.append(other)
        # Only the line's own box is examined, because a whole picture would take milliseconds per candidate.
        box = _box(boxes[line])
        written = np.isin(labels[box], line)
        if _strokes(written) >= _LEAST_STROKES:
            text[box] |= written.astype(np.uint8) | _small_marks(labels[box], boxes, line)
        candidates = np.setdiff1d(candidates, line, assume_unique=True)
        candidates = candidates[np.argsort(boxes[candidates, cv2.CC_STAT_LEFT])]
    return text


def _continues(before: np.ndarray, after: np.ndarray, gap_px: float) -> bool:
    """Whether a stroke continues the line of the one before it: close behind and of similar height."""
    left, top, width, height = before[:4]
    apart = after[cv2.CC_STAT_LEFT] - (left + width)
    foot = top + height - (after[cv2.CC_STAT_TOP] + after[cv2.CC_STAT_HEIGHT])
    like = abs(int(after[cv2.CC_STAT_HEIGHT]) - int(height)) <= 0.4 * height + 1
    return bool(-2 <= apart <= max(gap_px, height) and abs(foot) <= 0.3 * height + 1 and like)


def _strokes(written: np.ndarray) -> float:
    """The number of changes from background to ink in a row; the median over the rows of a line."""
    rows = written[written.any(axis=1)].astype(np.int8)
    return float(np.median((np.diff(rows, axis=1, prepend=0) == 1).sum(axis=1)))


def _box(parts: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns that these pieces cover."""
    first = parts[:, [cv2.CC_STAT_TOP, cv2.CC_STAT_LEFT]]
    end = first + parts[:, [cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]]
    (top, left), (foot, right) = first.min(axis=0).tolist(), end.max(axis=0).tolist()
    return slice(top, foot), slice(left, right)


def _small_marks(labels: np.ndarray, boxes: np.ndarray, line: list[int]) -> np.ndarray:
    """Dots, colons and dashes within the line's box."""
    rows, columns = _box(boxes[line])
    inside = (
        (boxes[:, cv2.CC_STAT_LEFT] >= columns.start)
        & (boxes[:, cv2.CC_STAT_LEFT] + boxes[:, cv2.CC_STAT_WIDTH] <= columns.stop)
        & (boxes[:, cv2.CC_STAT_TOP] >= rows.start)
        & (boxes[:, cv2.CC_STAT_TOP] + boxes[:, cv2.CC_STAT_HEIGHT] <= rows.stop)
    )
    inside[0] = False
    return inside[labels].astype(np.uint8)
