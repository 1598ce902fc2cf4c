"""Command `simulate`: invented patients whose truth is known exactly."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from calibration.errors import InputError


def add_to(app: typer.Typer) -> None:
    @app.command("simulate")
    def simulate(
        kind: Annotated[str, typer.Argument(help="evt, tavi, coronary, ivus or cmr")],
        out: Annotated[Path, typer.Option("--out", help="folder for the case, or for <kind>-<seed> folders")],
        seed: Annotated[int, typer.Option("--seed", help="first seed; from 1000 on they are held out for evaluation")],
        count: Annotated[int, typer.Option("--count", help="how many cases, one seed after the other")] = 1,
        field: Annotated[
            str, typer.Option("--field", help="of tavi: upper (the root) or lower (aorta, iliac and femoral arteries)")
        ] = "upper",
        frames: Annotated[int | None, typer.Option("--frames", help="frames a run, for a small case")] = None,
        split: Annotated[
            str, typer.Option("--split", help="of ivus: train, validation, test, shift (changed physics) or wide (any)")
        ] = "test",
        cta: Annotated[
            Path | None, typer.Option("--cta", help="of tavi: a real CTA as anatomy, DICOM folder or NIfTI")
        ] = None,
        vessels: Annotated[
            Path | None, typer.Option("--vessels", help="with --cta: its lumen, label volume or folder of masks")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="print what was made as JSON")] = False,
    ) -> None:
        """Make cases with exact truth: CTA, vessel models, angiographic runs, true poses and masks.

        One case goes into --out itself; with --count, each goes into its own folder below it.
        """
        if count < 1:
            raise InputError(f"--count {count}: needs 1 or more")
        if field not in ("upper", "lower"):
            raise InputError(f"--field {field}: choose upper or lower")
        if (cta is None) != (vessels is None) or (cta is not None and (kind != "tavi" or field != "upper")):
            raise InputError("--cta: needs --vessels beside it, and kind tavi with --field upper")
        from engines.simulation.simulated_case import simulate_case

        name = kind if field == "upper" else f"{kind}-{field}"

        made = []
        for number in range(count):
            here = seed + number
            folder = out if count == 1 else out / f"{name}-{here}"
            started = time.perf_counter()
            if kind == "ivus":
                from engines.simulation.ivus.case import simulate_ivus

                path = simulate_ivus(split, here, folder, progress=_progress_line(f"ivus {here}", quiet=as_json))
            elif kind == "cmr":
                from engines.simulation.cmr.case import simulate_cmr_case

                path = simulate_cmr_case(here, folder, progress=_progress_line(f"cmr {here}", quiet=as_json))
            elif cta is not None and vessels is not None:
                path = _from_cta(cta, vessels, here, folder)
            else:
                path = simulate_case(
                    kind, here, folder, field_of_view=field, frames=frames,
                    progress=_progress_line(f"{name} {here}", quiet=as_json),
                )  # fmt: skip
            seconds = time.perf_counter() - started
            made.append({"kind": kind, "seed": here, "folder": str(path), "seconds": round(seconds, 2)})
            if not as_json:
                print(f"{path}: {kind} case of seed {here}, {seconds:.1f} s")
        if as_json:
            print(json.dumps({"schema": "guidance-app/simulate/1", "cases": made}, indent=1))


def _from_cta(cta: Path, vessels: Path, seed: int, folder: Path) -> Path:
    from engines.anatomy.files.ct import load_ct
    from engines.anatomy.files.labels import load_labels
    from engines.simulation.from_cta import simulate_from_cta

    return simulate_from_cta(load_ct(cta), load_labels(vessels), seed, folder)


def _progress_line(name: str, *, quiet: bool) -> Callable[[str, float], None]:
    last = {"text": "", "tenth": -1}

    def tell(text: str, share: float) -> None:
        tenth = int(10 * share)
        if quiet or (text == last["text"] and tenth == last["tenth"]):
            return
        last.update(text=text, tenth=tenth)
        print(f"{name}: {100 * share:3.0f} % {text}", file=sys.stderr)

    return tell
