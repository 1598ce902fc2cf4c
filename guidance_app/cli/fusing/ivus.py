"""Command group `ivus`: an intravascular ultrasound pullback laid into a coronary CT."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from calibration.errors import InputError


def add_to(app: typer.Typer) -> None:
    ivus = typer.Typer(no_args_is_help=True, help="Intravascular ultrasound laid into a coronary CT.")
    app.add_typer(ivus, name="ivus")
    ivus.command("register")(register)
    ivus.command("centerline")(centerline)
    ivus.command("landmarks")(landmarks)


def register(
    out: Annotated[Path, typer.Option("--out", help="folder for result.json, centerline.vtp, mpr.nii.gz, figure.png")],
    cta: Annotated[Path | None, typer.Option("--cta", help="CT: DICOM folder or NIfTI in HU")] = None,
    centerline: Annotated[
        Path | None, typer.Option("--centerline", help="VTP, VTK or CSV x,y,z[,radius], LPS mm, either end first")
    ] = None,
    pullback: Annotated[
        Path | None, typer.Option("--pullback", help="DICOM ultrasound file, or folder with pullback.nii.gz and .json")
    ] = None,
    contours: Annotated[
        Path | None, typer.Option("--contours", help="instead: folder with lumen.csv, perhaps eem, branch, calcium")
    ] = None,
    method: Annotated[str, typer.Option("--method", help="ours or paper")] = "ours",
    listed: Annotated[
        Path | None, typer.Option("--list", help="CSV id,cta,centerline,pullback|contours: many cases into --out/ID")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="with --list: processes of this machine")] = 0,
    cluster: Annotated[str, typer.Option(help="with --list: address of a trusted Dask scheduler")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print the verdict as JSON")] = False,
) -> None:
    """Find where each frame of a pullback lies in the CT, and say whether that may be trusted."""
    from engines.ivus.methods import check_method

    check_method(method)
    if listed is not None:
        if any(path is not None for path in (cta, centerline, pullback, contours)):
            raise InputError("--list: names CT, centerline and frames itself; leave out the other inputs")
        _register_list(listed, out, method=method, workers=workers, cluster=cluster, as_json=as_json)
        return
    if workers or cluster:
        raise InputError("--workers and --cluster: need --list with many cases")
    if cta is None or centerline is None:
        raise InputError(f"{'--cta' if cta is None else '--centerline'}: is missing; one case needs both (or --list)")
    _register_one(cta, centerline, pullback, contours, out, method=method, as_json=as_json)


def centerline(
    cta: Annotated[Path, typer.Option("--cta", help="CT: DICOM folder or NIfTI in HU")],
    ostium: Annotated[str, typer.Option("--ostium", help="X,Y,Z in LPS mm, in the artery's mouth")],
    distal: Annotated[str, typer.Option("--distal", help="X,Y,Z in LPS mm, at its far end")],
    out: Annotated[Path, typer.Option("--out", help="file .vtp")],
    as_json: Annotated[bool, typer.Option("--json", help="print length and radius as JSON")] = False,
) -> None:
    """A coronary centerline between two points, with radii."""
    import numpy as np

    from calibration.store import check_place_for
    from engines.anatomy.files.centerline_file import save_centerlines
    from engines.anatomy.files.ct import load_ct
    from engines.ivus.geometry.two_point_line import line_between

    if out.suffix.lower() != ".vtp":
        raise InputError(f"--out {out}: centerlines are written as .vtp; choose this ending")
    ends = [_point("--ostium", ostium), _point("--distal", distal)]
    check_place_for(out)
    tree = line_between(load_ct(cta), *ends)
    save_centerlines(out, tree)
    branch = tree.branches[0]
    length = float(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum())
    radius = float(np.median(branch.radius_mm))
    if as_json:
        print(json.dumps({"file": str(out), "length_mm": round(length, 2), "median_radius_mm": round(radius, 3)}))
    else:
        print(f"{out}: {length:.1f} mm, median radius {radius:.2f} mm")


def landmarks(
    out: Annotated[Path, typer.Option("--out", help="folder for landmarks.json and maps.npz")],
    pullback: Annotated[
        Path | None, typer.Option("--pullback", help="DICOM ultrasound file or pullback folder")
    ] = None,
    contours: Annotated[Path | None, typer.Option("--contours", help="instead: folder with lumen.csv")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print a summary as JSON")] = False,
) -> None:
    """Lumen, side branches, calcium and gating of a pullback, without a CT."""
    from calibration.store import make_folder
    from engines.ivus.features.landmark_list import landmark_list
    from engines.ivus.files.contour_tables import Contours
    from engines.ivus.files.result_files import write_landmarks
    from engines.ivus.registration import frame_landmarks, gating_of

    source = _source(pullback, contours)
    make_folder(out)
    maps, index, doubtful = frame_landmarks(source)
    found = landmark_list(maps, index.astype(float))
    gating = None if isinstance(source, Contours) or source.gated else gating_of(source)
    extra: dict[str, Any] = {
        "frames_used": [int(k) for k in index],
        "gating": {
            "given": gating is None,
            "doubtful": doubtful,
            "beats_per_minute": None if gating is None or gating.doubtful else round(gating.beats_per_minute, 2),
        },
    }
    write_landmarks(out, maps, found, extra)
    kinds = [landmark.kind for landmark in found]
    counts = {kind: kinds.count(kind) for kind in ("bifurcation", "calcification")}
    if as_json:
        print(json.dumps({"folder": str(out), "frames": len(index), **counts, "gating": extra["gating"]}))
    else:
        branches, calcified = counts.values()
        print(f"{out}: {len(index)} frames, {branches} side branches, {calcified} calcified places")


def _register_one(
    cta: Path, line: Path, pullback: Path | None, contours: Path | None, out: Path, *, method: str, as_json: bool
) -> None:
    from calibration.store import make_folder
    from engines.anatomy.files.ct import load_ct
    from engines.ivus.files.result_files import write_result
    from engines.ivus.files.session_file import Inputs
    from engines.ivus.files.vessel_line import check_inside, load_vessel_line
    from engines.ivus.methods import register_by

    source = _source(pullback, contours)
    points = load_vessel_line(line)
    ct = load_ct(cta)
    check_inside(points, ct, line)
    make_folder(out)
    fusion = register_by(method, ct, points, source, progress=_progress(quiet=as_json))
    given = {name: "" if path is None else str(path.resolve()) for name, path in
             (("cta", cta), ("centerline", line), ("pullback", pullback), ("contours", contours))}  # fmt: skip
    write_result(out, fusion, ct, source, inputs=Inputs(**given))
    if as_json:
        verdict = {"folder": str(out), "flags": list(fusion.flags), "confidence": round(fusion.confidence, 4),
                   "elapsed_ms": round(fusion.elapsed_ms, 1)}  # fmt: skip
        print(json.dumps(verdict))
        return
    from engines.ivus.trust import advice

    verdict_text = "trusted" if not fusion.flags else "look before you trust"
    print(f"{out}: {verdict_text}, confidence {fusion.confidence:.2f}, {fusion.elapsed_ms / 1000:.1f} s")
    for name in fusion.flags:
        print(f"  {name}: {advice(name, fusion)}")


def _register_list(listed: Path, out: Path, *, method: str, workers: int, cluster: str, as_json: bool) -> None:
    from engines.evaluation.cohort import Workplace
    from engines.evaluation.ivus.case_list import read_case_list, run_case_list

    cases = read_case_list(listed, out, method=method)
    place = Workplace(cluster=cluster, workers=workers)
    rows = run_case_list(cases, out, place, lambda line: print(line, file=sys.stderr, flush=True))
    failed = [row for row in rows if row["status"] == "failed"]
    if as_json:
        print(json.dumps({"cases": rows}, indent=1))
    else:
        trusted = sum(row["status"] == "trusted" for row in rows)
        print(f"{out}/summary.csv: {len(rows)} cases, {trusted} trusted, {len(failed)} failed")
    if failed:
        raise InputError(f"{len(failed)} of {len(rows)} cases failed, first {failed[0]['id']}: {failed[0]['reason']}")


def _source(pullback: Path | None, contours: Path | None) -> Any:
    if (pullback is None) == (contours is None):
        raise InputError("--pullback or --contours: give exactly one of them")
    if contours is not None:
        from engines.ivus.files.contour_tables import read_contours

        return read_contours(contours)
    from engines.ivus.files.open_pullback import open_pullback

    assert pullback is not None
    return open_pullback(pullback)


def _point(option: str, text: str) -> Any:
    import numpy as np

    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not np.isfinite(values).all():
        raise InputError(f"{option} {text}: expected X,Y,Z in LPS mm, such as 12.5,-180,1640")
    return np.array(values)


def _progress(*, quiet: bool) -> Callable[[str, float], None]:
    def tell(text: str, share: float) -> None:
        if not quiet:
            print(f"{100 * share:3.0f} % {text}", file=sys.stderr, flush=True)

    return tell
