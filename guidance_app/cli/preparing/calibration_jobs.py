"""From the files a person names to calibration files: pictures read, calibrated, and described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from calibration.calibration_file import CaptureFile, CArmFile, CArmView, DistortionFile, read_calibration_of
from calibration.capture import active_region, find_disc, spacing_from_disc, spacing_from_points, text_boxes
from calibration.carm import CArmGeometry
from calibration.dicom_values import stored_text
from calibration.errors import InputError
from calibration.intensifier.distortion import Distortion
from calibration.intensifier.distortion_grid import find_grid, fit_distortion
from calibration.phantoms.beads import attenuation
from calibration.phantoms.carm_calibration import CalibratedView, PhantomPicture, calibrate_view
from calibration.phantoms.carm_summary import KnownScale, angle_offsets, find_isocentre, view_content, warnings_of
from calibration.phantoms.phantom import default_phantom, read_phantom
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.angiography.run import Run
from engines.inference.machine import this_machine

Report = Callable[[str], None]
_SCREEN_FRAMES = 12
_GOOD_HELD_OUT_PX = 0.3
# Of the equipment, never of the patient.
_DEVICE_TAGS = {"manufacturer": "Manufacturer", "model": "ManufacturerModelName", "serial": "DeviceSerialNumber"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CArmJob:
    """What `calibrate carm` was asked for."""

    pictures: tuple[Path, ...]
    phantom: Path | None
    frame: int
    pixel_mm: float | None
    sid_mm: float | None
    distortion: Path | None
    mirrored: bool
    max_residual_px: float
    valid_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureJob:
    """What `calibrate capture` was asked for; `view` is (primary, secondary, SID, SOD) in degrees and mm."""

    screen: Path
    known_mm: float | None
    points: tuple[float, float, float, float] | None
    disc_mm: float | None
    view: tuple[float, float, float, float] | None
    at_isocentre: bool
    valid_days: float


def calibrate_carm(job: CArmJob, *, report: Report) -> CArmFile:
    """Raises InputError as `calibrate_view` does, and for files that cannot be used."""
    phantom = default_phantom() if job.phantom is None else read_phantom(job.phantom)
    straighten = None
    if job.distortion is not None:
        straighten = Distortion.from_file(read_calibration_of(job.distortion, DistortionFile))
    calibrated: list[tuple[CalibratedView, Run, CArmGeometry | None]] = []
    for path in job.pictures:
        report(f"calibrating {path.name}")
        run, frame, integral = _picture(path, job.frame)
        if straighten is not None:
            straighten.require_shape(frame.shape_px, path.name)
        picture = PhantomPicture(
            line_integral=integral,
            source=path.name,
            header=frame.geometry,
            distortion=straighten,
            mirrored=job.mirrored,
        )
        calibrated.append((calibrate_view(picture, phantom, max_residual_px=job.max_residual_px), run, frame.geometry))
    isocentre = find_isocentre([view for view, _, _ in calibrated])
    views = [
        view_content(
            view,
            phantom,
            header,
            _scale(job, header),
            isocentre=isocentre,
            sop_instance_uid=run.sop_instance_uid,
            frame=job.frame,
        )
        for view, run, header in calibrated
    ]
    offsets = angle_offsets(views)
    warnings = warnings_of(views, phantom)
    if isocentre is None:
        warnings.append("no isocentre: it takes two views that are at least 15 degrees apart")
    return CArmFile(
        **_about(job.valid_days),
        valid_for=_conditions(views, calibrated[0][1]),
        device=_device(calibrated[0][1]),
        warnings=warnings,
        phantom=phantom.name,
        views=views,
        offset_primary_deg=None if offsets is None else offsets.primary_deg,
        offset_secondary_deg=None if offsets is None else offsets.secondary_deg,
        offset_spread_deg=None if offsets is None else offsets.spread_deg,
        isocentre_mm=None if isocentre is None else isocentre.point_mm.tolist(),
        isocentre_rms_mm=None if isocentre is None else isocentre.rms_mm,
    )


def calibrate_distortion(
    path: Path, spacing_mm: float, *, frame: int, valid_days: float, report: Report
) -> DistortionFile:
    """Raises InputError as `find_grid` and `fit_distortion` do, and for a file that cannot be used."""
    report(f"looking for the grid in {path.name}")
    run, picture, integral = _picture(path, frame)
    grid = find_grid(integral, source=path.name)
    fit = fit_distortion(grid, picture.shape_px, spacing_mm, source=path.name)
    found = fit.distortion
    conditions = [f"pictures of {picture.shape_px[0]} rows x {picture.shape_px[1]} columns, same intensifier field"]
    if picture.geometry is not None:
        angles = np.rad2deg([picture.geometry.primary_rad, picture.geometry.secondary_rad])
        conditions.append(f"near {angles[0]:.0f}/{angles[1]:.0f} degrees: the earth's field bends others otherwise")
    warnings = []
    if fit.held_out_rms_px > _GOOD_HELD_OUT_PX:
        warnings.append(
            f"held-out residual is {fit.held_out_rms_px:.2f} px, good grids stay below {_GOOD_HELD_OUT_PX:g}"
        )
    return DistortionFile(
        **_about(valid_days),
        valid_for=conditions,
        device=_device(run),
        warnings=[]
        if fit.held_out_rms_px <= 0.3
        else [f"held-out residual of {fit.held_out_rms_px:.2f} px is above 0.3"],
        shape_px=list(found.shape_px),
        centre_px=list(found.centre_px),
        scale_px=found.scale_px,
        degree=found.degree,
        coefficients_px=found.coefficients_px.tolist(),
        hull_px=found.hull_px.tolist(),
        pixel_spacing_mm=fit.pixel_spacing_mm,
        grid_spacing_mm=spacing_mm,
        grid_points=len(fit.grid.points_px),
        largest_shift_px=fit.largest_shift_px,
        residual_rms_px=fit.residual_rms_px,
        held_out_rms_px=fit.held_out_rms_px,
        held_out_p95_px=fit.held_out_p95_px,
    )


def calibrate_capture(job: CaptureJob, *, report: Report) -> CaptureFile:
    """Raises InputError as the functions of `calibration.capture` do, and for a file that cannot be used."""
    report(f"looking at {job.screen.name}")
    source = job.screen.name
    frames = _screen(job.screen)
    region = active_region(frames, source=source)
    spacing: tuple[float, float] | None = None
    if job.known_mm is not None and job.points is not None:
        spacing = spacing_from_points(job.known_mm, job.points[:2], job.points[2:], region, source=source)
    elif job.disc_mm is not None:
        spacing = spacing_from_disc(job.disc_mm, find_disc(frames, region, source=source), source=source)
    geometry: dict[str, float] | None = None
    if job.view is not None:
        primary, secondary, sid, sod = job.view
        if not (abs(primary) <= 180 and abs(secondary) <= 90 and 100 <= sod < sid <= 2500):
            raise InputError(
                f"--view {primary:g},{secondary:g},{sid:g},{sod:g}: expected degrees and 100 <= SOD < SID mm"
            )
        geometry = {"primary_deg": primary, "secondary_deg": secondary, "sid_mm": sid, "sod_mm": sod}
    if job.at_isocentre:
        if job.view is None or spacing is None:
            raise InputError("--at-isocentre scales a known object to the detector: give its size and --view too")
        spacing = spacing[0] * job.view[2] / job.view[3], spacing[1] * job.view[2] / job.view[3]
    warnings = [] if len(frames) > 1 else ["one picture only: dark text is not found, and bright marks may be missed"]
    if spacing is None:
        warnings.append("no pixel size: overlays need --known-mm or --disc-mm")
    return CaptureFile(
        **_about(job.valid_days),
        valid_for=[f"a captured screen of {frames.shape[1]} rows x {frames.shape[2]} columns, same layout and zoom"],
        warnings=warnings,
        region_px=region.as_list(),
        text_masks_px=[box.as_list() for box in text_boxes(frames, region)],
        pixel_spacing_mm=None if spacing is None else list(spacing),
        aspect=region.width / region.height,
        screen_shape_px=list(frames.shape[1:]),
        geometry=geometry,
    )


def _picture(path: Path, index: int) -> tuple[Run, Frame, Float[np.ndarray, "rows columns"]]:
    run = open_run(path)
    frame = run.frame(min(index, run.frame_count - 1) if run.frame_count == 1 else index)
    integral = attenuation(
        frame.pixels, frame.bits_stored, log_intensity=run.log_intensity, dense_bright=frame.vessels_bright
    )
    return run, frame, integral


def _screen(path: Path) -> UInt8[np.ndarray, "frames rows columns"]:
    """Up to a dozen frames spread over the recording, in 8 bit."""
    run = open_run(path)
    chosen = np.unique(np.linspace(0, run.frame_count - 1, min(run.frame_count, _SCREEN_FRAMES)).round().astype(int))
    frames = [run.frame(int(index)) for index in chosen]
    if len({frame.shape_px for frame in frames}) > 1:
        raise InputError(f"{path.name}: holds pictures of several sizes; give one recording of one screen")
    return np.stack([(frame.pixels >> max(frame.bits_stored - 8, 0)).astype(np.uint8) for frame in frames])


def _scale(job: CArmJob, header: CArmGeometry | None) -> KnownScale:
    if job.pixel_mm is not None:
        return KnownScale(row_spacing_mm=job.pixel_mm)
    if job.sid_mm is not None:
        return KnownScale(sid_mm=job.sid_mm)
    return KnownScale(row_spacing_mm=None if header is None else header.row_spacing_mm)


def _about(valid_days: float) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    machine = this_machine().model_dump(mode="json")
    return {"created": now, "valid_until": now + timedelta(days=valid_days), "machine": machine}


def _conditions(views: list[CArmView], run: Run) -> list[str]:
    sizes = sorted({f"{view.shape_px[0]} rows x {view.shape_px[1]} columns" for view in views})
    serial = _device(run).get("serial")
    return [f"pictures of {', '.join(sizes)}", *([f"device {serial}"] if serial else [])]


def _device(run: Run) -> dict[str, str]:
    header = getattr(run, "header", None)
    if header is None:
        return {}
    found = {name: stored_text(header, keyword)[:64] for name, keyword in _DEVICE_TAGS.items()}
    return {name: text for name, text in found.items() if text}
