"""Command `calibrate`: C-arm, image-intensifier distortion and capture device, each into a versioned file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from calibration.calibration_file import AnyCalibration

_Valid = Annotated[float, typer.Option("--valid-days", help="Days until the calibration expires.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the calibration as JSON.")]
_Out = Annotated[Path, typer.Option("--out", help="Calibration file to write (JSON).")]


def add_to(app: typer.Typer) -> None:
    """Add `calibrate carm|distortion|capture|phantom|show|check`."""
    calibrate = typer.Typer(no_args_is_help=True, help="Calibrate C-arm, distortion and capture device.")
    calibrate.command("carm")(carm)
    calibrate.command("distortion")(distortion)
    calibrate.command("capture")(capture)
    calibrate.command("phantom")(phantom)
    calibrate.command("show")(show)
    calibrate.command("check")(check)
    app.add_typer(calibrate, name="calibrate")


def carm(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures of the phantom: XA files or PNG, one a view.")],
    out: _Out,
    phantom: Annotated[Path | None, typer.Option(help="PHANTOM.json; by default the layout of this program.")] = None,
    frame: Annotated[int, typer.Option(help="Frame of multi-frame files, from 0.")] = 0,
    pixel_mm: Annotated[float | None, typer.Option(help="Pixel size at the detector, where no header says.")] = None,
    sid_mm: Annotated[float | None, typer.Option(help="Source to detector, where no pixel size is known.")] = None,
    distortion: Annotated[Path | None, typer.Option(help="Distortion file to straighten the pictures by.")] = None,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="The pictures are mirrored left to right.")] = False,
    max_residual_px: Annotated[float, typer.Option(help="Largest accepted residual (root mean square).")] = 0.6,
    valid_days: _Valid = 180.0,
    json_output: _Json = False,
) -> None:
    """Find focal spot, detector and angle offsets from pictures of a bead phantom.

    The phantom stands at the isocentre with its axes along the table's.
    """
    from guidance_app.cli.preparing.calibration_jobs import CArmJob, calibrate_carm

    job = CArmJob(
        pictures=tuple(pictures),
        phantom=phantom,
        frame=frame,
        pixel_mm=_positive("--pixel-mm", pixel_mm),
        sid_mm=_positive("--sid-mm", sid_mm),
        distortion=distortion,
        mirrored=mirrored,
        max_residual_px=_above_zero("--max-residual-px", max_residual_px),
        valid_days=_above_zero("--valid-days", valid_days),
    )
    _finish(calibrate_carm(job, report=_report), out, json_output)


def distortion(
    picture: Annotated[Path, typer.Argument(help="Picture of a grid of dots or wires flat on the intensifier.")],
    spacing_mm: Annotated[float, typer.Option(help="Distance between neighbouring grid points.")],
    out: _Out,
    frame: Annotated[int, typer.Option(help="Frame of a multi-frame file, from 0.")] = 0,
    valid_days: _Valid = 180.0,
    json_output: _Json = False,
) -> None:
    """Find the distortion of an image intensifier from the picture of an even grid."""
    from guidance_app.cli.preparing.calibration_jobs import calibrate_distortion

    content = calibrate_distortion(
        picture,
        _above_zero("--spacing-mm", spacing_mm),
        frame=frame,
        valid_days=_above_zero("--valid-days", valid_days),
        report=_report,
    )
    _finish(content, out, json_output)


def capture(
    screen: Annotated[Path, typer.Argument(help="Video or picture of the captured screen; a video finds more text.")],
    out: _Out,
    known_mm: Annotated[float | None, typer.Option(help="Known distance between two --points.")] = None,
    points: Annotated[str | None, typer.Option(help="c1,r1,c2,r2: two points, in pixels of the whole screen.")] = None,
    disc_mm: Annotated[float | None, typer.Option(help="Diameter of a disc or ball in the picture.")] = None,
    view: Annotated[
        str | None, typer.Option(help="primary,secondary,SID,SOD (degrees, mm): the view the C-arm stays in.")
    ] = None,
    at_isocentre: Annotated[
        bool, typer.Option("--at-isocentre", help="The known object lies at the isocentre, not on the detector.")
    ] = False,
    valid_days: _Valid = 180.0,
    json_output: _Json = False,
) -> None:
    """Find the picture on a captured screen, the text burned into it, and its pixel size."""
    from guidance_app.cli.preparing.calibration_jobs import CaptureJob, calibrate_capture

    if (known_mm is None) != (points is None):
        raise InputError("--known-mm and --points go together: --known-mm 20 --points 310,200,410,200")
    if known_mm is not None and disc_mm is not None:
        raise InputError("--known-mm and --disc-mm are two ways to the same size; leave one out")
    job = CaptureJob(
        screen=screen,
        known_mm=_positive("--known-mm", known_mm),
        points=_numbers("--points", points),
        disc_mm=_positive("--disc-mm", disc_mm),
        view=_numbers("--view", view),
        at_isocentre=at_isocentre,
        valid_days=_above_zero("--valid-days", valid_days),
    )
    _finish(calibrate_capture(job, report=_report), out, json_output)


def phantom(
    out: Annotated[Path, typer.Option("--out", help="File to write (PHANTOM.json).")],
) -> None:
    """Write the layout of this program's bead phantom, to build it by or to edit."""
    from calibration.phantoms.phantom import default_phantom
    from calibration.store import write_json

    layout = default_phantom()
    write_json(out, layout.model_dump(mode="json", by_alias=True))
    print(f"{out}: {layout.name}, {len(layout.beads)} beads, {int(layout.code().sum())} of them code. {layout.note}")


def show(
    file: Annotated[Path, typer.Argument(help="A calibration file.")],
    json_output: _Json = False,
) -> None:
    """Show what a calibration file holds; one that has expired or is of another program is refused."""
    from calibration.calibration_file import read_calibration

    _print(read_calibration(file), json_output)


def check(
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Simulated phantoms, and as many grids.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of the phantoms and grids.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Calibrate simulated phantoms and grids, whose truth is known, and say how far off the result is."""
    from calibration.store import check_place_for, write_json
    from engines.evaluation.calibration_check import check_calibration, check_lines

    if json_file is not None:
        check_place_for(json_file)
    figures = check_calibration(count, seed, _progress)
    if json_file is not None:
        write_json(json_file, figures.model_dump(mode="json", by_alias=True))
    for line in check_lines(figures):
        print(line)


def _progress(done: int, count: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{count}", end="\n" if done == count else "", file=sys.stderr, flush=True)


def _finish(content: AnyCalibration, out: Path, json_output: bool) -> None:
    from calibration.calibration_file import write_calibration

    write_calibration(out, content)
    _print(content, json_output)
    if not json_output:
        print(f"written      {out}")


def _print(content: AnyCalibration, json_output: bool) -> None:
    from calibration.calibration_file import calibration_content
    from calibration.calibration_summary import summary_lines

    if json_output:
        print(json.dumps(calibration_content(content), indent=1, allow_nan=False))
        return
    for line in summary_lines(content):
        print(line)


def _report(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def _positive(option: str, value: float | None) -> float | None:
    return None if value is None else _above_zero(option, value)


def _above_zero(option: str, value: float) -> float:
    if not 0 < value < 1e6:
        raise InputError(f"{option} {value:g}: expected a number above 0")
    return value


def _numbers(option: str, text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    parts: list[Any] = text.split(",")
    try:
        first, second, third, fourth = (float(part) for part in parts)
    except ValueError as error:
        raise InputError(f"{option} {text}: expected four numbers with commas between them") from error
    return first, second, third, fourth
