"""Measure how well calibration recovers the truth of simulated bead phantoms and grids with noise and blur."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from calibration.errors import InputError
from calibration.intensifier.distortion_grid import DistortionFit, find_grid, fit_distortion
from calibration.intensifier.simulated_grid import Intensifier, grid_picture
from calibration.phantoms.beads import attenuation
from calibration.phantoms.carm_calibration import PhantomPicture, angles_of, calibrate_view
from calibration.phantoms.simulated_phantom import random_view
from engines.inference.machine import Machine, this_machine

SCHEMA = "guidance-app/calibration-check/1"
LIMIT_DISTORTION_PX = 0.3  # a residual above a third of a pixel would be visible at a vessel's edge
_SIDE_PX = 512
_GRID_MM, _GRID_PX = 10.0, 26.0
_BITS = 12
_GRIDS_FROM = 10_000  # first seed of the grids, separate from the phantoms' seeds

Progress = Callable[[int, int], None]


class Spread(BaseModel):
    """The spread of one error over all accepted pictures."""

    model_config = ConfigDict(frozen=True)
    median: float
    p95: float
    largest: float


class PhantomFigures(BaseModel):
    """Errors against the simulated truth; distances in mm, angles in degrees, residuals in pixels."""

    model_config = ConfigDict(frozen=True)
    pictures: int
    accepted: int
    refusals: list[str]
    focal_spot_mm: Spread | None
    focal_spot_across_beam_mm: Spread | None
    detector_distance_mm: Spread | None
    principal_point_mm: Spread | None
    beam_angle_deg: Spread | None
    residual_rms_px: Spread | None
    within_three_sigma: float | None = Field(description="share of focal spots within three of their stated sigma")


class GridFigures(BaseModel):
    """Distortion: the residuals that the fit states, and those against the simulated truth."""

    model_config = ConfigDict(frozen=True)
    pictures: int
    accepted: int
    refusals: list[str]
    largest_shift_px: Spread | None
    held_out_rms_px: Spread | None
    against_truth_rms_px: Spread | None
    limit_px: float = LIMIT_DISTORTION_PX


class CalibrationCheck(BaseModel):
    """The figures of one check."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_: Literal["guidance-app/calibration-check/1"] = Field(default=SCHEMA, alias="schema")
    machine: Machine
    seed: int
    data: str
    phantom: PhantomFigures
    distortion: GridFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class _PhantomErrors:
    focal_spot_mm: float
    focal_spot_across_beam_mm: float
    detector_distance_mm: float
    principal_point_mm: float
    beam_angle_deg: float
    residual_rms_px: float
    sigmas: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _GridErrors:
    largest_shift_px: float
    held_out_rms_px: float
    against_truth_rms_px: float


def check_calibration(count: int, seed: int, progress: Progress = lambda *_: None) -> CalibrationCheck:
    """Calibrate `count` simulated phantoms and as many grids; nothing is tuned on them."""
    views, grids = [], []
    for index in range(count):
        views.append(_phantom(seed + index))
        grids.append(_grid(seed + _GRIDS_FROM + index))
        progress(index + 1, count)
    return CalibrationCheck(
        machine=this_machine(),
        seed=seed,
        data=f"{count} simulated phantom views and {count} grids of {_SIDE_PX} x {_SIDE_PX}, 12 bit, with photon noise",
        phantom=_phantom_figures(views),
        distortion=_grid_figures(grids),
    )


def check_lines(check: CalibrationCheck) -> list[str]:
    """Lines for a person: median, 95th percentile and largest error of each quantity."""
    phantom, grid = check.phantom, check.distortion
    rows: list[tuple[str, Spread | None]] = [
        ("focal spot mm", phantom.focal_spot_mm),
        ("  across the beam mm", phantom.focal_spot_across_beam_mm),
        ("detector distance mm", phantom.detector_distance_mm),
        ("principal point mm", phantom.principal_point_mm),
        ("beam angle deg", phantom.beam_angle_deg),
        ("bead residual px", phantom.residual_rms_px),
        ("distortion px", grid.largest_shift_px),
        ("  held-out residual px", grid.held_out_rms_px),
        ("  against truth px", grid.against_truth_rms_px),
    ]
    return [
        f"{phantom.accepted} of {phantom.pictures} phantoms and {grid.accepted} of {grid.pictures} grids accepted, "
        f"seed {check.seed}",
        f"{'':24}{'median':>9}{'95 %':>9}{'largest':>9}",
        *(f"{name:24}{row.median:9.3f}{row.p95:9.3f}{row.largest:9.3f}" for name, row in rows if row is not None),
        *(f"refused: {reason}" for reason in (*phantom.refusals, *grid.refusals)),
    ]


def _phantom(seed: int) -> _PhantomErrors | str:
    view = random_view(np.random.default_rng(seed), side_px=_SIDE_PX)
    picture = PhantomPicture(
        line_integral=attenuation(view.pixels, view.bits_stored), source=f"phantom {seed}", header=view.geometry
    )
    try:
        found = calibrate_view(picture, view.phantom)
    except InputError as error:
        return str(error)
    truth, spacing_mm = view.projection, view.geometry.row_spacing_mm
    source_mm = truth.camera_from_lps.inverse().translation_mm
    middle_px = np.full((1, 2), (_SIDE_PX - 1) / 2)
    beam = truth.back_project(middle_px, np.array([1000.0]))[0] - source_mm
    beam = beam / np.linalg.norm(beam)
    off_mm = found.pinhole.source_mm() - source_mm
    true_angles, angles = angles_of(beam), found.beam_angles()
    off_px = np.array(found.pinhole.principal_point_px) - truth.intrinsics_px[:2, 2]
    sigma_mm = found.fit.sigma_of(lambda pinhole: pinhole.source_mm())
    return _PhantomErrors(
        focal_spot_mm=float(np.linalg.norm(off_mm)),
        focal_spot_across_beam_mm=float(np.linalg.norm(off_mm - (off_mm @ beam) * beam)),
        detector_distance_mm=abs(found.pinhole.focal_px * spacing_mm - view.geometry.sid_mm),
        principal_point_mm=float(np.linalg.norm(off_px)) * spacing_mm,
        beam_angle_deg=max(
            abs(angles.primary_deg - true_angles.primary_deg), abs(angles.secondary_deg - true_angles.secondary_deg)
        ),
        residual_rms_px=found.fit.rms_px,
        sigmas=float((np.abs(off_mm) / sigma_mm).max()),
    )


def _grid(seed: int) -> _GridErrors | str:
    rng = np.random.default_rng(seed)
    bent = Intensifier(side_px=_SIDE_PX, pincushion_px=rng.uniform(4, 18), s_shape_px=rng.uniform(-8, 8))
    picture = grid_picture(
        bent, rng, step_px=_GRID_PX, wires=bool(rng.random() < 0.5), turned_deg=rng.uniform(-8, 8),
        photons=rng.uniform(1500, 6000),
    )  # fmt: skip
    name = f"grid {seed}"
    try:
        fit = fit_distortion(find_grid(attenuation(picture, _BITS), source=name), picture.shape, _GRID_MM, source=name)
    except InputError as error:
        return str(error)
    return _GridErrors(
        largest_shift_px=fit.largest_shift_px,
        held_out_rms_px=fit.held_out_rms_px,
        against_truth_rms_px=_against_truth_px(fit, bent),
    )


def _against_truth_px(fit: DistortionFit, bent: Intensifier) -> float:
    """The remaining distortion between known points, apart from a turn, a scale and a shift of the whole grid."""
    ideal = np.random.default_rng(0).uniform(0.2 * _SIDE_PX, 0.8 * _SIDE_PX, (400, 2))
    straight = fit.distortion.undistort(bent.stored(ideal))
    seen = np.isfinite(straight).all(axis=1)
    truth, found = ideal[seen] @ [1, 1j], straight[seen] @ [1, 1j]
    terms = np.column_stack([truth, np.ones_like(truth)])
    rest = np.abs(found - terms @ np.linalg.lstsq(terms, found, rcond=None)[0])
    return float(np.sqrt((rest**2).mean()))


def _phantom_figures(outcomes: list[_PhantomErrors | str]) -> PhantomFigures:
    found = [outcome for outcome in outcomes if not isinstance(outcome, str)]

    def spread(name: str) -> Spread | None:
        return _spread(getattr(outcome, name) for outcome in found)

    return PhantomFigures(
        pictures=len(outcomes),
        accepted=len(found),
        refusals=[outcome for outcome in outcomes if isinstance(outcome, str)],
        focal_spot_mm=spread("focal_spot_mm"),
        focal_spot_across_beam_mm=spread("focal_spot_across_beam_mm"),
        detector_distance_mm=spread("detector_distance_mm"),
        principal_point_mm=spread("principal_point_mm"),
        beam_angle_deg=spread("beam_angle_deg"),
        residual_rms_px=spread("residual_rms_px"),
        within_three_sigma=float(np.mean([outcome.sigmas < 3 for outcome in found])) if found else None,
    )


def _grid_figures(outcomes: list[_GridErrors | str]) -> GridFigures:
    found = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    return GridFigures(
        pictures=len(outcomes),
        accepted=len(found),
        refusals=[outcome for outcome in outcomes if isinstance(outcome, str)],
        largest_shift_px=_spread(outcome.largest_shift_px for outcome in found),
        held_out_rms_px=_spread(outcome.held_out_rms_px for outcome in found),
        against_truth_rms_px=_spread(outcome.against_truth_rms_px for outcome in found),
    )


def _spread(values: Iterator[float]) -> Spread | None:
    errors = np.fromiter(values, dtype=np.float64)
    if not len(errors):
        return None
    median, p95, largest = (round(float(np.quantile(errors, part)), 4) for part in (0.5, 0.95, 1.0))
    return Spread(median=median, p95=p95, largest=largest)
