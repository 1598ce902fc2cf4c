"""Contact sheets of the best, median and worst pictures, with found, missed and falsely found pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

RESEARCH_LINE = "Research use only - not a medical device"
TILE_PX = 256
_ACROSS = 2
_CAPTION_PX = 22
_FOOT_PX = 48
_BOTH_BGR = (255, 208, 63)
_MISSED_BGR = (90, 90, 255)
_INVENTED_BGR = (32, 176, 255)
_STRIPE_PX = 3  # stripes; shapes differ as well as colours: missed filled, false striped, found outlined
_TEXT_BGR = (220, 217, 214)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One picture of a sheet.

    Args:
        name: the caption.
        dice: sorts the entries.
        picture: the picture as stored.
        found: the mask to judge.
        reference: the mask to compare it with.
    """

    name: str
    dice: float
    picture: Float[np.ndarray, "rows columns"]
    found: Bool[np.ndarray, "rows columns"]
    reference: Bool[np.ndarray, "rows columns"]


def choose(dice: dict[str, float], count: int = 10) -> dict[str, list[str]]:
    """Names for the sheets "best", "median" and "worst", without undefined figures; of few pictures, some repeat."""
    order = sorted((name for name in dice if not np.isnan(dice[name])), key=lambda name: (dice[name], name))
    middle = max((len(order) - count) // 2, 0)
    return {"best": order[::-1][:count], "median": order[middle : middle + count], "worst": order[:count]}


def sheet(title: str, entries: Sequence[Entry]) -> UInt8[np.ndarray, "rows columns 3"]:
    """Tiles of picture and comparison, two per row, with a legend and the research-use line."""
    rows = -(-len(entries) // _ACROSS)
    width = _ACROSS * 2 * TILE_PX
    page = np.full((_CAPTION_PX + rows * (TILE_PX + _CAPTION_PX) + _FOOT_PX, width, 3), 14, np.uint8)
    _write(page, title, 6, _CAPTION_PX - 7)
    for number, entry in enumerate(entries):
        top = _CAPTION_PX + number // _ACROSS * (TILE_PX + _CAPTION_PX)
        left = number % _ACROSS * 2 * TILE_PX
        grey = cv2.cvtColor(_shown(entry.picture), cv2.COLOR_GRAY2BGR)
        pair = np.hstack([grey, _judged(grey, entry)])
        page[top + _CAPTION_PX : top + _CAPTION_PX + TILE_PX, left : left + 2 * TILE_PX] = pair
        _write(page, f"{entry.name}  Dice {entry.dice:.2f}", left + 6, top + _CAPTION_PX - 7)
    _legend(page)
    return page


def _judged(grey: UInt8[np.ndarray, "rows columns 3"], entry: Entry) -> UInt8[np.ndarray, "rows columns 3"]:
    size = (TILE_PX, TILE_PX)
    found = cv2.resize(entry.found.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    reference = cv2.resize(entry.reference.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    judged = (grey * 0.55).astype(np.uint8)
    judged[(reference > 0) & (found == 0)] = _MISSED_BGR
    rows, columns = np.indices(found.shape)
    stripes = (rows + columns) % (2 * _STRIPE_PX) < _STRIPE_PX
    invented = (found > 0) & (reference == 0)
    judged[invented & stripes] = _INVENTED_BGR
    both = ((found > 0) & (reference > 0)).astype(np.uint8)
    judged[(both - cv2.erode(both, np.ones((3, 3), np.uint8))) > 0] = _BOTH_BGR
    return judged


def _shown(picture: Float[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns"]:
    values = cv2.resize(np.asarray(picture, np.float32), (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
    low, high = np.percentile(values, [0.5, 99.5])
    return np.clip((values - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)


def _legend(page: UInt8[np.ndarray, "rows columns 3"]) -> None:
    top = page.shape[0] - _FOOT_PX + 8
    left = 6
    for colour, words in (
        (_BOTH_BGR, "found (outline)"), (_MISSED_BGR, "missed (filled)"), (_INVENTED_BGR, "not in reference (striped)"),
    ):  # fmt: skip
        cv2.rectangle(page, (left, top), (left + 11, top + 11), colour, -1)
        _write(page, words, left + 18, top + 11)
        left += 30 + 9 * len(words)
    _write(page, RESEARCH_LINE, 6, page.shape[0] - 8)


def _write(page: UInt8[np.ndarray, "rows columns 3"], text: str, left: int, baseline: int) -> None:
    cv2.putText(page, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _TEXT_BGR, 1, cv2.LINE_AA)
