"""First pass of contrast: arterial input, two-compartment exchange in the wall, saturation-recovery signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_FINE_S = 0.1
_RELAXIVITY = 4.5  # 1/(mM s), gadobutrol at 1.5 T
_R1_BLOOD, _R1_WALL = 0.62, 0.80  # 1/s before contrast, 1.5 T
_WINDOW_BEATS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstPass:
    """Signals of one injection on a fine time axis.

    Args:
        time_s: (t,).
        left, right: signal of the blood in the left and right ventricle.
        flows: (f,) ml/min/g; `wall` holds one curve a flow.
    """

    time_s: Float[np.ndarray, " t"]
    left: Float[np.ndarray, " t"]
    right: Float[np.ndarray, " t"]
    flows: Float[np.ndarray, " f"]
    wall: Float[np.ndarray, "f t"]

    def relative_upslope(self, beat_s: float) -> Float[np.ndarray, " f"]:
        """Steepest rise over four beats, each curve by its own baseline, against the LV pool's."""
        step = max(1, round((_WINDOW_BEATS - 1) * beat_s / _FINE_S))

        def steepest(curve: np.ndarray) -> float:
            return float(((curve[step:] - curve[:-step]) / (step * _FINE_S)).max() / curve[0])

        pool = steepest(self.left)
        return np.array([steepest(curve) for curve in self.wall]) / pool


def inject(random: np.random.Generator, *, stress: bool, saturation_s: float, shifted: bool) -> FirstPass:
    """One injection; under stress the circulation is faster and the bolus shorter."""
    time = np.arange(0.0, 70.0, _FINE_S)
    arrival = random.uniform(6.0, 10.0)
    width = random.uniform(1.1, 1.6) * (1.0 if stress else 1.3) * (1.2 if shifted else 1.0)
    peak = random.uniform(1.8, 3.2)
    right = peak * 1.15 * _bolus(time, arrival, 0.75 * width)
    left = peak * _bolus(time, arrival + random.uniform(3.0, 4.5), width)
    recirculation = 0.22 * peak * _bolus(time, arrival + 15.0, 4.0 * width) + 0.18 * peak * _plateau(
        time, arrival + 8.0
    )
    left, right = left + recirculation, right + recirculation
    flows = np.linspace(0.05, 4.5, 60)
    wall = np.array([_exchange(time, left, flow, shifted=shifted) for flow in flows])

    def signal(concentration: np.ndarray, r1: float) -> np.ndarray:
        return 1.0 - np.exp(-saturation_s * (r1 + _RELAXIVITY * concentration))

    return FirstPass(
        time_s=time,
        left=signal(left, _R1_BLOOD),
        right=signal(right, _R1_BLOOD),
        flows=flows,
        wall=signal(wall, _R1_WALL),
    )


def _bolus(time: np.ndarray, start: float, width: float) -> np.ndarray:
    t = np.clip(time - start, 0.0, None) / width
    return (t / 2.0) ** 2 * np.exp(2.0 - t)


def _plateau(time: np.ndarray, start: float) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-(time - start) / 2.5)) * np.exp(-np.clip(time - start, 0, None) / 120.0)


def _exchange(time: np.ndarray, plasma: np.ndarray, flow_ml_min_g: float, *, shifted: bool) -> np.ndarray:
    """Tissue concentration: capillary plasma and interstitium, with a delay (Sourbron and Buckley 2012, adiabatic)."""
    flow = flow_ml_min_g / 60.0 * 1.05
    capillary, interstitium = 0.06, 0.28
    extraction = 1.0 - np.exp(-(3.0 if not shifted else 2.2) / max(flow_ml_min_g, 0.05))
    transit = capillary / flow
    behind = extraction * np.exp(-np.clip(time - transit, 0.0, None) * extraction * flow / interstitium)
    # The sample in which the capillary's blood leaves holds both.
    whole = np.clip((transit - time) / _FINE_S + 0.5, 0.0, 1.0)
    residue = whole + (1.0 - whole) * behind
    delayed = np.interp(time - 0.8, time, plasma, left=0.0)
    return flow * np.convolve(delayed, residue)[: len(time)] * _FINE_S
