"""The flow of contrast through the vessels over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import CenterlineTree
from engines.simulation.shapes.curve import distance_from_root_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One bolus for one group of branches.

    Args:
        arrival_s: at the root of the group (at its far end if `backwards`).
        speed_mm_per_s: speed of the front.
        duration_s: duration of the plateau.
        rise_s: time from empty to full, longer downstream.
        fall_s: time of the wash-out.
        peak_g_per_cm3: iodine in the lumen.
        backwards: whether flow runs towards the root, as in veins.
    """

    arrival_s: float
    speed_mm_per_s: float
    duration_s: float
    rise_s: float
    fall_s: float
    peak_g_per_cm3: float
    backwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filling:
    """Arrival of contrast at every centerline point of the tree, in the tree's own order."""

    arrival_s: Float[np.ndarray, " n"]
    duration_s: Float[np.ndarray, " n"]
    rise_s: Float[np.ndarray, " n"]
    fall_s: Float[np.ndarray, " n"]
    peak_g_per_cm3: Float[np.ndarray, " n"]

    def concentration_g_per_cm3(self, at_s: float) -> Float[np.ndarray, " n"]:
        """Iodine in the lumen at a time."""
        since = at_s - self.arrival_s
        rise = _smooth_step(since / self.rise_s)
        fall = 1.0 - _smooth_step((since - self.rise_s - self.duration_s) / self.fall_s)
        return self.peak_g_per_cm3 * rise * fall


def plan_filling(
    tree: CenterlineTree, groups: tuple[str, ...], injections: dict[str, Injection], closed: frozenset[int]
) -> Filling:
    """Filling times of every point; groups without an injection and closed branches stay empty."""
    travelled = distance_from_root_mm(tree)
    farthest: dict[str, float] = {}
    nearest: dict[str, float] = {}
    for group, way_mm in zip(groups, travelled, strict=True):
        farthest[group] = max(farthest.get(group, 0.0), float(way_mm[-1]))
        nearest[group] = min(nearest.get(group, np.inf), float(way_mm[0]))
    columns: list[np.ndarray] = []
    for index, (group, way_mm) in enumerate(zip(groups, travelled, strict=True)):
        injection = injections.get(group)
        if injection is None or index in closed:
            columns.append(np.vstack([np.full_like(way_mm, 1e9), *(np.ones_like(way_mm),) * 3, np.zeros_like(way_mm)]))
            continue
        ahead_mm = farthest[group] - way_mm if injection.backwards else way_mm - nearest[group]
        delay_s = ahead_mm / injection.speed_mm_per_s
        ones = np.ones_like(way_mm)
        columns.append(
            np.vstack(
                [
                    injection.arrival_s + delay_s,
                    injection.duration_s * ones,
                    injection.rise_s + 0.5 * delay_s,
                    injection.fall_s + 0.5 * delay_s,
                    injection.peak_g_per_cm3 * ones,
                ]
            )
        )
    arrival, duration, rise, fall, peak = np.concatenate(columns, axis=1)
    return Filling(arrival_s=arrival, duration_s=duration, rise_s=rise, fall_s=fall, peak_g_per_cm3=peak)


def _smooth_step(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
