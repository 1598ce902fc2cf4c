"""Command group `cmr`: fusion of CT coronary angiography with stress-perfusion CMR."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from calibration.errors import InputError


def add_to(app: typer.Typer) -> None:
    cmr = typer.Typer(no_args_is_help=True, help="CT coronary angiography and stress-perfusion CMR in one picture.")
    app.add_typer(cmr, name="cmr")
    cmr.command("fuse")(fuse_command)
    cmr.command("perfusion")(perfusion_command)


def fuse_command(
    out: Annotated[Path, typer.Option("--out", help="folder for result.json, maps, mesh and figure")],
    cta: Annotated[Path | None, typer.Option("--cta", help="contrast CT: DICOM folder or NIfTI in HU")] = None,
    perfusion: Annotated[
        Path | None, typer.Option("--perfusion", help="DICOM series folder, or folder with perfusion.json")
    ] = None,
    ct_masks: Annotated[
        Path | None, typer.Option("--ct-masks", help="folder with lv_cavity, lv_wall, rv, la, ra, aorta .nii.gz")
    ] = None,
    coronaries: Annotated[
        Path | None, typer.Option("--coronaries", help="VTP, VTK or CSV: one polyline a branch, origin to tip, radii")
    ] = None,
    stress_series: Annotated[str, typer.Option(help="DICOM: number, description or UID of the stress series")] = "",
    rest_series: Annotated[str, typer.Option(help="DICOM: number, description or UID of the rest series")] = "",
    cases: Annotated[
        Path | None, typer.Option("--list", help="cohort: CSV with id, cta, ct_masks, coronaries, perfusion")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="--list: processes of this machine")] = 0,
    cluster: Annotated[str, typer.Option(help="--list: address of a Dask scheduler")] = "",
    heart: Annotated[str, typer.Option(help="heart in a CT without masks: edges or network")] = "",
    wall: Annotated[str, typer.Option(help="wall in CMR slices without masks: paths or network")] = "",
    reorient: Annotated[str, typer.Option(help="the heart's axes: geometric or stn")] = "",
    nonrigid: Annotated[str, typer.Option(help="the elastic step: radial or sdn")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print result.json, or the cohort's summary")] = False,
) -> None:
    """Fuse one case, or with --list a cohort; a cohort goes on where it stopped."""
    from engines.cmr.arms import arms_named

    arms = arms_named(heart=heart, wall=wall, reorient=reorient, nonrigid=nonrigid)
    if cases is not None:
        if cta is not None or perfusion is not None:
            raise InputError("--list: names the files of its cases itself; leave out --cta and --perfusion")
        from engines.evaluation.cmr.fusion_cohort import fuse_cohort

        summary = fuse_cohort(
            cases, out, workers=workers, cluster=cluster, arms=arms, say=lambda text: print(text, file=sys.stderr)
        )
        if as_json:
            print(json.dumps(summary, indent=1))
        else:
            print(
                f"{out / 'summary.csv'}: {summary['done']} of {summary['cases']} cases done, "
                f"{len(summary['failed'])} failed"
            )
        if summary["failed"]:
            raise typer.Exit(1)
        return
    if cta is None or perfusion is None:
        raise InputError("cmr fuse: needs --cta and --perfusion, or --list with a CSV of cases")
    from engines.cmr.fuse_files import fuse_files

    result = fuse_files(
        cta,
        perfusion,
        out,
        ct_masks=ct_masks,
        coronaries=coronaries,
        stress_series=stress_series,
        rest_series=rest_series,
        arms=arms,
        progress=_progress(quiet=as_json),
    )
    _tell(result, out, as_json=as_json)


def perfusion_command(
    perfusion: Annotated[Path, typer.Option("--perfusion", help="DICOM series folder, or folder with perfusion.json")],
    out: Annotated[Path, typer.Option("--out", help="folder for result.json, walls, motion and figure")],
    stress_series: Annotated[str, typer.Option(help="DICOM: number, description or UID of the stress series")] = "",
    rest_series: Annotated[str, typer.Option(help="DICOM: number, description or UID of the rest series")] = "",
    wall: Annotated[str, typer.Option(help="wall in slices without masks: paths or network")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print result.json")] = False,
) -> None:
    """Wall, motion and curves of a perfusion study, without a CT."""
    from engines.cmr.arms import arms_named
    from engines.cmr.perfusion_files import perfusion_files

    result = perfusion_files(
        perfusion, out, stress_series=stress_series, rest_series=rest_series, arms=arms_named(wall=wall),
        progress=_progress(quiet=as_json),
    )  # fmt: skip
    _tell(result, out, as_json=as_json)


def _tell(result: dict, out: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=1))
        return
    for one in result.get("stenoses", []):
        share = "unseen" if one["of_remote"] is None else f"{one['of_remote']:.2f} of remote"
        print(
            f"{one['branch']} {one['percent']:.0f} %: {one['subtended_mass_g']:.0f} g, upslope {share}, "
            f"{one['verdict']}"
        )
    for one in result.get("unmatched_defects", []):
        print(f"defect without a stenosis: segments {one['segments']}, {one['mass_g']:.0f} g")
    print(f"flags: {', '.join(result['flags']) or 'none'}")
    print(f"{out / 'result.json'} written, {result['elapsed_ms'] / 1000:.1f} s")


def _progress(*, quiet: bool):
    started = time.monotonic()
    last = {"text": ""}

    def tell(text: str, share: float) -> None:
        if not quiet and text != last["text"]:
            last["text"] = text
            print(f"{100 * share:3.0f} %  {time.monotonic() - started:5.1f} s  {text}", file=sys.stderr)

    return tell
