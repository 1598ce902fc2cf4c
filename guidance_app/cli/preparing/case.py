"""Command `case`: make a case from whatever models exist, and show what is in one."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from calibration.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Add `case create` and `case show`."""
    case = typer.Typer(no_args_is_help=True, help="Make and look at cases: a patient's models in one folder.")
    case.command("create")(create)
    case.command("show")(show)
    app.add_typer(case, name="case")


def create(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist, or be empty.")],
    kind: Annotated[str, typer.Option(help="evt, tavi or coronary.")],
    field: Annotated[
        str,
        typer.Option(
            help="Of tavi, what the recordings show: upper (the root) or lower (aorta, iliac and femoral arteries); "
            "picks the network."
        ),
    ] = "upper",
    cta: Annotated[
        Path | None,
        typer.Option(
            help="DICOM folder, one file of the series to choose, or NIfTI. Without another model, vessels "
            "are extracted from it."
        ),
    ] = None,
    vessels: Annotated[
        Path | None, typer.Option(help="Label volume (NIfTI, .seg.nrrd, DICOM SEG) or folder of masks.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            help="What the labels are: 1=artery,2=vein; also NAME=CLASS, 3=M1:artery, or a file that names them. "
            "Classes: artery, vein, aorta, true lumen, false lumen, none."
        ),
    ] = None,
    surface: Annotated[
        Path | None, typer.Option(help="STL, VTP, VTK, OBJ or PLY; LPS mm unless the file says SPACE=RAS.")
    ] = None,
    centerlines: Annotated[
        Path | None,
        typer.Option(help="VTP, VTK, CSV x,y,z[,radius][,branch] or .mrk.json; LPS mm unless the file says RAS."),
    ] = None,
    phase: Annotated[
        int | None, typer.Option(help="Of a CTA of several phases: its number in the list, or its percentage.")
    ] = None,
    nifti_form: Annotated[str | None, typer.Option(help="sform or qform, where those of a NIfTI CTA disagree.")] = None,
    hu_offset: Annotated[
        float | None, typer.Option(help="Added to the CTA's values, such as -1024 for HU stored with an offset.")
    ] = None,
    placement: Annotated[
        Path | None, typer.Option(help="JSON with model_to_lps (4x4, mm), applied to surface and centerlines.")
    ] = None,
    pacs: Annotated[
        str | None, typer.Option(help="Take the CTA from this archive: HOST:PORT?aet=ARCHIVE[&calling=US]; see `pacs`.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="With --pacs: Study Instance UID.")] = None,
    series: Annotated[str | None, typer.Option(help="With --pacs: Series Instance UID.")] = None,
    id: Annotated[str | None, typer.Option(help="Pseudonym; random by default. Never patient text.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print what is in the new case as JSON.")] = False,
) -> None:
    """Make a case from DICOM, NIfTI, STL, VTP, VTK or CSV; at least one model, in one frame (LPS mm)."""
    from engines.anatomy.cases.case_creation import create_case

    with _cta_source(cta, pacs, study, series) as cta_path:
        case = create_case(
            out,
            kind,
            cta=cta_path,
            vessels=vessels,
            surface=surface,
            centerlines=centerlines,
            placement=placement,
            field_of_view=field,
            case_id=id,
            names=names,
            phase=phase,
            nifti_form=nifti_form,
            hu_offset=hu_offset,
            report=_report,
            note=_note,
        )
    _print_summary(str(case.folder), json_output, None)


def show(
    case: Annotated[str, typer.Argument(help="A case folder, or a bundled case: evt, tavi, coronary.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    pictures: Annotated[Path | None, typer.Option(help="Folder for pictures of the CTA and the model.")] = None,
) -> None:
    """Show what is in a case: sizes, spacing, branches, lengths, radii, recordings."""
    _print_summary(case, json_output, pictures)


def _report(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def _note(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)


@contextmanager
def _cta_source(cta: Path | None, pacs: str | None, study: str | None, series: str | None) -> Iterator[Path | None]:
    """The CTA's path: as given, or a folder fetched from an archive that is gone once the case is made."""
    if pacs is None:
        if study is not None or series is not None:
            raise InputError("--study and --series say what to take from an archive; give --pacs too")
        yield cta
        return
    if cta is not None or study is None or series is None:
        raise InputError("--pacs needs --study and --series, and no --cta; `pacs find` lists them")
    from guidance_app.pacs.address import parse_address
    from guidance_app.pacs.retrieval import fetch_series

    with tempfile.TemporaryDirectory(prefix="guidance-cta-") as folder:
        yield fetch_series(parse_address(pacs), study, series, Path(folder) / "cta", report=_report).folder


def _print_summary(name: str, json_output: bool, pictures: Path | None) -> None:
    from engines.anatomy.cases.case import load_case
    from engines.anatomy.cases.case_summary import scale_doubt, summarise, summary_lines

    case = load_case(name)
    model, ct = case.vessel_model(), case.ct()
    summary = summarise(case, model, ct)
    if doubt := scale_doubt(summary):
        print(f"warning: {summary.folder}: {doubt}", file=sys.stderr)
    saved: list[Path] = []
    if pictures is not None:
        from engines.anatomy.cases.case_pictures import save_pictures

        saved = save_pictures(pictures, model, ct)
    if json_output:
        print(json.dumps({**summary.as_json(), "pictures": [str(path) for path in saved]}, indent=1))
        return
    for line in [*summary_lines(summary), *(f"picture      {path}" for path in saved)]:
        print(line)
