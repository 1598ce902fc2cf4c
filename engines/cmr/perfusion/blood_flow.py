"""Blood flow in ml/min/g by a Fermi residue, only where the pictures allow a concentration.

A saturation-recovery picture shows 1 - exp(-TS R1); with the saturation time known, each curve over its own baseline
gives its R1 and so the contrast in it. The wall's is the pool's folded with a Fermi function h(t) = A / (1 +
exp((t - t0) / k)), whose first value is the flow (Jerosch-Herold 1998). Native T1 of blood and muscle are assumed, not
measured: flow is proportional to their ratio. Blood is not corrected for T2*: a strong bolus makes flow too high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from engines.cmr.perfusion.slice_perfusion import SlicePerfusion

NATIVE_T1_S = {"blood": 1.6, "wall": 1.15}  # 1.5 T, typical of published values; at 3 T both are a quarter longer
_DENSITY_G_PER_ML = 1.05
_MOST_RECOVERED = 0.85  # of the blood's full signal: above it, noise decides the concentration
_STEP_S = 0.2
_DELAYS_S = np.arange(-0.6, 4.1, 0.4)
_T0_S = np.array([-8.0, 0.5, 1.5, 3.0, 5.0, 8.0, 12.0, 18.0])  # far below zero the residue is an exponential
_WIDTHS_S = np.array([0.3, 0.8, 1.8, 4.0, 8.0])
_LOW, _HIGH = np.array([-0.8, -15.0, 0.15]), np.array([4.5, 25.0, 12.0])  # delay, t0, width in s
_STARTS = 2
_MOST_FLOW = 8.0  # ml/min/g: no heart has it
_WORST_FIT = 0.15  # of the curve's height, root mean square


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFlow:
    """Args:
    ml_min_g: None where the fit is not good enough.
    residual: root mean square of what the fit leaves, over the curve's height.
    """

    ml_min_g: float | None
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowModel:
    """Of one injection.

    Args:
        saturation_s: saturation time.
        fine_s, input_: the pool's contrast over a fine time axis, in units of R1 (1/s).
        nodes, fine_rows: places of a coarse search (delay, t0, width), and the curve of each for a residue of height 1.
    """

    saturation_s: float
    fine_s: Float[np.ndarray, " f"]
    input_: Float[np.ndarray, " f"]
    nodes: Float[np.ndarray, "n 3"]
    fine_rows: Float[np.ndarray, "n f"]

    def fit(self, part: SlicePerfusion, curve: Float[np.ndarray, " time"]) -> SegmentFlow:
        """Flow of a baseline-normalised mean curve of the wall, blood that leaks into it taken out."""
        fitted = part.tissue.fit(curve)
        count = len(fitted.residual)
        own = curve[:count] - part.tissue.blood @ fitted.leak
        return self.fit_contrast(part.part.times_ms[:count] / 1000.0, contrast(own, self.saturation_s, "wall"))

    def fit_contrast(self, time_s: Float[np.ndarray, " t"], wall: Float[np.ndarray, " t"]) -> SegmentFlow:
        """Flow of a curve of contrast (as R1 over the native one, 1/s)."""
        height = float(np.percentile(wall, 95))
        if height <= 0:
            return SegmentFlow(ml_min_g=None, residual=1.0)
        rows = np.stack([np.interp(time_s, self.fine_s, row) for row in self.fine_rows])
        power = np.maximum((rows**2).sum(axis=1), 1e-12)
        gain = np.maximum(rows @ wall, 0.0) / power
        left = ((wall - gain[:, None] * rows) ** 2).sum(axis=1)
        best: tuple[float, float] | None = None
        for node in np.argsort(left)[:_STARTS]:
            start = np.clip(self.nodes[node], _LOW + 1e-3, _HIGH - 1e-3)
            found = least_squares(
                lambda shape: self._left(shape, time_s, wall), start, bounds=(_LOW, _HIGH), max_nfev=10
            )
            if best is None or found.cost < best[0]:
                row = self._row(found.x, time_s)
                height_of = max(float(row @ wall), 0.0) / max(float((row**2).sum()), 1e-12)
                best = float(found.cost), height_of * 60.0 / _DENSITY_G_PER_ML
        assert best is not None
        residual = float(np.sqrt(2.0 * best[0] / len(wall))) / height
        good = residual <= _WORST_FIT and best[1] < _MOST_FLOW
        return SegmentFlow(ml_min_g=best[1] if good else None, residual=residual)

    def _row(self, shape: np.ndarray, time_s: np.ndarray) -> np.ndarray:
        return np.interp(time_s - shape[0], self.fine_s, _taken(self.fine_s, self.input_, shape[1], shape[2]))

    def _left(self, shape: np.ndarray, time_s: np.ndarray, wall: np.ndarray) -> np.ndarray:
        row = self._row(shape, time_s)
        return wall - max(float(row @ wall), 0.0) / max(float((row**2).sum()), 1e-12) * row


def contrast(curve: Float[np.ndarray, " t"], saturation_s: float, tissue: str) -> Float[np.ndarray, " t"]:
    """R1 above the native one (1/s) of a curve over its baseline; proportional to contrast."""
    native = 1.0 / NATIVE_T1_S[tissue]
    shown = np.minimum(curve * -np.expm1(-saturation_s * native), 0.98)
    return -np.log1p(-shown) / saturation_s - native


def flow_model(
    slices: Sequence[SlicePerfusion], basal: SlicePerfusion, saturation_time_ms: float | None
) -> FlowModel | str:
    """The model of one injection, or in words why there is no flow.

    Args:
        basal: the slice whose pool is the input.
    """
    if saturation_time_ms is None:
        return "the saturation time is not known"
    if any(part.pool.saturated for part in slices):
        return "the LV pool's curve is flat on top: its input is saturated"
    saturation_s = saturation_time_ms / 1000.0
    shown = float(basal.pool.signal.max()) * -np.expm1(-saturation_s / NATIVE_T1_S["blood"])
    if shown > _MOST_RECOVERED:
        return f"the LV pool reaches {100 * shown:.0f} % of its full signal: its contrast cannot be told"
    pool = contrast(basal.pool.signal, saturation_s, "blood")
    return model_of_input(basal.part.times_ms / 1000.0, pool, basal.pool.baseline_frames, saturation_s)


def flow_json(stress: SegmentFlow | None, rest: SegmentFlow | None) -> dict[str, float | None]:
    """A segment's keys in `result.json`: flow in ml/min/g, and what its fit leaves."""

    def short(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "stress_mbf": short(stress.ml_min_g) if stress is not None else None,
        "stress_mbf_residual": short(stress.residual) if stress is not None else None,
        "rest_mbf": short(rest.ml_min_g) if rest is not None else None,
        "rest_mbf_residual": short(rest.residual) if rest is not None else None,
    }


def known(flow: FlowModel | str) -> FlowModel | None:
    return None if isinstance(flow, str) else flow


def model_of_input(
    time_s: Float[np.ndarray, " t"], pool: Float[np.ndarray, " t"], before: int, saturation_s: float
) -> FlowModel:
    """Args:
    pool: the input's contrast, in units of R1 (1/s).
    before: frames before the bolus.
    """
    fine = np.arange(time_s[0], time_s[-1] + _STEP_S, _STEP_S)
    level = float(pool[:before].mean())
    input_ = np.interp(fine, time_s, np.where(np.arange(len(pool)) < before, 0.0, pool - level))
    nodes, rows = [], []
    for t0 in _T0_S:
        for width in _WIDTHS_S:
            taken = _taken(fine, input_, float(t0), float(width))
            for delay in _DELAYS_S:
                nodes.append((delay, t0, width))
                rows.append(np.interp(fine - delay, fine, taken))
    return FlowModel(
        saturation_s=saturation_s, fine_s=fine, input_=input_, nodes=np.array(nodes), fine_rows=np.array(rows)
    )  # fmt: skip


def _taken(fine: np.ndarray, input_: np.ndarray, t0: float, width: float) -> np.ndarray:
    """The input folded with a Fermi function whose first value is 1, by trapezoids."""
    t = fine - fine[0]
    residue = (1.0 + np.exp(np.clip(-t0 / width, -50.0, 50.0))) / (1.0 + np.exp(np.clip((t - t0) / width, -50.0, 50.0)))
    whole = np.convolve(input_, residue)[: len(fine)]
    return (whole - 0.5 * (input_ * residue[0] + input_[0] * residue)) * _STEP_S
