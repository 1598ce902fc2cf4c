"""Command group `evaluate`: accuracy against reference data, per case and in total."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.evaluation.registration import Report, Summary
    from engines.evaluation.segmentation import MaskScores


def add_to(app: typer.Typer) -> None:
    evaluate = typer.Typer(no_args_is_help=True, help="Accuracy against reference data, with confidence intervals.")
    app.add_typer(evaluate, name="evaluate")

    @evaluate.command()
    def registration(
        cases: list[str] = typer.Option([], "--cases", help="Case folder or bundled case with truth; may be repeated."),
        more: list[str] = typer.Argument(None, help="More case folders."),
        phantom: list[Path] = typer.Option([], "--phantom", help="Folder of the coronary phantom (placement.json)."),
        starts: int = typer.Option(
            10, "--starts", min=0, help="Drawn starts a view; one from the header alone is added."
        ),
        seed: int = typer.Option(0, "--seed", help="Of the drawn starts."),
        rotation_deg: float = typer.Option(7.0, help="Standard deviation of starts about each axis."),
        in_plane_mm: float = typer.Option(15.0, help="Standard deviation of starts along each axis of the picture."),
        depth_mm: float = typer.Option(20.0, help="Standard deviation of starts along the beam."),
        refine: bool = typer.Option(False, "--refine/--no-refine", help="Refine on rendered vessels (seconds)."),
        backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
        json_file: Path | None = typer.Option(None, "--json", help="Write figures and every trial here."),
    ) -> None:
        """Registration from many seeded starts: projection error, success, times, and does it know when it fails."""
        from calibration.store import write_json
        from engines.evaluation.registration import StartSpread, evaluate
        from engines.evaluation.registration_cases import sources
        from engines.registration.options import RegistrationOptions

        folders = [*cases, *(more or [])]
        if not folders and not phantom:
            raise InputError("evaluate registration: nothing to evaluate; give --cases DIR or --phantom DIR")
        report = evaluate(
            sources(folders, phantom, backend=backend),
            starts=starts,
            seed=seed,
            spread=StartSpread(rotation_deg=rotation_deg, in_plane_mm=in_plane_mm, depth_mm=depth_mm),
            options=RegistrationOptions(refine_drr=refine),
            progress=lambda line: typer.echo(line, err=True),
        )
        _print_registration(report)
        if json_file is not None:
            write_json(json_file, report.model_dump(by_alias=True))
        if not report.trials:
            raise InputError(f"evaluate registration: not one case could be used; first: {report.failures[0]}")

    @evaluate.command()
    def segmentation(
        images: Path = typer.Option(..., "--images", help="Folder of pictures."),
        masks: Path = typer.Option(
            ..., "--masks", help="Folder of reference masks; same names, vessel above half grey."
        ),
        model: str = typer.Option("coronary", "--model", help="Name of the network."),
        backend: str = typer.Option("auto", help="Runtime of the network."),
        json_file: Path | None = typer.Option(None, "--json", help="Write figures a picture and in total here."),
    ) -> None:
        """Dice, precision, recall and clDice of a network against reference masks, a picture at a time and in total."""
        from dataclasses import asdict

        from calibration.store import write_json
        from engines.evaluation.machine import this_machine
        from engines.evaluation.segmentation import summarise

        scores, failures = _mask_scores(images, masks, model, backend)
        if not scores:
            raise InputError(f"{images}: no picture has a mask of its name in {masks}; nothing to evaluate")
        total = summarise(scores.values())
        for figure, spread in total.items():
            quartiles = f"{spread.lower_quartile:.3f}-{spread.upper_quartile:.3f}"
            print(f"{figure}: median {spread.median:.3f} (quartiles {quartiles}, {spread.count} pictures)")
        for failure in failures:
            print(f"not evaluated: {failure}")
        if json_file is not None:
            content = {
                "schema": "guidance-app/evaluate-segmentation/1",
                "machine": this_machine().model_dump(),
                "data": str(images),
                "model": model,
                "total": {figure: asdict(spread) for figure, spread in total.items()},
                "cases": [{"picture": name, **_without_nan(asdict(score))} for name, score in scores.items()],
                "failures": failures,
            }
            write_json(json_file, content)


def _mask_scores(images: Path, masks: Path, model: str, backend: str) -> tuple[dict[str, MaskScores], list[str]]:
    import cv2

    from engines.angiography.open_run import open_run
    from engines.evaluation.segmentation import score_mask
    from engines.segmentation.segmenter import load_segmenter

    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give --images and --masks")
    references = {path.stem: path for path in sorted(masks.iterdir()) if path.is_file()}
    segmenter = load_segmenter(model, backend=backend)
    scores: dict[str, MaskScores] = {}
    failures: list[str] = []
    for path in sorted(images.iterdir()):
        if path.stem not in references:
            continue
        try:
            frame = open_run(path).frame(0)
            reference = cv2.imread(str(references[path.stem]), cv2.IMREAD_GRAYSCALE)
            if reference is None or reference.shape != frame.shape_px:
                raise InputError(f"{references[path.stem]}: no mask of {frame.shape_px} pixels; give one of this size")
            found = segmenter.segment(frame).vessel() > segmenter.threshold
            scores[path.stem] = score_mask(found, reference > 127)
        except GuidanceError as error:
            failures.append(f"{path.name}: {error}")
        typer.echo(f"{path.name}: {'failed' if path.stem not in scores else 'done'}", err=True)
    return scores, failures


def _without_nan(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: value if value == value else None for name, value in figures.items()}


def _print_registration(report: Report) -> None:
    for start, summary in report.total.items():
        print(f"{start} starts, all runs: {_line(summary)}")
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
        f"median {_number(summary.error_mm.value)} mm",
        f"within 3 px of the vessel {_percent(summary.within_3px_of_vessel.value)}",
        f"{_number(summary.seconds.value)} s",
        f"accepted though wrong {_percent(summary.accepted_and_wrong.value)}",
    ]
    return ", ".join(shown)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
