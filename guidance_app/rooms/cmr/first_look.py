"""Where a reader looks first: the worst wall, the slice that saw it, the side it lies on. No Qt."""

from __future__ import annotations

from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.pictures.heart_scene import Standard

_RINGS, _HALF_RING = (5 / 6, 1 / 2, 1 / 6), 1 / 6  # middles of base, mid and apex


def worst_segment(opened: OpenedCmr, *, vessel: str = "") -> int:
    """The segment with the lowest upslope, of one vessel or of all; 0 where none was seen."""
    shares = {
        k: share
        for k, one in opened.found.segments.items()
        if k <= 16 and (not vessel or one.territory == vessel) and (share := opened.share(k)) is not None
    }
    return min(shares, key=lambda k: shares[k]) if shares else 0


def level_of(opened: OpenedCmr, segment: int) -> float:
    """A slice that saw the segment's ring, the nearest to its middle; the middle where none did."""
    middle = _RINGS[(segment > 6) + (segment > 12)]
    seen = [one.level for one in opened.found.slices if abs(one.level - middle) <= _HALF_RING]
    return min(seen, key=lambda level: abs(level - middle), default=middle)


def first_level(opened: OpenedCmr) -> float:
    """The seen slice through the worst wall, else the middle."""
    worst = worst_segment(opened)
    return level_of(opened, worst) if worst else 0.5


def telling_side(opened: OpenedCmr) -> Standard:
    """The side on which the worst wall lies."""
    worst = worst_segment(opened)
    if not worst:
        return "anterior"
    six: tuple[Standard, ...] = ("anterior", "septal", "septal", "inferior", "lateral", "lateral")
    four: tuple[Standard, ...] = ("anterior", "septal", "inferior", "lateral")
    return six[(worst - 1) % 6] if worst <= 12 else four[worst - 13]
