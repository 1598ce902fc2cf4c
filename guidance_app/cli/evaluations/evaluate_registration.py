"""`evaluate registration`: one method or several from the same seeded starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.evaluation.registration.figures import CaptureRange, Summary
    from engines.evaluation.registration.study import Report
    from engines.evaluation.registration.trial_tasks import Fewer


def add_to(evaluate: typer.Typer) -> None:
    @evaluate.command()
    def registration(
        cases: list[str] = typer.Option([], "--cases", help="Case folder or bundled case with truth; may be repeated."),
        more: list[str] = typer.Argument(None, help="More case folders."),
        phantom: list[Path] = typer.Option([], "--phantom", help="Folder of the coronary phantom (placement.json)."),
        foreign: list[Path] = typer.Option(
            [],
            "--foreign",
            help="Folder of runs that another generator made (PATIENT/masks, RUN/xa.dcm, RUN/truth.json, RUN/starts).",
        ),
        model: str = typer.Option(
            "masks", "--model", help="With --foreign: what models are made from: masks, cta, centerlines or surface."
        ),
        patient: list[str] = typer.Option([], "--patient", help="With --foreign: this patient alone; may be repeated."),
        method: list[str] = typer.Option(
            ["ours"], "--method", help="Registration method; may be repeated: all get the same starts."
        ),
        starts: int = typer.Option(
            10, "--starts", min=0, help="Drawn starts a view; one from the header alone is added."
        ),
        starts_of: list[str] = typer.Option(
            [],
            "--starts-of",
            help="METHOD=N or METHOD=N@C: a slow method gets the first N drawn starts alone, of the first C cases; "
            "may be repeated.",
        ),
        seed: int = typer.Option(0, "--seed", help="Of the drawn starts."),
        protocol: str = typer.Option(
            "",
            "--protocol",
            help="Named starts instead of the next three: messy (uniform within 10 degrees, 10 mm in plane, 20 mm "
            "depth) or paper001 (offsets as large as DeepIterReg found on patients).",
        ),
        rotation_deg: float = typer.Option(7.0, min=0.0, help="Standard deviation of starts about each axis."),
        in_plane_mm: float = typer.Option(
            15.0, min=0.0, help="Standard deviation of starts along each axis of the picture."
        ),
        depth_mm: float = typer.Option(20.0, min=0.0, help="Standard deviation of starts along the beam."),
        biplane: bool = typer.Option(
            False, "--biplane", help="Register the first two runs of each case jointly; of the phantom every two views."
        ),
        runs: int | None = typer.Option(
            None,
            "--runs",
            min=1,
            help="At most this many runs of a case, so that slow methods can be tried on more patients.",
        ),
        wrong_anatomy: bool = typer.Option(
            False,
            "--wrong-anatomy",
            help="Also register each case with another patient's model, which must never be accepted.",
        ),
        refine: bool = typer.Option(False, "--refine/--no-refine", help="Ours: refine on rendered vessels (seconds)."),
        backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
        device: str = typer.Option("cpu", help="Where methods render: cpu or cuda."),
        cluster: str = typer.Option(
            "", "--cluster", help="Address of a trusted Dask scheduler, such as tcp://host:8786; one task a case."
        ),
        workers: int = typer.Option(0, "--workers", min=0, help="Processes of this machine; 0: this process alone."),
        pictures: Path | None = typer.Option(
            None,
            "--pictures",
            help="Folder for reliability.png and a picture of each registration worse than 5 mm or wrongly accepted.",
        ),
        table: Path | None = typer.Option(
            None, "--table", help="Write the methods side by side here (Markdown), from drawn starts."
        ),
        json_file: Path | None = typer.Option(
            None, "--json", help="Write figures and every trial here; finished trials lie beside it meanwhile."
        ),
    ) -> None:
        """Registration from many seeded starts: projection error, success, times, and whether failures are known."""
        from calibration.store import make_folder, write_bytes, write_json
        from engines.evaluation.cohort import Workplace
        from engines.evaluation.confidence.reliability_diagram import write_reliability_diagram
        from engines.evaluation.registration.cases import sources, wrong_anatomy_sources
        from engines.evaluation.registration.foreign import foreign_sources
        from engines.evaluation.registration.foreign_model import model_source
        from engines.evaluation.registration.foreign_table import foreign_markdown, foreign_rows
        from engines.evaluation.registration.methods_table import methods_table
        from engines.evaluation.registration.protocols import protocol_named
        from engines.evaluation.registration.study import discard_partial, evaluate
        from engines.evaluation.registration.subject import StartSpread
        from engines.registration.methods.method_recipe import recipe_named

        folders = [*cases, *(more or [])]
        if biplane and runs == 1:
            raise InputError("--biplane takes the first two runs of a case; leave out --runs")
        if not folders and not phantom and not foreign:
            raise InputError("evaluate registration: nothing to evaluate; give --cases, --phantom or --foreign DIR")
        if (model != "masks" or patient) and not foreign:
            raise InputError("--model and --patient say what to take from --foreign DIR; give it too")
        free = StartSpread(rotation_deg=rotation_deg, in_plane_mm=in_plane_mm, depth_mm=depth_mm)
        spread = protocol_named(protocol) if protocol else free
        methods = [recipe_named(name, device=device, refine_drr=refine) for name in dict.fromkeys(method)]
        place = Workplace(cluster=cluster, workers=workers)
        strangers = wrong_anatomy_sources(folders, backend=backend) if wrong_anatomy else []
        for folder in foreign:
            strangers += foreign_sources(
                folder,
                backend=backend,
                wrong_anatomy=wrong_anatomy,
                made_from=model_source(model),
                only=tuple(patient),
            )
        if pictures is not None:
            make_folder(pictures)
        report = evaluate(
            [*sources(folders, phantom, backend=backend, biplane=biplane, runs=runs), *strangers],
            starts=starts,
            seed=seed,
            spread=spread,
            methods=methods,
            fewer=_fewer(starts_of, [recipe.name for recipe in methods]),
            protocol=protocol,
            place=place,
            pictures=pictures,
            report=json_file,
            progress=lambda line: typer.echo(line, err=True),
        )
        _print(report)
        of_foreign = foreign_markdown(foreign_rows(report.trials)) if foreign and not (folders or phantom) else ""
        if of_foreign:
            print(of_foreign, end="")
        if pictures is not None:
            write_reliability_diagram(pictures / "reliability.png", report.methods)
        if table is not None:
            write_bytes(table, (of_foreign or methods_table(report.methods)).encode())
        if json_file is not None:
            write_json(json_file, report.model_dump(by_alias=True))
            discard_partial(json_file)
        if not report.trials:
            raise InputError(f"evaluate registration: not one case could be used; first: {report.failures[0]}")


def _fewer(texts: list[str], methods: list[str]) -> dict[str, Fewer]:
    """METHOD=N@C by method; raises InputError where it is none, or of a method that is not evaluated."""
    from engines.evaluation.registration.trial_tasks import Fewer

    fewer = {}
    for text in texts:
        method, _, numbers = text.partition("=")
        starts, at, cases = numbers.partition("@")
        if not all(number.isdigit() and int(number) > 0 for number in ([starts, cases] if at else [starts])):
            raise InputError(
                f"--starts-of {text}: expected METHOD=N or METHOD=N@C, counted from 1, as in stock-diffdrr-ncc=2@3"
            )
        if method not in methods:
            raise InputError(f"--starts-of {text}: {method} is not evaluated; there are {', '.join(methods)}")
        fewer[method] = Fewer(starts=int(starts), sources=int(cases) if at else None)
    return fewer


def _print(report: Report) -> None:
    for method, by_start in report.methods.items():
        for start, summary in by_start.items():
            print(f"{method}, {start} starts, all runs: {_line(summary)}")
            if start == "drawn":
                print(f"  {_capture_line(summary.capture_range)}")
    for method, found in report.wrong_anatomy.items():
        counts = ", ".join(f"{count} {status}" for status, count in found.status.items())
        rejected = found.rejected
        print(
            f"{method}, another patient's model: {counts}; rejected {_percent(rejected.value)} "
            f"({_percent(rejected.low)}-{_percent(rejected.high)})"
        )
    for run, by_start in report.per_run.items():
        for start, summary in by_start.items():
            print(f"  {run} ({start}): {_line(summary)}")
    for failure in report.failures:
        print(f"not evaluated: {failure}")


def _line(summary: Summary) -> str:
    success = summary.success["2mm"]
    shown = [
        f"{summary.trials} trials",
        f"within 2 mm {_percent(success.value)} ({_percent(success.low)}-{_percent(success.high)})",
        f"within 5 mm {_percent(summary.success['5mm'].value)}",
        f"median {_number(summary.error_mm.value)}, 95 % below {_number(summary.error_p95_mm)} mm",
        f"MPE {_number(summary.mpe_mm.value)} mm",
        *([f"mTRE {_number(summary.mtre_mm.value)} mm"] if summary.mtre_mm.n else []),
        *([f"second view {_number(summary.second_error_mm.value)} mm"] if summary.second_error_mm.n else []),
        f"within 3 px of the vessel {_percent(summary.within_3px_of_vessel.value)}",
        f"{_number(summary.seconds.value)} s",
    ]
    if summary.calibration.brier is not None:
        shown.append(f"accepted though wrong {_percent(summary.accepted_and_wrong.value)}")
        shown.append(f"Brier {_number(summary.calibration.brier)}")
    return ", ".join(shown)


def _capture_line(capture: CaptureRange) -> str:
    return (
        f"capture range: {_number(capture.mm)} mm, {_number(capture.px)} px (95 % within "
        f"{capture.success_limit_mm:g} mm); median below 5 px up to {_number(capture.median_px)} px"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
