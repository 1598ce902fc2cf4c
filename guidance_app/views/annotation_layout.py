"""Where each word stands: nothing overlaps, nothing crosses the border, and what matters most keeps its size longest.

A column at the top holds the badge and what explains it, the corners hold the rest. In a view that is too narrow for
both side by side the upper corners' words stand in the lower corners: the view's size decides that, and not what the
badge says, so that no corner moves when a state changes. Where that is too much, what is read from near is left out;
only then do letters shrink.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QFont, QFontMetricsF

from guidance_app.views import palette
from guidance_app.views.annotations import Annotations, Corners
from guidance_app.views.language import tr
from guidance_app.views.legibility import TextSizes
from guidance_app.views.overlay_look import Badge

Role = Literal["bar", "badge", "message", "note", "corner", "side", "research", "label"]
Align = Literal["left", "centre", "right"]

_FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.28, 0.22, 0.17, 0.13, 0.1)
_MARGIN = 0.5  # in secondary letters
_GAP = 0.35
_MOST_LINES_BESIDE = 3  # between two corners; more would hang far into the picture
_CORNERS_BESIDE_FROM = 26.0  # width of the view in primary letters
_SMALLEST_BESIDE = 0.7  # a longer language shrinks as far before the corners give way
_SIDE_MOVES = 0.15  # of the picture; a letter pushed further in would cover what is looked at
_EXPLAINS = 0.55  # size of an explanation in that of the warning


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedText:
    """Lines on one plate.

    Args:
        at: the plate, view pixels.
        sizes_px: nominal letter size of each line.
        badge: its shape stands before the first line.
    """

    role: Role
    at: QRectF
    lines: tuple[str, ...]
    sizes_px: tuple[float, ...]
    align: Align = "left"
    bold: bool = False
    colour: str = palette.TEXT
    badge: Badge | None = None


def text_font(size_px: float, *, bold: bool = False) -> QFont:
    font = QFont(palette.FONT_FAMILY)
    font.setPixelSize(max(1, round(size_px)))
    font.setBold(bold)
    return font


def line_height(size_px: float) -> float:
    return 1.22 * round(size_px)


@lru_cache(maxsize=4096)  # the same words come again with every frame, and measuring them costs more than painting
def text_width(text: str, size_px: float, *, bold: bool = False) -> float:
    return QFontMetricsF(text_font(size_px, bold=bold)).horizontalAdvance(text)


def placed_texts(
    area: QRectF, picture: QRectF | None, words: Annotations, sizes: TextSizes, *, label_at: QPointF | None = None
) -> tuple[PlacedText, ...]:
    """All words in their places.

    Args:
        area: of the view.
        picture: where the frame lies in it, for the letters of its sides; None without one.
        label_at: where the overlay's own mark would stand best; it is left out where others stand.
    """
    beside = area.width() >= _CORNERS_BESIDE_FROM * sizes.primary_px
    tries = [(factor, True) for factor in _FACTORS if beside and factor >= _SMALLEST_BESIDE]
    for factor, in_corners in (*tries, *((factor, False) for factor in _FACTORS)):
        for near in (True, False):
            page = _Page(area, sizes.scaled(factor), words, near=near, beside=in_corners)
            placed = page.placed(picture)
            if placed is not None and fits(area, placed):
                return (*placed, *_label(area, placed, words, sizes.scaled(factor), label_at))
    # No view is so small in practice: what warns stays, whatever it covers.
    return tuple(_Page(area, sizes.scaled(_FACTORS[-1]), words, near=False, beside=False).placed(picture) or ())


def fits(area: QRectF, placed: list[PlacedText]) -> bool:
    inside = all(area.contains(text.at) for text in placed)
    return inside and not any(
        text.at.intersects(other.at) for number, text in enumerate(placed) for other in placed[:number]
    )


class _Page:
    """One try at a size; `near` keeps what is read from near, `beside` the corners beside the column."""

    def __init__(self, area: QRectF, sizes: TextSizes, words: Annotations, *, near: bool, beside: bool) -> None:
        self._area, self._sizes, self._words, self._near, self._beside = area, sizes, words, near, beside
        self._margin = _MARGIN * sizes.secondary_px
        self._gap = _GAP * sizes.secondary_px
        self._pad = 0.25 * sizes.secondary_px + 0.12 * sizes.primary_px

    def placed(self, picture: QRectF | None) -> list[PlacedText] | None:
        """None where a word is wider than the view."""
        area, words = self._area, self._words
        inside = area.adjusted(self._margin, self._margin, -self._margin, -self._margin)
        top = inside.top()
        texts: list[PlacedText] = []
        if words.bar:
            bar = self._bar(inside, top)
            texts.append(bar)
            top = bar.at.bottom() + self._gap
        corners = self._corner_blocks(words.corners if self._beside else _lowered(words.corners))
        left, right = corners["top_left"], corners["top_right"]
        side = max(_width(left), _width(right))
        between = inside.width() - (2.0 * (side + 2.0 * self._gap) if side > 0.0 else 0.0)
        column = self._column(inside, top, between)
        if column is None:
            return None
        texts += column
        for block, edge in ((left, "left"), (right, "right")):
            if block is not None:
                texts.append(_at(block, _x(inside, block, edge), top))
        texts += self._bottom(inside, corners)
        if words.sides is not None and picture is not None:
            texts += self._sides(picture.intersected(inside), texts)
        return texts

    def _bar(self, inside: QRectF, top: float) -> PlacedText:
        lines = wrapped(self._words.bar, inside.width() - 4 * self._pad, self._sizes.primary_px, bold=True)
        height = len(lines) * line_height(self._sizes.primary_px) + 2 * self._pad
        return PlacedText(
            role="bar", at=QRectF(inside.left(), top, inside.width(), height), lines=lines, align="centre", bold=True,
            sizes_px=(self._sizes.primary_px,) * len(lines), colour=palette.ON_ALARM,
        )  # fmt: skip

    def _column(self, inside: QRectF, top: float, width: float) -> list[PlacedText] | None:
        """Badge, message and notes one below the other; None where the longest word is wider."""
        most_lines = _MOST_LINES_BESIDE if self._beside else None
        words, primary = self._words, self._sizes.primary_px
        texts: list[PlacedText] = []
        y = top
        badge = words.badge
        if badge is not None:
            room = width - 2 * self._pad - 1.1 * primary
            lines = _badge_lines(badge.text, room, primary)
            if lines is None or (most_lines is not None and len(lines) > most_lines):
                return None
            text = self._block("badge", lines, (primary,) * len(lines), bold=True, colour=badge.colour, badge=badge)
            texts.append(_at(text, inside.center().x() - text.at.width() / 2.0, y))
            y = texts[-1].at.bottom() + self._gap
        rest: list[tuple[Role, str]] = [("note", note) for note in words.notes]
        if words.message:
            rest.append(("message", words.message))
        for role, sentence in rest:
            # The badge has warned from afar; what explains it must not cover the picture.
            size = primary if role == "note" else max(_EXPLAINS * primary, self._sizes.secondary_px)
            lines = wrapped(sentence, width - 2 * self._pad, size)
            too_wide = any(text_width(line, size) > width - 2 * self._pad for line in lines)
            if too_wide or (most_lines is not None and len(lines) > most_lines):
                return None
            text = self._block(role, lines, (size,) * len(lines), align="centre", colour=palette.BRIGHT_TEXT)
            texts.append(_at(text, inside.center().x() - text.at.width() / 2.0, y))
            y = texts[-1].at.bottom() + self._gap
        return texts

    def _corner_blocks(self, corners: Corners) -> dict[str, PlacedText | None]:
        primary, secondary = self._sizes.primary_px, self._sizes.secondary_px

        def block(far: tuple[str, ...], near: tuple[str, ...], align: Align) -> PlacedText | None:
            near = near if self._near else ()
            far = tuple(line for line in far if line)
            if not far and not near:
                return None
            sizes = (primary,) * len(far) + (secondary,) * len(near)
            return self._block("corner", (*far, *near), sizes, align=align)

        return {
            "top_left": block((corners.state,), corners.top_left, "left"),
            "top_right": block(corners.angles, corners.top_right, "right"),
            "bottom_left": block(
                (*corners.lower_left, corners.frame), (*corners.spare_left, *corners.bottom_left), "left"
            ),
            "bottom_right": block(corners.lower_right, (*corners.spare_right, *corners.bottom_right), "right"),
        }

    def _bottom(self, inside: QRectF, corners: dict[str, PlacedText | None]) -> list[PlacedText]:
        size = self._sizes.secondary_px
        lines = wrapped(tr(palette.RESEARCH_LINE), inside.width() - 2 * self._pad, size)
        research = self._block("research", lines, (size,) * len(lines), align="centre")
        research = _at(
            research, inside.center().x() - research.at.width() / 2.0, inside.bottom() - research.at.height()
        )
        left, right = corners["bottom_left"], corners["bottom_right"]
        side = max(_width(left), _width(right))
        beside = inside.width() >= research.at.width() + 2.0 * (side + self._gap)
        floor = inside.bottom() if beside else research.at.top() - self._gap
        texts = [research]
        for block, edge in ((left, "left"), (right, "right")):
            if block is not None:
                texts.append(_at(block, _x(inside, block, edge), floor - block.at.height()))
        return texts

    def _sides(self, picture: QRectF, others: list[PlacedText]) -> list[PlacedText]:
        """In the middle of each edge, or as near to it as what stands there leaves room."""
        sides, middle = self._words.sides, self._area.center().y()
        assert sides is not None
        texts = []
        for letter, across, down in (
            (sides.left, 0.0, 0.5),
            (sides.right, 1.0, 0.5),
            (sides.top, 0.5, 0.0),
            (sides.bottom, 0.5, 1.0),
        ):
            if not letter:
                continue
            text = self._block(
                "side", (letter,), (self._sizes.primary_px,), bold=True, align="centre", colour=palette.BRIGHT_TEXT
            )
            left = picture.left() + across * (picture.width() - text.at.width())
            right = left + text.at.width()
            near = [other.at for other in others if other.at.left() < right and other.at.right() > left]
            above = [at.bottom() + self._gap for at in near if at.center().y() < middle]
            below = [at.top() - self._gap for at in near if at.center().y() >= middle]
            upper, lower = max([picture.top(), *above]), min([picture.bottom(), *below])
            lowest = lower - text.at.height()
            pushed = upper - picture.top() if down == 0.0 else picture.bottom() - lower
            if down == 0.5:
                # At one height in every state, as long as nothing stands there.
                y = picture.center().y() - text.at.height() / 2.0
                texts.append(_at(text, left, max(upper, min(y, lowest))))
            elif pushed <= _SIDE_MOVES * picture.height():
                texts.append(_at(text, left, upper if down == 0.0 else lowest))
        return texts

    def _block(
        self,
        role: Role,
        lines: tuple[str, ...],
        sizes_px: tuple[float, ...],
        *,
        align: Align = "left",
        bold: bool = False,
        colour: str = palette.TEXT,
        badge: Badge | None = None,
    ) -> PlacedText:
        """At the origin; `_at` moves it."""
        width = max(text_width(line, size, bold=bold) for line, size in zip(lines, sizes_px, strict=True))
        width += 1.1 * sizes_px[0] if badge is not None else 0.0
        height = sum(line_height(size) for size in sizes_px)
        at = QRectF(0.0, 0.0, width + 2 * self._pad, height + self._pad)
        return PlacedText(
            role=role, at=at, lines=lines, sizes_px=sizes_px, align=align, bold=bold, colour=colour, badge=badge
        )


def wrapped(words: str, width: float, size_px: float, *, bold: bool = False) -> tuple[str, ...]:
    """Whole words a line, in as few lines as go into the width, and those as even as can be: no word alone at last."""
    lines = _filled(words, width, size_px, bold)
    narrower = width
    while len(lines) > 1:
        narrower *= 0.93
        tried = _filled(words, narrower, size_px, bold)
        if len(tried) > len(lines) or any(text_width(line, size_px, bold=bold) > narrower for line in tried):
            break
        lines = tried
    return lines


def _filled(words: str, width: float, size_px: float, bold: bool) -> tuple[str, ...]:
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}", size_px, bold=bold) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return tuple(lines) or ("",)


def _badge_lines(text: str, width: float, size_px: float) -> tuple[str, ...] | None:
    """One line, or what stands before and after its dash, or whole words a line; None where a word does not go in."""
    for lines in ((text,), tuple(text.split(" - ")), wrapped(text, width, size_px, bold=True)):
        if all(text_width(line, size_px, bold=True) <= width for line in lines):
            return lines
    return None


def _lowered(corners: Corners) -> Corners:
    """The upper corners' words above those of the lower ones, which leaves the top to the badge; without the spare."""
    return Corners(
        frame=corners.frame,
        lower_left=(corners.state,),
        lower_right=corners.angles,
        bottom_left=(*corners.top_left, *corners.bottom_left),
        bottom_right=corners.bottom_right,
    )


def _label(
    area: QRectF, placed: list[PlacedText], words: Annotations, sizes: TextSizes, at: QPointF | None
) -> list[PlacedText]:
    if not words.label or at is None:
        return []
    size = max(sizes.secondary_px, 0.6 * sizes.primary_px)
    width, height = text_width(words.label, size, bold=True) + size, 1.5 * size
    # Beside the overlay's outermost point or nowhere: elsewhere it would hide vessels, and the badge says it too.
    text = PlacedText(
        role="label", at=QRectF(at.x() + size, at.y() - height / 2, width, height), lines=(words.label,),
        sizes_px=(size,), align="centre", bold=True, colour=words.label_colour,
    )  # fmt: skip
    return [text] if fits(area, [*placed, text]) else []


def _width(block: PlacedText | None) -> float:
    return 0.0 if block is None else block.at.width()


def _x(inside: QRectF, block: PlacedText, edge: str) -> float:
    return inside.left() if edge == "left" else inside.right() - block.at.width()


def _at(text: PlacedText, x: float, y: float) -> PlacedText:
    return replace(text, at=QRectF(x, y, text.at.width(), text.at.height()))
