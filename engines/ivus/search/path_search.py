"""Every way a pullback can lie along the vessel: forward-backward and Viterbi over place and angle.

A state is (offset, angle): the frame lies at offset + direction * scale * nominal position. Offset and angle may change
by one step a frame; direction, handedness and scale are hypotheses of their own, all searched.
Source of the algorithms: Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77(2), 1989.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.geometry.vessel_course import STEP_MM

SCALES = (0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06)
_OVERHANG = 0.35  # of the pullback's length may lie beyond what is seen of the vessel, at each end
_OUTSIDE = -0.12  # evidence of a frame that lies beyond it: nothing said, and unlikely
_KEPT = 6  # hypotheses whose posterior is computed in full
_SLIDE_PER_MM, _TURN_PER_MM = 0.09, 0.12  # chance of a step either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """Args:
    along: +1 where the stored frames run from the ostium outwards, -1 where they come back.
    handedness: of the frame's axes about the course's tangent (the ostium outwards).
    scale: true length over nominal length.
    """

    along: int
    handedness: int
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """What the search found under one hypothesis.

    Args:
        probability: of the hypothesis, among all.
        place_mm: (f,) arc length of each frame on the best path.
        angle_rad: (f,) of the frame's u axis from the course's u.
        marginal: (f, offset, angle) probability of each state, summing to 1 in each frame.
        first_mm: (f,) arc length of the first offset in each frame.
    """

    hypothesis: Hypothesis
    probability: float
    place_mm: Float[np.ndarray, " f"]
    angle_rad: Float[np.ndarray, " f"]
    marginal: Float32[np.ndarray, "f x a"]
    first_mm: Float[np.ndarray, " f"]

    def places_mm(self, frame: int) -> Float[np.ndarray, " x"]:
        return self.first_mm[frame] + STEP_MM * np.arange(self.marginal.shape[1])


def search(
    evidence: Float32[np.ndarray, "2 f s a"], z_mm: Float[np.ndarray, " f"], course_mm: Float[np.ndarray, " s"], *,
    allowed: Callable[[Hypothesis], bool] = lambda _: True, sums: bool = True, refined: bool = True,
) -> list[Posterior]:  # fmt: skip
    """The most probable hypotheses, best first.

    Args:
        evidence: by handedness (+1, -1), frame, place and angle.
        z_mm: nominal positions from 0.
        course_mm: arc lengths of the places, every `STEP_MM`.
        allowed: which hypotheses are searched.
        sums: weigh hypotheses by all their paths; else by their best path alone.
        refined: places finer than the grid, from the posterior about the best path.
    """
    jobs = [job for job in _hypotheses(SCALES) if allowed(job)]
    if sums:
        likely = np.exp(evidence)
        totals = np.array([_forward_total(likely, z_mm, job) for job in jobs])
    else:
        totals = np.array([_best_path_total(evidence, z_mm, job) for job in jobs])
    weight = np.exp(totals - totals.max())
    weight /= weight.sum()
    kept = np.argsort(weight)[::-1][:_KEPT]
    return [
        _posterior(evidence, z_mm, course_mm, jobs[k], float(weight[k]), refined=refined)
        for k in kept
        if weight[k] > 1e-4
    ]


def hypothesis_totals(
    evidence: Float32[np.ndarray, "2 f s a"], z_mm: Float[np.ndarray, " f"], *, scales: Sequence[float] = SCALES
) -> Float[np.ndarray, " h"]:
    """Logarithm of the whole probability of every hypothesis of these scales."""
    likely = np.exp(evidence)
    return np.array([_forward_total(likely, z_mm, job) for job in _hypotheses(scales)])


def _hypotheses(scales: Sequence[float]) -> list[Hypothesis]:
    return [Hypothesis(along=a, handedness=h, scale=s) for a in (1, -1) for h in (1, -1) for s in scales]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layout:
    """Where each frame's offsets lie in a table that is padded at both ends.

    Args:
        pad: rows before and behind what is seen of the vessel.
        first: (f,) first padded row of each frame.
        count: offsets.
    """

    pad: int
    first: Int[np.ndarray, " f"]
    count: int


def _layout(z_mm: Float[np.ndarray, " f"], places: int, job: Hypothesis) -> _Layout:
    moved = np.rint(job.along * job.scale * z_mm / STEP_MM).astype(int)
    reach = int(np.ptp(moved))
    overhang = int(np.ceil(max(_OVERHANG * float(z_mm[-1]), 3.0) / STEP_MM))
    # A vessel that is shorter than the pullback still needs room for all of it.
    pad = overhang + max(0, (reach - places + 1) // 2)
    return _Layout(pad=pad, first=moved - moved.min(), count=places + 2 * pad - reach)


def _tables(
    evidence: Float32[np.ndarray, "2 f s a"], z_mm: Float[np.ndarray, " f"], job: Hypothesis, layout: _Layout,
    *, outside: float = _OUTSIDE,
) -> Iterator[Float32[np.ndarray, "x a"]]:  # fmt: skip
    """Evidence (or its exponential) of each frame by offset and angle; valid until the next is asked for."""
    places = evidence.shape[2]
    mine = evidence[0 if job.handedness > 0 else 1]
    padded = np.full((places + 2 * layout.pad, ANGLES), outside, dtype=np.float32)
    for frame in range(len(z_mm)):
        padded[layout.pad : layout.pad + places] = mine[frame]
        yield padded[layout.first[frame] : layout.first[frame] + layout.count]


def _spread(state: np.ndarray, slide: float, turn: float) -> np.ndarray:
    """One step of the walk: a little along, a little about."""
    part = np.asarray(turn, dtype=state.dtype) * state
    about = state - 2.0 * part
    about[:, 1:] += part[:, :-1]
    about[:, 0] += part[:, -1]
    about[:, :-1] += part[:, 1:]
    about[:, -1] += part[:, 0]
    np.multiply(about, np.asarray(slide, dtype=state.dtype), out=part)
    about -= 2.0 * part
    about[1:] += part[:-1]
    about[:-1] += part[1:]
    return about


def _rates(z_mm: Float[np.ndarray, " f"]) -> list[tuple[float, float]]:
    """Chances of a step before each frame; a long gap allows more."""
    gaps = np.diff(z_mm, prepend=z_mm[0])
    return [(min(_SLIDE_PER_MM * gap, 0.3), min(_TURN_PER_MM * gap, 0.3)) for gap in gaps]


def _forward_total(likely: Float32[np.ndarray, "2 f s a"], z_mm: Float[np.ndarray, " f"], job: Hypothesis) -> float:
    """Logarithm of the hypothesis' whole probability.

    Args:
        likely: exponential of the evidence.
    """
    places = likely.shape[2]
    layout = _layout(z_mm, places, job)
    total = 0.0
    state: np.ndarray | None = None
    tables = _tables(likely, z_mm, job, layout, outside=float(np.exp(_OUTSIDE)))
    for table, (slide, turn) in zip(tables, _rates(z_mm), strict=True):
        # Offsets share one prior, so hypotheses with longer tables gain nothing.
        if state is None:
            state = table / np.float32(places * ANGLES)
        else:
            state = _spread(state, slide, turn)
            state *= table
        size = float(state.sum())
        total += np.log(size)
        state /= np.float32(size)
    return total


def _posterior(
    evidence: Float32[np.ndarray, "2 f s a"], z_mm: Float[np.ndarray, " f"], course_mm: Float[np.ndarray, " s"],
    job: Hypothesis, probability: float, *, refined: bool = True,
) -> Posterior:  # fmt: skip
    layout = _layout(z_mm, len(course_mm), job)
    tables = [table.copy() for table in _tables(evidence, z_mm, job, layout)]
    rates = _rates(z_mm)
    forward: list[np.ndarray] = []
    for table, (slide, turn) in zip(tables, rates, strict=True):
        state = np.exp(table) if not forward else _spread(forward[-1], slide, turn) * np.exp(table)
        forward.append((state / state.sum()).astype(np.float32))
    marginal = np.empty((len(tables), *tables[0].shape), dtype=np.float32)
    backward = np.ones(tables[0].shape)
    for frame in range(len(tables) - 1, -1, -1):
        both = forward[frame] * backward
        marginal[frame] = both / both.sum()
        if frame:
            slide, turn = rates[frame]
            backward = _spread(backward * np.exp(tables[frame]), slide, turn)
            backward /= backward.max()
    first_mm = course_mm[0] + STEP_MM * (layout.first - layout.pad)
    path, _ = _viterbi(tables, rates)
    place, angle = _refined(marginal, path, first_mm) if refined else _on_grid(path, first_mm)
    # Whole rows are too coarse: the rounding of each frame's position is put back.
    exact = job.along * job.scale * z_mm / STEP_MM
    place += STEP_MM * (exact - np.rint(exact))
    return Posterior(
        hypothesis=job, probability=probability, place_mm=place, angle_rad=angle, marginal=marginal, first_mm=first_mm
    )


def _best_path_total(evidence: Float32[np.ndarray, "2 f s a"], z_mm: Float[np.ndarray, " f"], job: Hypothesis) -> float:
    """Logarithm of the probability of the hypothesis' best path."""
    layout = _layout(z_mm, evidence.shape[2], job)
    tables = [table.copy() for table in _tables(evidence, z_mm, job, layout)]
    return _viterbi(tables, _rates(z_mm))[1]


def _on_grid(
    path: Int[np.ndarray, "f 2"], first_mm: Float[np.ndarray, " f"]
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    return first_mm + STEP_MM * path[:, 0], np.unwrap(path[:, 1] * 2.0 * np.pi / ANGLES)


def _viterbi(tables: list[np.ndarray], rates: list[tuple[float, float]]) -> tuple[Int[np.ndarray, "f 2"], float]:
    """Offset and angle of each frame on the most probable path, and the logarithm of its probability."""
    moves = [(dx, da) for dx in (-1, 0, 1) for da in (-1, 0, 1)]
    best = tables[0].astype(np.float64)
    came: list[np.ndarray] = []
    for table, (slide, turn) in zip(tables[1:], rates[1:], strict=True):
        cost = {-1: np.log(max(slide, 1e-6)), 0: np.log(1 - 2 * slide), 1: np.log(max(slide, 1e-6))}
        bend = {-1: np.log(max(turn, 1e-6)), 0: np.log(1 - 2 * turn), 1: np.log(max(turn, 1e-6))}
        winner = np.full(best.shape, -np.inf)
        choice = np.zeros(best.shape, dtype=np.int8)
        for number, (dx, da) in enumerate(moves):
            from_here = np.roll(best, (dx, da), axis=(0, 1))
            if dx > 0:
                from_here[:dx] = -np.inf
            elif dx < 0:
                from_here[dx:] = -np.inf
            from_here = from_here + (cost[dx] + bend[da])
            better = from_here > winner
            winner = np.where(better, from_here, winner)
            choice[better] = number
        came.append(choice)
        best = winner + table
    here = np.unravel_index(int(np.argmax(best)), best.shape)
    path = [(int(here[0]), int(here[1]))]
    for choice in reversed(came):
        x, a = path[-1]
        dx, da = moves[int(choice[x, a])]
        path.append((x - dx, (a - da) % ANGLES))
    return np.array(path[::-1]), float(best.max())


def _refined(
    marginal: Float32[np.ndarray, "f x a"], path: Int[np.ndarray, "f 2"], first_mm: Float[np.ndarray, " f"]
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """Posterior means within 1.5 mm and 30 degrees of the best path: finer than the grid."""
    place, angle = np.empty(len(path)), np.empty(len(path))
    rows, turns = int(1.5 / STEP_MM), 4
    steps = np.arange(-turns, turns + 1)
    for frame, (x, a) in enumerate(path):
        low, high = max(x - rows, 0), min(x + rows + 1, marginal.shape[1])
        part = marginal[frame, low:high][:, (a + steps) % ANGLES]
        total = max(float(part.sum()), 1e-30)
        place[frame] = first_mm[frame] + STEP_MM * float((part.sum(axis=1) * np.arange(low, high)).sum()) / total
        angle[frame] = (a + float((part.sum(axis=0) * steps).sum()) / total) * 2.0 * np.pi / ANGLES
    return place, np.unwrap(angle)
