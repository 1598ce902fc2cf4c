"""Describe a calibration in lines of text for a person."""

from __future__ import annotations

from calibration.calibration_file import AnyCalibration, CaptureFile, CArmFile, DistortionFile


def summary_lines(content: AnyCalibration) -> list[str]:
    """The kind, results, residuals, validity and warnings of a calibration."""
    until = f"{content.valid_until:%Y-%m-%d}" if content.valid_until is not None else "its conditions change"
    lines = [f"{content.schema_}   made {content.created:%Y-%m-%d}, valid until {until}"]
    if content.device:
        lines.append("device       " + ", ".join(content.device.values()))
    if isinstance(content, CArmFile):
        lines += _carm(content)
    elif isinstance(content, DistortionFile):
        lines += _distortion(content)
    else:
        lines += _capture(content)
    lines += [f"valid for    {condition}" for condition in content.valid_for]
    lines += [f"warning      {warning}" for warning in content.warnings]
    return [*lines, content.notice]


def _carm(content: CArmFile) -> list[str]:
    lines = []
    for view in content.views:
        sid = "SID unknown" if view.sid_mm is None else f"SID {view.sid_mm:.1f} +- {view.sid_sigma_mm or 0:.1f} mm"
        spot = ", ".join(f"{value:.1f}" for value in view.focal_spot_mm)
        lines += [
            f"view         {view.file}: {view.primary_deg:+.2f}/{view.secondary_deg:+.2f} degrees (+ is LAO, CRA), "
            f"roll {view.roll_deg:+.2f}, {sid}",
            f"  focal spot ({spot}) mm +- {max(view.focal_spot_sigma_mm):.2f}, {view.beads_found} beads, residual "
            f"{view.residual_rms_px:.3f} px (worst {view.residual_max_px:.3f})",
        ]
    if content.offset_primary_deg is not None and content.offset_secondary_deg is not None:
        lines.append(
            f"offset       {content.offset_primary_deg:+.2f}/{content.offset_secondary_deg:+.2f} degrees to header, "
            f"spread {content.offset_spread_deg or 0:.2f}"
        )
    if content.isocentre_mm is not None:
        point = ", ".join(f"{value:.1f}" for value in content.isocentre_mm)
        lines.append(f"isocentre    ({point}) mm, beams pass it by {content.isocentre_rms_mm or 0:.2f} mm")
    return lines


def _distortion(content: DistortionFile) -> list[str]:
    return [
        f"distortion   up to {content.largest_shift_px:.1f} px, degree {content.degree}, {content.grid_points} points",
        f"residual     {content.residual_rms_px:.3f} px; held-out points {content.held_out_rms_px:.3f} px "
        f"(95 %: {content.held_out_p95_px:.3f})",
        f"pixel        {content.pixel_spacing_mm:.4f} mm",
    ]


def _capture(content: CaptureFile) -> list[str]:
    column, row, width, height = content.region_px
    lines = [
        f"picture      {width} x {height} at column {column}, row {row} of the screen; aspect {content.aspect:.3f}",
        f"text         {len(content.text_masks_px)} boxes to ignore",
    ]
    if content.pixel_spacing_mm is not None:
        lines.append("pixel        {:.4f} mm a row, {:.4f} mm a column".format(*content.pixel_spacing_mm))
    return lines
