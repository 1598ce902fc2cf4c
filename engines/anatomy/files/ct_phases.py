"""Several phases in one CT series: told apart by what their headers say, listed, and chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from calibration.errors import InputError
from engines.anatomy.files.ct_slice import CtSlice

_SAME_PLACE_MM = 0.01
_WHOLE_SHARE = 0.9  # of the places that a phase must fill
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phase:
    """One stack of a series; `words` says when it was taken ("40 %, 300 ms after the R wave")."""

    slices: tuple[CtSlice, ...]
    words: str
    percent: float | None


_KEYS: tuple[Callable[[CtSlice], object], ...] = (
    lambda part: part.moment.percent,
    lambda part: part.moment.position,
    lambda part: part.moment.trigger_ms,
    lambda part: part.moment.acquisition,
    lambda part: part.moment.time or None,
    lambda part: (part.moment.percent, part.moment.trigger_ms, part.moment.acquisition),
    lambda part: str(part.path.parent),
)


def phases_of(slices: Sequence[CtSlice], along_mm: Float[np.ndarray, " n"]) -> list[Phase]:
    """Whole stacks of one slice a place, in the order of their times; a single one where no place is taken twice.

    Args:
        along_mm: where each slice lies along the stack.

    Returns an empty list where places are taken twice and nothing tells the slices apart.
    """
    place = place_numbers(along_mm)
    places = int(place.max()) + 1
    if places == len(slices):
        return [_phase(list(slices))]
    for key in _KEYS:
        groups: dict[object, list[int]] = {}
        for index, part in enumerate(slices):
            groups.setdefault(key(part), []).append(index)
        if len(groups) > 1 and all(_is_whole(place[index], places) for index in groups.values()):
            return _ordered([[slices[i] for i in index] for index in groups.values()])
    return _by_number(slices, place, places)


def place_numbers(along_mm: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Which place each slice lies in, from 0 along the stack; what lies closer than rounding is one place."""
    order = np.argsort(along_mm, kind="stable")
    number = np.concatenate([[0], np.cumsum(np.diff(along_mm[order]) > _SAME_PLACE_MM)])
    place = np.empty(len(along_mm), dtype=np.int64)
    place[order] = number
    return place


def chosen_phase(phases: Sequence[Phase], phase: int | None, folder: Path, like: CtSlice | None) -> Phase:
    """The phase that was asked for: by its number in the list, by its percentage, or as that of one slice.

    Raises:
        InputError: several phases and none chosen, or one that is not there.
    """
    if phase is None and len(phases) == 1:
        return phases[0]
    if phase is None and like is not None:
        own = [p for p in phases if any(s.path == like.path and s.frame == like.frame for s in p.slices)]
        if len(own) == 1:
            return own[0]
    if phase is not None and 1 <= phase <= len(phases):
        return phases[phase - 1]
    by_percent = [p for p in phases if phase is not None and p.percent == phase]
    if len(by_percent) == 1:
        return by_percent[0]
    listed = "; ".join(f"{number}: {p.words}, {len(p.slices)} slices" for number, p in enumerate(phases[:_SHOWN], 1))
    more = f" and {len(phases) - _SHOWN} more" if len(phases) > _SHOWN else ""
    if phase is None:
        raise InputError(
            f"{folder}: holds {len(phases)} phases in one series ({listed}{more}); choose one with --phase "
            f"1 to {len(phases)}, or give the path of one of its files"
        )
    raise InputError(f"{folder}: has no phase {phase}; it holds {listed}{more}")


def _is_whole(place: Int[np.ndarray, " n"], places: int) -> bool:
    own = np.unique(place)
    return len(own) == len(place) and len(own) >= max(2, _WHOLE_SHARE * places)


def _by_number(slices: Sequence[CtSlice], place: Int[np.ndarray, " n"], places: int) -> list[Phase]:
    """One phase after the other in the numbering of the series."""
    if len(slices) % places or any(part.moment.instance is None for part in slices):
        return []
    order = np.argsort([part.moment.instance or 0.0 for part in slices], kind="stable")
    blocks = np.split(order, len(slices) // places)
    if not all(_is_whole(place[block], places) for block in blocks):
        return []
    return [_phase([slices[i] for i in block.tolist()]) for block in blocks]


def _ordered(groups: list[list[CtSlice]]) -> list[Phase]:
    def when(group: list[CtSlice]) -> tuple[float, float, float, float, str, float]:
        moment = group[0].moment
        known = (moment.percent, moment.trigger_ms, moment.position, moment.acquisition)
        first = min(part.moment.instance or 0.0 for part in group)
        a, b, c, d = (np.inf if value is None else value for value in known)
        return a, b, c, d, moment.time, first

    return [_phase(group) for group in sorted(groups, key=when)]


def _phase(group: list[CtSlice]) -> Phase:
    moment = group[0].moment
    said = []
    if moment.percent is not None:
        said.append(f"{moment.percent:g} %")
    if moment.trigger_ms is not None:
        said.append(f"{moment.trigger_ms:g} ms after the R wave")
    if moment.acquisition is not None:
        said.append(f"acquisition {moment.acquisition:g}")
    if moment.time and not said[:2]:
        said.append(f"at {moment.time}")
    return Phase(slices=tuple(group), words=", ".join(said) or f"from {group[0].place}", percent=moment.percent)
