"""The wall's own curve in a measured one: what blood leaks into it is taken out, and noise has no place in it.

A measured curve of the wall is its baseline, the tissue's uptake, and a small share of the blood beside it. Sharp
edges of bright blood ring in a picture of few pixels, and for an instant the wall looks darker than it is (the dark
rim); a little motion does the same. Blood brightens before the wall, so both can be told apart: uptake is a sum, with
no negative share, of the pool's own curve delayed and drained at several paces (the family that indicator-dilution
theory allows, Zierler 1965, without choosing a member), the leak is the pool's curve itself. The steepest rise is then
read from the uptake alone, and its uncertainty from fits to resampled residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from engines.cmr.perfusion.steepness import steepest

_DELAYS_S = (0.0, 0.6, 1.2, 1.8, 2.6, 3.6)
_DRAINS_PER_S = (0.0, 0.04, 0.12, 0.35)
_FINE_S = 0.1
_LEAK_SD = 0.015  # share of the blood's rise
_UNEXPLAINED = 0.12  # of a curve's range, root mean square: more is another kind of curve
_TRIALS = 24
_BLOCK = 2  # frames that are resampled together: neighbours share what motion leaves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueFit:
    """Args:
    curve: uptake on a baseline of 1.
    leak: share of the left pool's rise (and the right one's) that lies in the measured curve.
    residual: (fitted frames,) what neither explains.
    upslope_per_s: steepest rise of `curve`.
    """

    curve: Float[np.ndarray, " time"]
    leak: Float[np.ndarray, " blood"]
    residual: Float[np.ndarray, " fitted"]
    upslope_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueModel:
    """Args:
    times_ms: of all frames.
    uptake: (fitted frames, shapes) of the pool's curve delayed and drained, each with a maximum of 1.
    blood: (fitted frames, 1 or 2) rise of the left and, where it is seen, of the right pool.
    window: frames between which the steepest rise may lie.
    """

    times_ms: Float[np.ndarray, " time"]
    uptake: Float[np.ndarray, "fitted shapes"]
    blood: Float[np.ndarray, "fitted blood"]
    window: tuple[int, int]
    before: int

    def fit(self, curve: Float[np.ndarray, " time"]) -> TissueFit:
        """Take a baseline-normalised curve apart."""
        whole, leak, residual = self._apart(np.asarray(curve, dtype=np.float64), self._noise(curve))
        return TissueFit(
            curve=whole, leak=leak, residual=residual, upslope_per_s=float(self._slopes(whole[None])[0])
        )  # fmt: skip

    def upslopes(self, curves: Float[np.ndarray, "n time"]) -> Float[np.ndarray, " n"]:
        """Steepest rise per second of what each curve's uptake is."""
        if not len(curves):
            return np.zeros(0)
        whole = [self._apart(np.asarray(curve, dtype=np.float64), self._noise(curve))[0] for curve in curves]
        return self._slopes(np.stack(whole))

    def _slopes(self, curves: Float[np.ndarray, "n time"]) -> Float[np.ndarray, " n"]:
        return steepest(curves, self.times_ms, *self.window)[0]

    def _noise(self, curve: np.ndarray) -> float:
        return float(np.median(np.abs(np.diff(curve[: self.before])))) / 0.6745 / np.sqrt(2.0) + 0.003

    def _apart(self, measured: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The uptake's curve over all frames, the leak's shares, and what neither explains."""
        frames, count = len(measured), len(self.uptake)
        measured = measured[:count]
        shapes, blood = self.uptake.shape[1], self.blood.shape[1]
        design = np.concatenate([self.uptake, self.blood, -self.blood], axis=1)
        hold = np.zeros((2 * blood, design.shape[1]))
        hold[np.arange(2 * blood), shapes + np.arange(2 * blood)] = noise / _LEAK_SD
        found, _ = nnls(
            np.concatenate([design, hold]), np.concatenate([measured - 1.0, np.zeros(2 * blood)]), maxiter=2000
        )
        residual = measured - 1.0 - design @ found
        curve = 1.0 + self.uptake @ found[:shapes]
        leak = found[shapes : shapes + blood] - found[shapes + blood :]
        worst = max(_UNEXPLAINED * float(np.ptp(measured)), 3.0 * noise)
        if float(np.sqrt((residual**2).mean())) > worst:  # no uptake from this pool: the curve speaks for itself
            curve, leak = measured, np.zeros(blood)
        return np.concatenate([curve, np.full(frames - len(curve), curve[-1])]), leak, residual

    def slope_sd(self, fit: TissueFit, random: np.random.Generator, *, trials: int = _TRIALS) -> float:
        """Standard deviation of the upslope over curves whose residuals were drawn anew, in blocks."""
        count, frames = len(fit.residual), len(fit.curve)
        # Fitting took a share of the residuals' size away.
        scale = np.sqrt(count / max(count - 5.0, 1.0))
        clean = fit.curve[:count] + self.blood @ fit.leak
        noise = float(np.std(fit.residual)) + 0.003
        curves = []
        for _ in range(trials):
            starts = random.integers(0, count - _BLOCK + 1, -(-count // _BLOCK))
            drawn = fit.residual[(starts[:, None] + np.arange(_BLOCK)).ravel()[:count]] * scale
            made = clean + drawn * random.choice([-1.0, 1.0])
            curves.append(self._apart(np.concatenate([made, np.full(frames - count, made[-1])]), noise)[0])
        return float(np.std(self._slopes(np.stack(curves)), ddof=1))


def tissue_model(
    times_ms: Float[np.ndarray, " time"],
    left: Float[np.ndarray, " time"],
    right: Float[np.ndarray, " time"] | None,
    before: int,
    window: tuple[int, int],
) -> TissueModel:
    """Args:
    left, right: curves of the pools by their own baseline.
    before: number of frames before the bolus.
    """
    last = min(window[1], len(times_ms) - 1)
    time_s = np.asarray(times_ms) / 1000.0
    fine = np.arange(time_s[0], time_s[-1] + _FINE_S, _FINE_S)
    rise = left - left[:before].mean()
    input_ = np.interp(fine, time_s, rise)
    shapes = []
    for drain in _DRAINS_PER_S:
        taken = np.convolve(input_, np.exp(-drain * np.arange(len(fine)) * _FINE_S))[: len(fine)] * _FINE_S
        shapes += [np.interp(time_s - delay, fine, taken, left=0.0)[: last + 1] for delay in _DELAYS_S]
    table = np.stack(shapes, axis=1)
    blood = [rise] if right is None else [rise, right - right[: max(before // 3, 2)].mean()]
    return TissueModel(
        times_ms=times_ms,
        uptake=table / np.maximum(np.abs(table).max(axis=0), 1e-9),
        blood=np.stack([part[: last + 1] for part in blood], axis=1),
        window=window,
        before=before,
    )
