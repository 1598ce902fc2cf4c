"""Catches every state once, and photographs them at every size."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from calibration.errors import GuidanceError, InputError
from engines.anatomy.cases.case import Case, load_case
from engines.angiography.files.open_run import open_run
from guidance_app.sources.live_uris import DicomUri
from guidance_app.sources.open_live import open_live
from guidance_app.window.gallery.caught import BreakingReel, CaughtState, states_of_runs, states_of_source
from guidance_app.window.gallery.photographer import photograph
from guidance_app.window.gallery.virtual_screen import ScreenSize, virtual_screen

_LOCAL, _AET = "127.0.0.1", "GALLERY"
_PHOTOS_S = 600.0


def caught_states(
    cases: Sequence[str], films: Sequence[tuple[str, Path]], *, live: bool, progress: Callable[[str], None]
) -> Iterator[CaughtState]:
    """Of each case's own runs, of other films on a case, and of the first film sent by DICOM and torn off.

    Args:
        films: (case, XA file).
        live: also receive the first run of all by DICOM, and lose a live source.

    Raises:
        GuidanceError: a case or run cannot be read.
    """
    for name in cases:
        case = load_case(name)
        progress(f"playing {case.id}")
        yield from states_of_runs(case, [run.path for run in case.recordings], source=case.id)
    for name, path in films:
        case = load_case(name)
        progress(f"playing {path.name} on {case.id}")
        yield from states_of_runs(case, [path], source=f"{case.id} {path.stem}")
    if not live:
        return
    case, path = _first_run(cases, films)
    progress(f"sending {path.name} by DICOM")
    yield from _states_by_dicom(case, path)
    progress(f"losing a live source that shows {path.name}")
    reel = BreakingReel(open_run(path))
    yield from states_of_source(case, reel, source="torn cable", until=("source lost",), begin=reel.begin)


def photographed(
    states: Sequence[CaughtState], sizes: Sequence[ScreenSize], out: Path, *, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Photograph the states at every size; returns what `evaluate window` writes as JSON.

    Raises:
        GuidanceError: no X server, or the window did not come up in it.
    """
    report: dict[str, Any] = {}
    for size in sizes:
        progress(f"photographing {len(states)} states at {size.name}")
        folder = out / size.name
        folder.mkdir(parents=True, exist_ok=True)
        with virtual_screen(size) as (environment, manager):
            process = multiprocessing.get_context("spawn").Process(
                target=photograph, args=(states, environment, folder), kwargs={"pixel_mm": size.pixel_mm}
            )  # fmt: skip
            process.start()
            process.join(_PHOTOS_S)
            if process.exitcode != 0:
                process.kill()
                raise GuidanceError(f"the window did not show its states at {size.name} (code {process.exitcode})")
        shots = json.loads((folder / "shots.json").read_text(encoding="utf-8"))
        report[size.name] = {"window_manager": manager or "none", "moved": moved_controls(shots), "shots": shots}
    return report


def moved_controls(shots: Sequence[dict[str, Any]]) -> list[str]:
    """Controls that did not stay in one place in all states that show them."""
    places: dict[str, set[tuple[int, ...]]] = {}
    for shot in shots:
        for name, place in shot["controls"].items():
            places.setdefault(name, set()).add(tuple(place))
    return sorted(name for name, found in places.items() if len(found) > 1)


def _first_run(cases: Sequence[str], films: Sequence[tuple[str, Path]]) -> tuple[Case, Path]:
    if cases:
        case = load_case(cases[0])
        return case, case.recordings[0].path
    if films:
        return load_case(films[0][0]), films[0][1]
    raise InputError("evaluate window: nothing to show; give --case or --film")


def _states_by_dicom(case: Case, path: Path) -> Iterator[CaughtState]:
    """A modality on this machine sends the file to the window's own storage SCP."""
    source = open_live(DicomUri(host=_LOCAL, port=0, aet=_AET))
    sender = threading.Thread(target=_send, args=(path, source.port), name="guidance-gallery-sender", daemon=True)  # type: ignore[attr-defined]
    yield from states_of_source(case, source, source="dicom", until=("last run",), begin=sender.start)
    if sender.ident is not None:
        sender.join()


def _send(path: Path, port: int) -> None:
    from pydicom import dcmread
    from pynetdicom.ae import ApplicationEntity

    from guidance_app.pacs.closing import CLOSED_SURELY

    made = dcmread(path)
    ae = ApplicationEntity(ae_title="MODALITY")
    ae.add_requested_context(made.SOPClassUID, made.file_meta.TransferSyntaxUID)
    association = ae.associate(_LOCAL, port, ae_title=_AET, evt_handlers=[CLOSED_SURELY])
    if association.is_established:
        association.send_c_store(made)
        association.release()
