"""Command `pacs`: look into an archive, fetch a series, store exports."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

_Address = Annotated[str, typer.Argument(help="HOST:PORT?aet=ARCHIVE[&calling=US][&retrieve=get|move][&listen=H:P]")]
_Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add `pacs echo|find|fetch|store`."""
    pacs = typer.Typer(no_args_is_help=True, help="Find, fetch and store in a DICOM archive.")
    pacs.command("echo")(echo)
    pacs.command("find")(find)
    pacs.command("fetch")(fetch)
    pacs.command("store")(store)
    app.add_typer(pacs, name="pacs")


def echo(address: _Address) -> None:
    """Ask the archive whether it is there and knows us (C-ECHO)."""
    from guidance_app.pacs import client
    from guidance_app.pacs.address import parse_address

    client.echo(parse_address(address))
    print(f"{parse_address(address)}: answers")


def find(
    address: _Address,
    patient_id: Annotated[str, typer.Option(help="Patient ID; * and ? match anything.")] = "",
    date: Annotated[str, typer.Option(help="Study date: YYYYMMDD or YYYYMMDD-YYYYMMDD.")] = "",
    modality: Annotated[str, typer.Option(help="CT, XA, ...")] = "",
    study: Annotated[str, typer.Option(help="List the series of this study instead.")] = "",
    json_output: _Json = False,
) -> None:
    """List studies, or the series of one (C-FIND). The patient's name is never asked for."""
    from guidance_app.pacs.address import parse_address
    from guidance_app.pacs.client import StudyQuery, find_series, find_studies

    archive = parse_address(address)
    if study:
        found = find_series(archive, study)
    else:
        found = find_studies(archive, StudyQuery(patient_id=patient_id, study_date=date, modality=modality))
    rows = [asdict(entry) for entry in found]
    if json_output:
        print(json.dumps({"schema": "guidance-app/pacs-find/1", "found": rows}, indent=1))
        return
    for row in rows:
        print("  ".join(str(value) if value not in (None, "") else "-" for value in row.values()))
    print(f"{len(rows)} {'series' if study else 'studies'}")


def fetch(
    address: _Address,
    study: Annotated[str, typer.Option(help="Study Instance UID, as `pacs find` lists it.")],
    series: Annotated[str, typer.Option(help="Series Instance UID, as `pacs find --study` lists it.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the files.")],
    json_output: _Json = False,
) -> None:
    """Fetch a series into a folder, whole or not at all (C-GET, or C-MOVE)."""
    from guidance_app.pacs.address import parse_address
    from guidance_app.pacs.retrieval import fetch_series

    fetched = fetch_series(parse_address(address), study, series, out, report=report)
    if json_output:
        print(json.dumps({**asdict(fetched), "folder": str(fetched.folder)}, indent=1))
    else:
        print(f"{fetched.folder}: {fetched.instances} files, {fetched.total_bytes / 2**20:.1f} MiB")


def store(
    address: _Address,
    files: Annotated[list[Path], typer.Argument(help="DICOM files, as `export` writes them.")],
) -> None:
    """Send DICOM files to the archive (C-STORE)."""
    from guidance_app.pacs import client
    from guidance_app.pacs.address import parse_address

    archive = parse_address(address)
    print(f"{archive}: {client.store(archive, files, report=report)} files stored")


def report(text: str) -> None:
    """Progress, beside the result."""
    print(f"{text} ...", file=sys.stderr, flush=True)
