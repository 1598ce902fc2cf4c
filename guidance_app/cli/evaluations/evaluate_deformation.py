"""`evaluate deformation`: the overlay on a moving tree, rigid and deformed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.evaluation.deformation.moving_runs import MovingRun
    from engines.evaluation.deformation.moving_tree import DeformationReport

_MASKS = ("network", "true", "drawn")


def add_to(evaluate: typer.Typer) -> None:
    @evaluate.command()
    def deformation(
        cases: list[str] = typer.Argument(None, help="Simulated coronary cases, or the bundled one: coronary."),
        phantom: list[Path] = typer.Option([], "--phantom", help="Folder of the coronary phantom, which stands still."),
        masks: list[str] = typer.Option(
            list(_MASKS), "--masks", help="network, true, or drawn (a made-up motion with its exact mask)."
        ),
        motions: int = typer.Option(3, "--motions", min=1, help="Made-up motions a run."),
        size_mm: float = typer.Option(2.0, "--size-mm", min=0.0, help="Root mean square of a made-up motion."),
        seed: int = typer.Option(0, "--seed", help="Of the made-up motions."),
        backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
        json_file: Path | None = typer.Option(None, "--json", help="Write figures and every frame here."),
    ) -> None:
        """How near the overlay comes to a beating heart's vessels, rigid and deformed, in the same run."""
        from calibration.store import check_place_for, write_json
        from engines.evaluation.deformation.moving_tree import evaluate_runs

        folders = cases or []
        if not folders and not phantom:
            raise InputError("evaluate deformation: nothing to evaluate; give case folders or --phantom DIR")
        unknown = [name for name in masks if name not in _MASKS]
        if unknown:
            raise InputError(f"--masks {unknown[0]}: choose among {', '.join(_MASKS)}")
        if json_file is not None:
            check_place_for(json_file)
        report = evaluate_runs(
            _runs(folders, phantom, masks, motions=motions, size_mm=size_mm, seed=seed, backend=backend),
            seed=seed,
            data=[*(Path(folder).name for folder in folders), *(folder.name for folder in phantom)],
            progress=lambda line: typer.echo(line, err=True),
        )
        _print(report)
        if json_file is not None:
            write_json(json_file, report.model_dump(by_alias=True))


def _runs(
    cases: list[str], phantom: list[Path], masks: list[str], *, motions: int, size_mm: float, seed: int, backend: str
) -> Iterator[MovingRun]:
    from engines.evaluation.deformation.drawn_motion import drawn_runs
    from engines.evaluation.deformation.moving_runs import heart_runs, phantom_runs
    from engines.segmentation.segmenter import load_segmenter

    segmenter = load_segmenter("coronary", backend=backend) if phantom or "network" in masks else None
    for case in cases:
        if segmenter is not None and "network" in masks:
            yield from heart_runs(case, segmenter)
        if "true" in masks:
            yield from heart_runs(case, None)
        if "drawn" in masks:
            yield from drawn_runs(case, count=motions, seed=seed, size_mm=size_mm)
    if segmenter is not None:
        for folder in phantom:
            yield from phantom_runs(folder, segmenter)


def _print(report: DeformationReport) -> None:
    from engines.evaluation.deformation.moving_tree import summary_line

    for name, summary in report.groups.items():
        print(f"{name}: {summary_line(summary)}")
    for name, count in report.not_accepted.items():
        if count:
            print(f"{name}: {count} frames had no accepted pose and are not counted")
