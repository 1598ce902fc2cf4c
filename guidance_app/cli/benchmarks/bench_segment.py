"""`bench segment`: one network on every runtime of this machine, eager torch among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from calibration.errors import InputError


def add_to(bench: typer.Typer) -> None:
    @bench.command()
    def segment(
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
        model: str = typer.Option("coronary", help="Name of the network."),
        backend: list[str] = typer.Option([], "--backend", help="Only these, beside torch; may be repeated."),
        size: list[int] = typer.Option([256, 512], "--size", min=16, max=8192, help="Side of the frames in pixels."),
        rounds: int = typer.Option(40, min=1, help="Timed frames of each runtime and size."),
        pictures: int = typer.Option(40, min=1, help="Unseen synthetic pictures that Dice is measured on."),
        threads: int = typer.Option(0, min=0, help="Of each runtime; 0: all cores or one, as is faster."),
        seed: int = typer.Option(3_000_000, min=2_000_000, help="Of the pictures; training uses smaller ones."),
        images: Path | None = typer.Option(None, "--images", help="Folder of real pictures, for a second Dice."),
        masks: Path | None = typer.Option(None, "--masks", help="Their reference masks; same names."),
        models: Path | None = typer.Option(None, "--models", help="Folder of other weights, as `train` leaves it."),
    ) -> None:
        """Time from frame to mask and Dice on every runtime, one at a time, beside torch in the same run."""
        from calibration.store import check_place_for, write_json
        from engines.evaluation.benchmarks.segment_bench import run_segment_bench
        from engines.evaluation.segmentation.labelled_pictures import read_labelled
        from engines.inference.factory import runtime_named
        from engines.inference.model_files import BUNDLED_MODELS

        for name in backend:
            runtime_named(name)
        if (images is None) != (masks is None):
            raise InputError(f"{'--images' if masks is None else '--masks'} goes with the other one; give both folders")
        labelled, failures = read_labelled(images, masks) if images and masks else ([], [])
        for failure in failures:
            typer.echo(f"not used: {failure}", err=True)
        if json_file is not None:
            check_place_for(json_file)
        figures = run_segment_bench(
            model=model, backends=backend or None, sizes=size, rounds=rounds, pictures=pictures, threads=threads,
            seed=seed, folder=models or BUNDLED_MODELS, labelled=labelled,
            labelled_name=f"{images}, {len(labelled)} pictures, pooled Dice" if labelled else "",
            progress=lambda line: typer.echo(line, err=True),
        )  # fmt: skip
        _print(figures)
        if json_file is not None:
            write_json(json_file, figures)


def _print(figures: dict[str, Any]) -> None:
    machine = figures["machine"]
    print(
        f"{figures['model']} on {machine['cpu']}, {machine['cores']} cores; {_load(figures['load'], machine['cores'])}"
    )
    print(f"timed on: {figures['timed_on']}; 'alone' is a frame that remembers nothing")
    print(f"Dice on: {figures['data']}")
    for row in figures["sizes"]:
        print(f"{row['size'][0]}x{row['size'][1]} (auto takes {row['auto']}); ms a frame of a run, median and p99:")
        for entry in row["backends"]:
            print(f"  {_row(entry)}")
        _print_ratios(row)
    for entry in figures["left_out"]:
        print(f"  {entry['name']:14s} does not run here: {entry['reason']}")
    print(f"auto: {figures['auto_reason']}")


def _load(load: dict[str, float | None], cores: int) -> str:
    before, after = load["before"], load["after"]
    if before is None or after is None:
        return "this system states no load"
    busy = " (other work runs here: times are longer than on a quiet machine)" if before > 0.5 * cores else ""
    return f"load {before:.1f} before and {after:.1f} after{busy}"


def _print_ratios(row: dict[str, Any]) -> None:
    """What `auto` takes against each of the others."""
    for entry in row["backends"]:
        if entry["name"] == row["auto"] and entry["speedup_over"]:
            ratios = ", ".join(f"{name} {times:.2f}" for name, times in entry["speedup_over"].items())
            print(f"  times as fast as the others, {entry['name']}: {ratios}")


def _row(entry: dict[str, Any]) -> str:
    line = (
        f"{entry['name']:14s} {entry['threads']} thread{'s' if entry['threads'] > 1 else ' '}  "
        f"{entry['median_ms']:8.1f} {entry['p99_ms']:8.1f}  network {entry['network_ms']:7.1f}  "
        f"around {entry['around_ms']:6.1f}  alone {entry['alone_ms']:7.1f}  {entry['speedup']:5.1f} times torch  "
        f"Dice {100 * entry['dice']:.2f} % (lost {entry['dice_lost_points']:+.2f})"
    )
    if "dice_real" in entry:
        line += f", real {100 * entry['dice_real']:.2f} % (lost {entry['dice_real_lost_points']:+.2f})"
    return line
