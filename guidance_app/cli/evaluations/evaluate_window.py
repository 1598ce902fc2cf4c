"""`evaluate window`: the real window in every state and size, as pictures to look at, with what is wrong in each."""

from __future__ import annotations

from pathlib import Path

import typer

from calibration.errors import InputError


def add_to(evaluate: typer.Typer) -> None:
    evaluate.command("window")(window)


def window(
    out: Path = typer.Option(..., "--out", help="Folder for the pictures and window.json."),
    case: list[str] = typer.Option(["coronary"], help="Case whose runs are played; may be given again."),
    film: list[str] = typer.Option([], help="CASE=XA, another run on a case; may be given again."),
    live: bool = typer.Option(True, help="Also a DICOM sender, and a live source that is lost."),
    size: list[str] = typer.Option([], help="Only this size, such as 1920x1080 or 3840x2160@2; may be given again."),
) -> None:
    """Screenshots of the real window on a virtual X server, in every state, at every size. Minutes a case.

    The states come from real sessions; a person's own acts (hide, freeze, raw, mask) are done in the window.
    """
    from calibration.store import make_folder, write_json
    from engines.inference.machine import this_machine
    from guidance_app.window.gallery.gallery import caught_states, photographed
    from guidance_app.window.gallery.virtual_screen import SIZES

    films = [_film(text) for text in film]
    wrong = [name for name in size if name not in {known.name for known in SIZES}]
    if wrong:
        raise InputError(f"--size {wrong[0]}: expected one of {', '.join(known.name for known in SIZES)}")
    make_folder(out)

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    states = list(caught_states(case, films, live=live, progress=tell))
    report = photographed(states, [known for known in SIZES if not size or known.name in size], out, progress=tell)
    write_json(
        out / "window.json",
        {"schema": "guidance-app/evaluate-window/1", "machine": this_machine().model_dump(), "cases": case,
         "films": film, "sizes": report},
    )  # fmt: skip
    bad = 0
    for name, found in report.items():
        faults = [(shot, fault) for shot in found["shots"] for fault in shot["faults"]]
        bad += len(faults) + len(found["moved"])
        print(
            f"{name}: {len(found['shots'])} pictures, window manager {found['window_manager']}, {len(faults)} faults "
            f"of words, {len(found['moved'])} controls that move"
        )
        for shot, fault in faults:
            print(f"    {shot['source']}, {shot['state']}: {fault}")
        for control in found["moved"]:
            print(f"    moves: {control}")
    if bad:
        raise typer.Exit(1)


def _film(text: str) -> tuple[str, Path]:
    case, equals, path = text.partition("=")
    if not equals or not case or not path:
        raise InputError(f"--film {text!r}: expected CASE=XA, a case and a run to play on it")
    return case, Path(path)
